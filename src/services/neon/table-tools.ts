import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { inDatabase } from "./place.ts";
import { rowsLimit, tellResult, toldResult } from "./rows.ts";
import { tool } from "./runtime.ts";
import { onlyResult, type Statement } from "./sql-client.ts";
import { quotedName, quotedTable } from "./statement.ts";

const table = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^.]+(?:\.[^.]+)?$/, 'must be a name such as "guests" or "shop.guests"')
  .describe("guests, or shop.guests for one of a schema");

const cell = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const condition = z.union([
  cell,
  z.array(cell).min(1).max(1000),
  z.strictObject({
    op: z.enum(["=", "<>", "<", "<=", ">", ">=", "like", "ilike"]),
    value: cell,
  }),
]);

export const selectRows = tool({
  name: "select_rows",
  title: "Select rows",
  description:
    "Reads rows of a table without SQL: which columns, under which conditions, in which order, how many.",
  input: z.object({
    ...inDatabase,
    table,
    columns: z.array(z.string().min(1)).min(1).max(200).optional().describe("Default all"),
    where: z
      .record(z.string().min(1), condition)
      .default({})
      .describe(
        'All must hold: {"country": "PT", "id": [1, 2], "nights": {"op": ">", "value": 3}, "left": null}',
      ),
    orderBy: z
      .array(
        z.object({ column: z.string().min(1), direction: z.enum(["asc", "desc"]).default("asc") }),
      )
      .max(20)
      .default([]),
    limit: rowsLimit,
    offset: z.int().min(0).default(0),
  }),
  output: toldResult,
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [
    {
      input: {
        table: "guests",
        where: { country: "PT" },
        orderBy: [{ column: "name" }],
        limit: 20,
      },
    },
  ],
  cost: 1_000,
  handler: async (input, { runtime, signal }) => {
    const { table: from, columns, where, orderBy, limit, offset, ...place } = input;
    const statement = selection({ from, columns, where, orderBy, limit: limit + 1, offset });
    const results = await runtime.sql.run(place, [statement], { readOnly: true, signal });
    const told = tellResult(onlyResult(results), limit);
    return { ...told, rowCount: told.rows.length };
  },
});

export const insertRows = tool({
  name: "insert_rows",
  title: "Insert rows",
  description:
    "Puts rows into a table in one transaction, and gives them as the database has them: with ids and defaults.",
  input: z.object({
    ...inDatabase,
    table,
    rows: z
      .array(z.record(z.string().min(1), z.json()))
      .min(1)
      .max(500)
      .describe("Each with its columns; a column left out gets its default"),
  }),
  output: z.object({ rows: z.array(z.record(z.string(), z.unknown())) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  examples: [{ input: { table: "guests", rows: [{ name: "Ana", country: "PT" }] } }],
  cost: 500,
  handler: async ({ table: into, rows, ...place }, { runtime, signal }) => {
    const results = await runtime.sql.run(
      place,
      rows.map((row) => insertion(into, row)),
      { readOnly: false, signal },
    );
    return { rows: results.flatMap((one) => one.rows) };
  },
});

export const listTables = tool({
  name: "list_tables",
  title: "Tables",
  description: "Lists a database's tables and views with about how many rows they have.",
  input: z.object({
    ...inDatabase,
    schema: z.string().min(1).optional().describe("Default all but PostgreSQL's own"),
  }),
  output: z.object({
    tables: z.array(
      z.object({
        schema: z.string(),
        name: z.string(),
        kind: z
          .string()
          .describe("table, view, materialized view, partitioned table or foreign table"),
        rowsAbout: z.number().nullable().describe("An estimate; null where none was made yet"),
      }),
    ),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 600,
  handler: async ({ schema, ...place }, { runtime, signal }) => {
    const results = await runtime.sql.run(place, [{ sql: tablesSql, params: [schema ?? null] }], {
      readOnly: true,
      signal,
    });
    return { tables: z.array(tableRow).parse(onlyResult(results).rows).map(tellTable) };
  },
});

const tablesSql = `select n.nspname as schema, c.relname as name, c.relkind::text as kind, c.reltuples::float8 as rows
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname not like 'pg\\_%' and ($1::text is null or n.nspname = $1)
order by 1, 2 limit 1000`;

const tableRow = z.object({
  schema: z.string(),
  name: z.string(),
  kind: z.string(),
  rows: z.coerce.number(),
});

function tellTable({ schema, name, kind, rows }: z.output<typeof tableRow>) {
  return { schema, name, kind: kinds.get(kind) ?? kind, rowsAbout: rows < 0 ? null : rows };
}

const kinds: ReadonlyMap<string, string> = new Map([
  ["r", "table"],
  ["v", "view"],
  ["m", "materialized view"],
  ["p", "partitioned table"],
  ["f", "foreign table"],
]);

export const describeTable = tool({
  name: "describe_table",
  title: "Table",
  description:
    "Tells a table's columns with their types and defaults, and its constraints and indexes.",
  input: z.object({ ...inDatabase, table }),
  output: z.object({
    columns: z.array(
      z.object({
        name: z.string(),
        type: z.string(),
        nullable: z.boolean(),
        default: z.string().nullable(),
      }),
    ),
    constraints: z.array(z.object({ name: z.string(), definition: z.string() })),
    indexes: z.array(z.object({ name: z.string(), definition: z.string() })),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { table: "guests" } }],
  cost: 500,
  handler: async ({ table: name, ...place }, { runtime, signal }) => {
    const params = [quotedTable(name)];
    const [columns, constraints, indexes] = await runtime.sql.run(
      place,
      [columnsSql, constraintsSql, indexesSql].map((sql) => ({ sql, params })),
      { readOnly: true, signal },
    );
    if (columns === undefined || columns.rows.length === 0)
      throw new ToolError(`There is no table "${name}". list_tables names them.`, {
        code: "NOT_FOUND",
      });
    return {
      columns: z.array(columnRow).parse(columns.rows),
      constraints: z.array(definitionRow).parse(constraints?.rows ?? []),
      indexes: z.array(definitionRow).parse(indexes?.rows ?? []),
    };
  },
});

const columnsSql = `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
  pg_get_expr(d.adbin, d.adrelid) as "default"
from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum`;

const constraintsSql = `select conname as name, pg_get_constraintdef(oid) as definition
from pg_catalog.pg_constraint where conrelid = to_regclass($1) order by 1`;

const indexesSql = `select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
where i.indrelid = to_regclass($1) order by 1`;

const columnRow = z.object({
  name: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  default: z.string().nullable(),
});
const definitionRow = z.object({ name: z.string(), definition: z.string() });

interface Selection {
  readonly from: string;
  readonly columns: readonly string[] | undefined;
  readonly where: Readonly<Record<string, z.output<typeof condition>>>;
  readonly orderBy: readonly { column: string; direction: "asc" | "desc" }[];
  readonly limit: number;
  readonly offset: number;
}

function selection({ from, columns, where, orderBy, limit, offset }: Selection): Statement {
  const params: unknown[] = [];
  const place = (value: unknown): string => `$${params.push(value)}`;
  const conditions = Object.entries(where).map(([column, wanted]) =>
    conditionText(quotedName(column), wanted, place),
  );
  const order = orderBy.map(({ column, direction }) => `${quotedName(column)} ${direction}`);
  const parts = [
    `select ${columns === undefined ? "*" : columns.map(quotedName).join(", ")}`,
    `from ${quotedTable(from)}`,
    conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`,
    order.length === 0 ? "" : `order by ${order.join(", ")}`,
    `limit ${limit} offset ${offset}`,
  ];
  return { sql: parts.filter((part) => part !== "").join(" "), params };
}

function conditionText(
  column: string,
  wanted: z.output<typeof condition>,
  place: (value: unknown) => string,
): string {
  if (Array.isArray(wanted)) return `${column} in (${wanted.map(place).join(", ")})`;
  const { op, value } =
    typeof wanted === "object" && wanted !== null ? wanted : { op: "=" as const, value: wanted };
  if (value !== null) return `${column} ${op} ${place(value)}`;
  return op === "<>" ? `${column} is not null` : `${column} is null`;
}

function insertion(into: string, row: Readonly<Record<string, unknown>>): Statement {
  const columns = Object.keys(row);
  if (columns.length === 0) return `insert into ${quotedTable(into)} default values returning *`;
  const names = columns.map(quotedName).join(", ");
  const places = columns.map((_column, at) => `$${at + 1}`).join(", ");
  return {
    sql: `insert into ${quotedTable(into)} (${names}) values (${places}) returning *`,
    params: Object.values(row),
  };
}
