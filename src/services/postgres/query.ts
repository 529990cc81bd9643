import { z } from "zod";
import { readingCalls, sqlLengthMax } from "./read-rules.ts";
import { databaseName, databaseOf, parameters, reads, tool } from "./runtime.ts";
import { rowsShape } from "./shapes.ts";

/** The sql of a statement that only reads. */
export const readingSql = z
  .string()
  .min(1)
  .max(sqlLengthMax)
  .describe("One statement that only reads: SELECT, WITH ... SELECT, VALUES, TABLE or SHOW");

export const query = tool({
  name: "query",
  title: "Query",
  description:
    "Runs one SQL statement that only reads, and gives its rows. Put values into params as $1, $2 and on. Nothing that writes, locks, waits or reaches beyond the database is run; there is a bound on time, rows and bytes, and `cut` says when there is more. See describe_table for the columns first.",
  input: z.object({
    database: databaseName,
    sql: readingSql,
    params: parameters,
    maxRows: z.int().min(1).max(100_000).default(200).describe("How many rows at most"),
  }),
  output: rowsShape,
  annotations: reads,
  examples: [
    {
      title: "With a parameter",
      input: {
        sql: "select id, name from people where born > $1 order by name",
        params: ["1990-01-01"],
      },
    },
  ],
  cost: 1_500,
  handler: async ({ database: name, sql, params, maxRows }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    const calls = readingCalls(sql);
    const rowsMax = Math.min(maxRows, runtime.rowsMax);
    const rows = await database.read({ sql, params }, calls, { principal, signal, rowsMax });
    return { database: database.name, ...rows };
  },
});
