import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { databaseName, databaseOf, reads, tool } from "./runtime.ts";

const table = z.object({
  schema: z.string(),
  name: z.string(),
  kind: z.string(),
  comment: z.string().nullable(),
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      nullable: z.boolean(),
      default: z.string().nullable(),
      generated: z.boolean().describe("By identity or from other columns"),
      comment: z.string().nullable(),
    }),
  ),
  primaryKey: z.array(z.string()),
  foreignKeys: z.array(
    z.object({ name: z.string(), columns: z.array(z.string()), definition: z.string() }),
  ),
  checks: z.array(z.object({ name: z.string(), definition: z.string() })),
  indexes: z.array(z.object({ name: z.string(), unique: z.boolean(), definition: z.string() })),
});

export const describeTable = tool({
  name: "describe_table",
  title: "Describe a table",
  description:
    "Tells the columns of a table or view with their types and defaults, its keys, checks and indexes. Use it before you write a query.",
  input: z.object({
    database: databaseName,
    table: z
      .string()
      .min(1)
      .max(130)
      .describe("Its name, with or without its schema: people or hr.people"),
    schema: z.string().min(1).max(63).optional().describe("Its schema, where the name has none"),
  }),
  output: table.extend({ database: z.string() }),
  annotations: reads,
  examples: [{ input: { table: "public.orders" } }],
  cost: 600,
  handler: async ({ database: name, table: wanted, schema }, { runtime, principal, signal }) => {
    const database = databaseOf(runtime, name);
    const asking = { principal, signal };
    const found = await database.ask<{ oid: number; schema: string }>(
      findSql,
      [wanted, schema ?? null],
      asking,
    );
    const [first, other] = found;
    if (first === undefined)
      throw new ToolError(
        `There is no table "${wanted}" that may be read here. list_tables names them.`,
        { code: "NOT_FOUND" },
      );
    // A name that is written with its schema is one; of a bare name the search path may know several.
    if (other !== undefined && schema === undefined && !wanted.includes("."))
      throw new ToolError(
        `There is a table "${wanted}" in ${found.map((one) => one.schema).join(", ")}: say which schema.`,
        { code: "NOT_FOUND" },
      );
    const [described] = await database.ask(describeSql, [first.oid], asking);
    return { database: database.name, ...table.parse(described) };
  },
});

const findSql = `
  select c.oid::int8 as oid, n.nspname as schema
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f') and has_any_column_privilege(c.oid, 'select')
     and (c.relname = $1 and (n.nspname = $2 or $2::text is null)
          or $2::text is null and n.nspname || '.' || c.relname = $1)
   order by n.nspname = any(current_schemas(true)) desc, n.nspname limit 10`;

const describeSql = `
  select n.nspname as schema, c.relname as name,
         case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
              when 'm' then 'materialized view' else 'foreign table' end as kind,
         obj_description(c.oid, 'pg_class') as comment,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
                   'default', pg_get_expr(d.adbin, d.adrelid),
                   'generated', a.attidentity <> '' or a.attgenerated <> '',
                   'comment', col_description(c.oid, a.attnum)) order by a.attnum), '[]')
            from pg_catalog.pg_attribute a
            left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
         (select coalesce(jsonb_agg(a.attname order by array_position(k.conkey, a.attnum)), '[]')
            from pg_catalog.pg_constraint k
            join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
           where k.conrelid = c.oid and k.contype = 'p') as "primaryKey",
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', k.conname, 'definition', pg_get_constraintdef(k.oid),
                   'columns', (select jsonb_agg(a.attname order by array_position(k.conkey, a.attnum))
                                 from pg_catalog.pg_attribute a
                                where a.attrelid = k.conrelid and a.attnum = any(k.conkey))) order by k.conname), '[]')
            from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'f') as "foreignKeys",
         (select coalesce(jsonb_agg(jsonb_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid))
                   order by k.conname), '[]')
            from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'c') as checks,
         (select coalesce(jsonb_agg(jsonb_build_object(
                   'name', i.relname, 'unique', x.indisunique, 'definition', pg_get_indexdef(x.indexrelid))
                   order by i.relname), '[]')
            from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
           where x.indrelid = c.oid) as indexes
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = $1::int8::oid`;
