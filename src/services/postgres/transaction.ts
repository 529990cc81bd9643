import { z } from "zod";
import { doneShape } from "./execute.ts";
import { sqlLengthMax, writingKind } from "./read-rules.ts";
import { databaseName, databaseOf, parameters, tool } from "./runtime.ts";

export const transaction = tool({
  name: "transaction",
  title: "Transaction",
  description:
    "Runs several SQL statements, one after the other, in one transaction: all of them are done, or none. Only for databases that are opened for writing.",
  input: z.object({
    database: databaseName,
    statements: z
      .array(z.object({ sql: z.string().min(1).max(sqlLengthMax), params: parameters }))
      .min(1)
      .max(100),
    allRows: z.boolean().default(false).describe("Whether an UPDATE or DELETE may have no WHERE"),
  }),
  output: z.object({
    database: z.string(),
    results: z.array(doneShape.omit({ database: true })).describe("One for each statement"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
  examples: [
    {
      input: {
        statements: [
          { sql: "update accounts set balance = balance - $1 where id = $2", params: [10, 1] },
          { sql: "update accounts set balance = balance + $1 where id = $2", params: [10, 2] },
        ],
      },
    },
  ],
  cost: 500,
  handler: async ({ database: name, statements, allRows }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    for (const { sql } of statements) writingKind(sql, { allRows });
    const asking = { principal, signal, rowsMax: runtime.rowsMax };
    return { database: database.name, results: await database.write(statements, asking) };
  },
});
