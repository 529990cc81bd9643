// Whether what a statement calls is free of effects: PostgreSQL says so of each function, by its volatility. A READ ONLY
// transaction keeps a volatile function from writing tables, and from nothing else, so only those are called that are known to be
// harmless, or that the operator has named.
import type { PoolClient } from "pg";
import { ToolError } from "@signalbox/kit";
import type { Calls } from "./read-rules.ts";

/** Volatile functions of PostgreSQL's own that change nothing: they tell time, chance and sizes. */
export const harmlessFunctions: ReadonlySet<string> = new Set([
  "random",
  "random_normal",
  "setseed",
  "clock_timestamp",
  "timeofday",
  "gen_random_uuid",
  "uuidv4",
  "uuidv7",
  "currval",
  "lastval",
  "pg_relation_size",
  "pg_total_relation_size",
  "pg_table_size",
  "pg_indexes_size",
  "pg_database_size",
  "pg_tablespace_size",
  "pg_column_size",
  "pg_is_in_recovery",
  "pg_lock_status",
  "pg_blocking_pids",
  "pg_safe_snapshot_blocking_pids",
  "pg_current_wal_lsn",
  "pg_last_wal_receive_lsn",
  "pg_last_wal_replay_lsn",
  "pg_last_xact_replay_timestamp",
  "pg_visible_in_snapshot",
  "pg_prepared_xact",
  "pg_prepared_statement",
  "pg_timezone_names",
  "pg_get_shmem_allocations",
]);

/** Throws ToolError (SQL_REFUSED) where a statement calls something volatile that is not known to be harmless, nor allowed. */
export async function refuseVolatile(
  client: PoolClient,
  { functions, operators, fields }: Calls,
  allowed: readonly string[],
): Promise<void> {
  if (functions.length + operators.length + fields.length === 0) return;
  const { rows } = await client.query<{ name: string; schema: string }>(volatileOnes, [
    functions.map(({ name }) => name),
    functions.map(({ schema }) => schema ?? null),
    operators,
    fields,
  ]);
  const found = rows.find((one) => !isHarmless(one) && !isAllowed(one, allowed));
  if (found === undefined) return;
  throw new ToolError(
    `The function ${found.schema}.${found.name} may change something (it is volatile), so query does not call it. An operator can allow it, under \`functions\` of this database in [services.postgres.databases].`,
    { code: "SQL_REFUSED" },
  );
}

// Of every function that a name may mean, in whatever schema.
const volatileOnes = `
  select p.proname as name, n.nspname as schema
    from unnest($1::text[], $2::text[]) as asked(name, schema)
    join pg_catalog.pg_proc p on p.proname = asked.name and p.provolatile = 'v'
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where asked.schema is null or n.nspname = asked.schema
   union
  select p.proname, n.nspname
    from pg_catalog.pg_operator o
    join pg_catalog.pg_proc p on p.oid = o.oprcode and p.provolatile = 'v'
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where o.oprname = any($3::text[])
   union
  select p.proname, n.nspname
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_type t on t.oid = p.proargtypes[0] and t.typtype in ('c', 'p')
   where p.proname = any($4::text[]) and p.pronargs = 1 and p.provolatile = 'v'`;

interface Found {
  readonly schema: string;
  readonly name: string;
}

function isHarmless({ schema, name }: Found): boolean {
  return schema === "pg_catalog" && harmlessFunctions.has(name);
}

function isAllowed({ schema, name }: Found, allowed: readonly string[]): boolean {
  return allowed.includes(name) || allowed.includes(`${schema}.${name}`);
}
