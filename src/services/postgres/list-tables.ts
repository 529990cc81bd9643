import { z } from "zod";
import { databaseName, databaseOf, reads, tool } from "./runtime.ts";

const tables = z.array(
  z.object({
    schema: z.string(),
    name: z.string(),
    kind: z.enum(["table", "partitioned table", "view", "materialized view", "foreign table"]),
    rows: z.number().nullable().describe("Estimated; null where it was never counted"),
    bytes: z.number().describe("With indexes"),
    comment: z.string().nullable(),
  }),
);

export const listTables = tool({
  name: "list_tables",
  title: "Tables",
  description:
    "Lists the tables and views of a database that may be read, with their size and estimated number of rows.",
  input: z.object({
    database: databaseName,
    schema: z
      .string()
      .min(1)
      .optional()
      .describe("Only this schema; default all but PostgreSQL's own"),
    limit: z.int().min(1).max(1_000).default(200),
  }),
  output: z.object({ database: z.string(), tables, more: z.boolean() }),
  annotations: reads,
  examples: [{ input: { schema: "public" } }],
  cost: 800,
  handler: async ({ database: name, schema, limit }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    const found = await database.ask(tablesSql, [schema ?? null, limit + 1], { principal, signal });
    return {
      database: database.name,
      tables: tables.parse(found.slice(0, limit)),
      more: found.length > limit,
    };
  },
});

const tablesSql = `
  select n.nspname as schema, c.relname as name,
         case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
              when 'm' then 'materialized view' else 'foreign table' end as kind,
         case when c.reltuples < 0 or c.relkind in ('v', 'f') then null else c.reltuples::bigint end as rows,
         case when c.relkind in ('r', 'm') then pg_total_relation_size(c.oid) else 0 end as bytes,
         obj_description(c.oid, 'pg_class') as comment
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f')
     and ($1::text is null and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' or n.nspname = $1)
     and has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
   order by n.nspname, c.relname limit $2`;
