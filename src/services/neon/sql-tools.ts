import { z } from "zod";
import { inDatabase } from "./place.ts";
import { rowsLimit, tellResult, toldResult } from "./rows.ts";
import { tool } from "./runtime.ts";
import { onlyResult } from "./sql-client.ts";

const sql = z.string().min(1).max(100_000).describe("One SQL statement; $1 to $n stand for params");
const params = z
  .array(z.json())
  .max(1000)
  .default([])
  .describe(
    "Values for $1 to $n; objects and lists go as JSON, an array of PostgreSQL as its text: {a,b}",
  );

export const query = tool({
  name: "query",
  title: "Query",
  description:
    "Runs one SQL statement that only reads, in a transaction in which PostgreSQL refuses to write.",
  input: z.object({ ...inDatabase, sql, params, limit: rowsLimit }),
  output: toldResult,
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { sql: "select id, name from guests where country = $1", params: ["PT"] } }],
  cost: 1_000,
  handler: async ({ sql: text, params: values, limit, ...place }, { runtime, signal }) => {
    const results = await runtime.sql.run(place, [{ sql: text, params: values }], {
      readOnly: true,
      signal,
    });
    return tellResult(onlyResult(results), limit);
  },
});

export const runSql = tool({
  name: "run_sql",
  title: "Run SQL",
  description:
    "Runs one SQL statement. It may only read unless readOnly is false; for reading, query needs no permission to write.",
  input: z.object({
    ...inDatabase,
    sql,
    params,
    readOnly: z.boolean().default(true).describe("false lets it write"),
    limit: rowsLimit,
  }),
  output: toldResult,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: false,
    openWorldHint: true,
  },
  examples: [{ input: { sql: "delete from drafts where id = $1", params: [7], readOnly: false } }],
  cost: 1_000,
  handler: async (
    { sql: text, params: values, readOnly, limit, ...place },
    { runtime, signal },
  ) => {
    const results = await runtime.sql.run(place, [{ sql: text, params: values }], {
      readOnly,
      signal,
    });
    return tellResult(onlyResult(results), limit);
  },
});

export const runSqlTransaction = tool({
  name: "run_sql_transaction",
  title: "Run SQL in a transaction",
  description:
    "Runs several SQL statements in one transaction: all of them, or none where one fails.",
  input: z.object({
    ...inDatabase,
    statements: z.array(z.object({ sql, params })).min(1).max(100),
    readOnly: z.boolean().default(false).describe("true refuses to write"),
    isolation: z.enum(["ReadCommitted", "RepeatableRead", "Serializable"]).default("ReadCommitted"),
    limit: rowsLimit.describe("Rows in the answer at most, for each statement"),
  }),
  output: z.object({ results: z.array(toldResult) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: false,
    openWorldHint: true,
  },
  cost: 1_500,
  handler: async ({ statements, readOnly, isolation, limit, ...place }, { runtime, signal }) => {
    const results = await runtime.sql.run(place, statements, { readOnly, isolation, signal });
    return { results: results.map((one) => tellResult(one, limit)) };
  },
});

export const explain = tool({
  name: "explain",
  title: "Explain a statement",
  description:
    "Tells how PostgreSQL would run a statement: its plan with costs; with analyze it is run, and may then only read.",
  input: z.object({
    ...inDatabase,
    sql,
    params,
    analyze: z.boolean().default(false).describe("Run it, and tell times and counts as they were"),
  }),
  output: z.object({ plan: z.unknown().describe("As EXPLAIN (FORMAT JSON) gives it") }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 800,
  handler: async ({ sql: text, params: values, analyze, ...place }, { runtime, signal }) => {
    const how = analyze ? "analyze, buffers, format json" : "format json";
    const results = await runtime.sql.run(
      place,
      [{ sql: `explain (${how}) ${text}`, params: values }],
      { readOnly: true, signal },
    );
    const [row = {}] = onlyResult(results).rows;
    const plan = row["QUERY PLAN"];
    return { plan: typeof plan === "string" ? JSON.parse(plan) : plan };
  },
});
