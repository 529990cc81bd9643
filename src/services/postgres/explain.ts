import { z } from "zod";
import { readingSql } from "./query.ts";
import { readingCalls } from "./read-rules.ts";
import { databaseName, databaseOf, parameters, reads, tool } from "./runtime.ts";

export const explain = tool({
  name: "explain",
  title: "Explain",
  description:
    "Shows how PostgreSQL would run a statement that only reads: the plan with its costs, or with `analyze` what it did when it was run, with times and buffers. Use it where a query is slow.",
  input: z.object({
    database: databaseName,
    sql: readingSql,
    params: parameters,
    analyze: z.boolean().default(false).describe("Run it, and measure"),
  }),
  output: z.object({
    database: z.string(),
    plan: z.unknown().describe("As EXPLAIN (FORMAT JSON) gives it"),
  }),
  annotations: reads,
  examples: [{ input: { sql: "select * from orders where customer = 7" } }],
  cost: 1_000,
  handler: async ({ database: name, sql, params, analyze }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    const calls = readingCalls(sql);
    const how = analyze ? "FORMAT JSON, ANALYZE, BUFFERS" : "FORMAT JSON";
    const statement = { sql: `EXPLAIN (${how}) ${sql}`, params };
    const { rows } = await database.read(statement, calls, { principal, signal, rowsMax: 1 });
    return { database: database.name, plan: rows[0]?.["QUERY PLAN"] };
  },
});
