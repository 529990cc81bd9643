// Migrations are SQL files applied in order, each in a transaction that also records it. Several gateways may
// start at once on one database, so each step is taken under an advisory lock of its transaction. The lock is
// tried, not waited for: a waiting transaction would hold up CREATE INDEX CONCURRENTLY, which waits for all
// transactions in turn. A lock of the transaction, unlike one of the session, also works through a pooler.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { SignalboxError, isSignalboxError, messageOf } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import { endClient } from "./database.ts";
import { sqlStateOf, storeError } from "./store-error.ts";

export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with line ends as "\n", in hex. */
  readonly checksum: string;
}

/** How long to wait altogether for other migrators. */
const LOCK_WITHIN_MS = 60_000;

/** Any number, the same in all gateways. */
const LOCK_KEY = "7310034283826791";

/** Brings the database to the newest step; throws STORE_MIGRATION, with nothing of a failed step kept. */
export async function migrate(options: {
  clientConfig: pg.ClientConfig;
  log: Log;
  signal: AbortSignal;
  migrations?: readonly Migration[];
}): Promise<void> {
  const { clientConfig, log, signal, migrations = readMigrations() } = options;
  const client = new pg.Client(clientConfig);
  client.on("error", () => undefined); // The statement under way fails with it.
  try {
    await client.connect();
    const deadline = performance.now() + LOCK_WITHIN_MS;
    for (;;) {
      signal.throwIfAborted();
      const step = await takeStep(client, migrations);
      if (step === "finished") return;
      if (step === "locked") {
        if (performance.now() > deadline) throw lockTimeout();
        await sleep(50, undefined, { signal });
      } else {
        log.info({ migration: step.name }, "changed the tables of the database");
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw sqlStateOf(error) === undefined ? storeError(error) : refused(error);
  } finally {
    await endClient(client);
  }
}

/** The numbered files of a folder, in order; throws STORE_MIGRATION where a number is missing or doubled. */
export function readMigrations(
  folder: string = join(import.meta.dirname, "migrations"),
): Migration[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .toSorted();
  return files.map((name, index) => {
    const number = Number(name.slice(0, 4));
    if (number !== index + 1) {
      throw new SignalboxError(
        "STORE_MIGRATION",
        `The migration ${name} should have the number ${index + 1}.`,
      );
    }
    const sql = readFileSync(join(folder, name), "utf8").replaceAll("\r\n", "\n");
    return { number, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
  });
}

type Step = "locked" | "finished" | Migration;

async function takeStep(client: pg.Client, migrations: readonly Migration[]): Promise<Step> {
  await client.query("BEGIN");
  try {
    const step = await stepUnderLock(client, migrations);
    await client.query("COMMIT");
    return step;
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

async function stepUnderLock(client: pg.Client, migrations: readonly Migration[]): Promise<Step> {
  const lock = await client.query(`SELECT pg_try_advisory_xact_lock(${LOCK_KEY}) AS taken`);
  if (lock.rows[0]?.taken !== true) return "locked";
  const applied = await appliedChecksums(client);
  checkHistory(applied, migrations);
  const next = migrations.find(({ number }) => !applied.has(number));
  if (next === undefined) return "finished";
  await apply(client, next);
  return next;
}

async function appliedChecksums(client: pg.Client): Promise<Map<number, string>> {
  const { rows: found } = await client.query(
    "SELECT to_regclass('signalbox.schema_migrations') IS NOT NULL AS present",
  );
  if (found[0]?.present !== true) {
    await client.query("CREATE SCHEMA IF NOT EXISTS signalbox");
    await client.query(`CREATE TABLE signalbox.schema_migrations (
      number int PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now()
    )`);
  }
  const { rows } = await client.query("SELECT number, checksum FROM signalbox.schema_migrations");
  return new Map(rows.map((row) => [Number(row.number), String(row.checksum)]));
}

function checkHistory(
  applied: ReadonlyMap<number, string>,
  migrations: readonly Migration[],
): void {
  for (const { number, name, checksum } of migrations) {
    const recorded = applied.get(number);
    if (recorded === undefined || recorded === checksum) continue;
    throw new SignalboxError(
      "STORE_MIGRATION",
      `The migration ${name} was changed after it had been applied to this database. Restore the file; changes belong in a new migration.`,
      { details: { migration: name, recorded, found: checksum } },
    );
  }
  const newest = Math.max(0, ...applied.keys());
  if (newest <= migrations.length) return;
  throw new SignalboxError(
    "STORE_MIGRATION",
    `The database has been used by a newer version (its tables are at step ${newest}, this version knows ${migrations.length}). Run that version, or restore a backup from before.`,
    { details: { database: newest, known: migrations.length } },
  );
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query(migration.sql);
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    throw new SignalboxError(
      "STORE_MIGRATION",
      `The migration ${migration.name} failed: ${messageOf(error)}`,
      {
        cause: error,
        details: { migration: migration.name, sqlState: sqlStateOf(error) },
      },
    );
  }
  await client.query(
    "INSERT INTO signalbox.schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
    [migration.number, migration.name, migration.checksum],
  );
}

function refused(error: unknown): SignalboxError {
  const told = storeError(error);
  if (told.code === "STORE_UNAVAILABLE" || isSignalboxError(error)) return told;
  return new SignalboxError(
    "STORE_MIGRATION",
    `The database refused its tables: ${messageOf(error)}`,
    {
      cause: error,
    },
  );
}

function lockTimeout(): SignalboxError {
  return new SignalboxError(
    "STORE_MIGRATION",
    `Another process has been changing the tables of this database for ${LOCK_WITHIN_MS / 1000} s.`,
  );
}
