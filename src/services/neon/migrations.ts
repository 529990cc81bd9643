// Migrations are statements under an id. A table in the database itself says which were applied, with what they were, so that
// each is applied once however many try, a changed one is noticed, and a branch on which some were tried can hand them on.
import { createHash } from "node:crypto";
import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import type { Place } from "./place.ts";
import type { Neon } from "./runtime.ts";
import { onlyResult } from "./sql-client.ts";

export const migration = z.object({
  id: z.string().min(1).max(200).describe("What it is known by, such as 0007-guests-email"),
  statements: z
    .array(z.string().min(1).max(100_000))
    .min(1)
    .max(100)
    .describe("SQL, one statement each; all are run in one transaction"),
});

export type Migration = z.output<typeof migration>;

/** Those that were not applied yet, in their order. Throws ToolError (MIGRATION_CHANGED) where an applied one was another. */
export function pendingOf(
  migrations: readonly Migration[],
  applied: readonly Migration[],
): Migration[] {
  const byId = new Map(applied.map((one) => [one.id, one]));
  const seen = new Set<string>();
  return migrations.filter((one) => {
    if (seen.has(one.id))
      throw new ToolError(`Two migrations have the id "${one.id}".`, { code: "ARGUMENTS_INVALID" });
    seen.add(one.id);
    const before = byId.get(one.id);
    if (before !== undefined && checksum(before) !== checksum(one))
      throw new ToolError(
        `The migration "${one.id}" was applied with other statements. Write a new one instead.`,
        { code: "MIGRATION_CHANGED" },
      );
    return before === undefined;
  });
}

/** The migrations that a database has, the oldest first; none where there is no table of them yet. */
export async function appliedIn(
  { sql }: Neon,
  place: Place,
  signal: AbortSignal,
): Promise<Migration[]> {
  const there = await sql.run(place, [{ sql: tableThere, params: [tableName] }], {
    readOnly: true,
    signal,
  });
  if (onlyResult(there).rows.length === 0) return [];
  const results = await sql.run(
    place,
    [`select id, statements from ${tableName} order by position`],
    { readOnly: true, signal },
  );
  return z.array(appliedRow).parse(onlyResult(results).rows);
}

const appliedRow = z.object({
  id: z.string(),
  statements: z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text))),
});

/** Applies migrations one after the other, each in a transaction of its own, which is refused where somebody else was faster. */
export async function apply(
  { sql }: Neon,
  place: Place,
  migrations: readonly Migration[],
  { signal, onApplied }: { signal: AbortSignal; onApplied: (done: number) => void },
): Promise<void> {
  if (migrations.length === 0) return;
  await sql.run(place, [createTable], { readOnly: false, signal });
  for (const [at, { id, statements }] of migrations.entries()) {
    const record = {
      sql: `insert into ${tableName} (id, statements) values ($1, $2)`,
      params: [id, JSON.stringify(statements)],
    };
    // First, so that of two at the same time the second waits for the first, and is then refused.
    await sql.run(place, [record, ...statements], { readOnly: false, signal });
    onApplied(at + 1);
  }
}

const tableName = "signalbox_migrations";
const tableThere =
  "select table_name from information_schema.tables where table_name = $1 and table_schema = current_schema()";
const createTable = `create table if not exists ${tableName} (
  position bigint generated always as identity primary key,
  id text not null unique,
  statements text not null,
  applied_at timestamptz not null default current_timestamp
)`;

function checksum({ statements }: Migration): string {
  return createHash("sha256").update(JSON.stringify(statements)).digest("hex");
}
