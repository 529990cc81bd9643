import { z } from "zod";
import { sqlLengthMax, writingKind } from "./read-rules.ts";
import { databaseName, databaseOf, parameters, tool } from "./runtime.ts";
import { rowsShape } from "./shapes.ts";

/** What a statement that was run did. */
export const doneShape = rowsShape.extend({
  command: z.string().describe("INSERT, UPDATE, CREATE and so on"),
  rowCount: z.int().describe("Rows that were touched"),
});

export const execute = tool({
  name: "execute",
  title: "Execute",
  description:
    "Runs one SQL statement that may change something, in a transaction of its own, and gives the rows of RETURNING. Only for databases that are opened for writing. An UPDATE or DELETE without WHERE must be asked for with allRows. For what only reads use query.",
  input: z.object({
    database: databaseName,
    sql: z
      .string()
      .min(1)
      .max(sqlLengthMax)
      .describe("One statement: INSERT, UPDATE, DELETE, MERGE, CREATE and so on"),
    params: parameters,
    allRows: z.boolean().default(false).describe("Whether an UPDATE or DELETE may have no WHERE"),
  }),
  output: doneShape,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  examples: [
    {
      input: {
        sql: "update orders set state = $1 where id = $2 returning id",
        params: ["paid", 7],
      },
    },
  ],
  cost: 300,
  handler: async ({ database: name, sql, params, allRows }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    writingKind(sql, { allRows });
    const asking = { principal, signal, rowsMax: runtime.rowsMax };
    const [done] = await database.write([{ sql, params }], asking);
    if (done === undefined) throw new TypeError("A statement was run and said nothing");
    return { database: database.name, ...done };
  },
});
