import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { silentLog } from "../foundation/index.ts";
import { migrate, readMigrations } from "./migrate.ts";
import type { Migration } from "./migrate.ts";
import { openTestDatabase, temporaryHome } from "./test-database.ts";

const signal = AbortSignal.timeout(60_000);

test("twenty migrators at once apply every step once", async () => {
  await using database = await openTestDatabase();
  const own = readMigrations();
  const [next, last] = [own.length + 1, own.length + 2];
  const migrations = [
    ...own,
    step(next, "CREATE TABLE signalbox.counted (n int); SELECT pg_sleep(0.1)"),
    step(last, "INSERT INTO signalbox.counted VALUES (1)"),
  ];
  await Promise.all(Array.from({ length: 20 }, () => run(database.url, migrations)));
  expect(await query(database.url, "SELECT n FROM signalbox.counted")).toEqual([{ n: 1 }]);
  expect(
    await query(database.url, "SELECT number FROM signalbox.schema_migrations ORDER BY 1"),
  ).toEqual(migrations.map(({ number }) => ({ number })));
});

test("a changed migration is refused", async () => {
  await using database = await openTestDatabase();
  await run(database.url, [step(1, "SELECT 1")]);
  await expect(run(database.url, [step(1, "SELECT 2")])).rejects.toMatchObject({
    code: "STORE_MIGRATION",
    message: expect.stringContaining("0001_step.sql was changed"),
  });
});

test("keys made before there were projects keep their reach: admins everywhere, others in the default one", async () => {
  await using database = await openTestDatabase();
  const own = readMigrations();
  await run(
    database.url,
    own.filter(({ number }) => number < 4),
  );
  await query(
    database.url,
    `INSERT INTO signalbox.api_keys (id, name, role, bundles, hash, prefix, created_at)
     SELECT role, role, role, '"all"', encode(sha256(role::bytea), 'hex'), '', now()
     FROM unnest(ARRAY['admin', 'operator', 'caller']) AS role`,
  );
  await run(database.url, own);
  expect(
    await query(database.url, "SELECT id, project, rules FROM signalbox.api_keys ORDER BY id"),
  ).toEqual([
    { id: "admin", project: "*", rules: null },
    { id: "caller", project: "default", rules: null },
    { id: "operator", project: "default", rules: null },
  ]);
});

test("nothing of a failing migration is kept, and it can be mended", async () => {
  await using database = await openTestDatabase();
  const broken = step(2, "CREATE TABLE signalbox.half (n int); SELECT nonsense");
  await expect(run(database.url, [step(1, "SELECT 1"), broken])).rejects.toMatchObject({
    code: "STORE_MIGRATION",
    message: expect.stringContaining('0002_step.sql failed: column "nonsense" does not exist'),
  });
  expect(await query(database.url, "SELECT to_regclass('signalbox.half') AS half")).toEqual([
    { half: null },
  ]);
  await run(database.url, [step(1, "SELECT 1"), step(2, "CREATE TABLE signalbox.half (n int)")]);
});

test("a database of a newer version is refused", async () => {
  await using database = await openTestDatabase();
  await run(database.url, [step(1, "SELECT 1"), step(2, "SELECT 1")]);
  await expect(run(database.url, [step(1, "SELECT 1")])).rejects.toMatchObject({
    code: "STORE_MIGRATION",
    message: expect.stringContaining("newer version"),
  });
});

test("a user without the right to make tables is told so", async () => {
  await using database = await openTestDatabase();
  await query(database.url, "CREATE ROLE weak LOGIN PASSWORD 'weak'");
  const weak = new URL(database.url);
  weak.username = "weak";
  weak.password = "weak";
  await expect(run(weak.href, readMigrations())).rejects.toMatchObject({
    code: "STORE_MIGRATION",
    message: expect.stringContaining("permission denied"),
  });
});

test("tables of the same names in an external database are left alone", async () => {
  await using database = await openTestDatabase();
  await query(
    database.url,
    "CREATE TABLE schema_migrations (version text); CREATE TABLE servers (x int)",
  );
  await run(database.url, readMigrations());
  expect(await query(database.url, "SELECT * FROM public.schema_migrations")).toEqual([]);
});

test("a gap in the numbers is refused, and line ends do not count", async () => {
  await using home = await temporaryHome();
  await mkdir(join(home.path, "unix"));
  await mkdir(join(home.path, "windows"));
  await writeFile(join(home.path, "unix", "0001_a.sql"), "SELECT 1;\nSELECT 2;\n");
  await writeFile(join(home.path, "windows", "0001_a.sql"), "SELECT 1;\r\nSELECT 2;\r\n");
  expect(readMigrations(join(home.path, "windows"))).toEqual(
    readMigrations(join(home.path, "unix")),
  );
  await writeFile(join(home.path, "unix", "0003_c.sql"), "SELECT 3");
  expect(() => readMigrations(join(home.path, "unix"))).toThrow(
    /0003_c\.sql should have the number 2/u,
  );
});

function step(number: number, sql: string): Migration {
  const checksum = createHash("sha256").update(sql).digest("hex");
  return { number, name: `000${number}_step.sql`, sql, checksum };
}

async function run(url: string, migrations: readonly Migration[]): Promise<void> {
  await migrate({ clientConfig: { connectionString: url }, log: silentLog, signal, migrations });
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
