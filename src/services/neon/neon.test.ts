import { fakeClock, hostService, jsonResponse, textOf } from "@signalbox/kit/testing";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { vendorText, withVendor } from "../../../test/support/vendor-contracts.ts";
import { FakeNeon } from "./fake-neon.ts";
import { neon } from "./index.ts";
import { branch, database, endpoint, operation, project, withOperations } from "./schemas.ts";

function hosted(options: Record<string, unknown> = {}) {
  const vendor = new FakeNeon();
  const clock = fakeClock();
  const host = hostService(
    neon,
    { api_key: vendor.key, project_id: vendor.projectId, ...options },
    { fetch: vendor.web.fetch, clock },
  );
  onTestFinished(() => host.service.close());
  /** An answer that needs time to go on. */
  const later = async (tool: string, args: unknown, ms = 30_000): Promise<unknown> => {
    const asked = host.ask(tool, args);
    asked.catch(() => {});
    await clock.advance(ms);
    return await asked;
  };
  const said = async (tool: string, args: unknown): Promise<string> => {
    const result = await host.call(tool, args);
    expect(result.isError).toBe(true);
    return textOf(result);
  };
  return { vendor, clock, host, later, said };
}

async function withGuests() {
  const all = hosted();
  await all.host.ask("run_sql", {
    sql: "create table guests (id integer primary key, name text not null, country text)",
    readOnly: false,
  });
  await all.host.ask("insert_rows", {
    table: "guests",
    rows: [
      { name: "Ana", country: "PT" },
      { name: "Jürgen", country: "DE" },
      { name: "O'Hara", country: null },
    ],
  });
  return all;
}

const columns = (answer: unknown, name: string): unknown[] =>
  z
    .object({ rows: z.array(z.record(z.string(), z.unknown())) })
    .parse(answer)
    .rows.map((row) => row[name]);

test("settings without a key say which variable to set, and a database's address is enough", () => {
  const { settings } = neon;
  expect(settings.missing(settings.options.parse({}))).toEqual([
    "NEON_API_KEY, or NEON_DATABASE_URL where only SQL is wanted",
  ]);
  expect(
    settings.missing(settings.options.parse({ database_url: "postgresql://u:p@h/d" })),
  ).toEqual([]);
});

test("list_projects reads as many pages as it needs and says whether there is more", async () => {
  const { vendor, host } = hosted();
  vendor.projects = 450;
  const some = await host.ask("list_projects", { limit: 2 });
  expect(some).toMatchObject({
    projects: [{ id: vendor.projectId, postgres: 17 }, {}],
    more: true,
  });
  const all = z
    .object({ projects: z.array(z.unknown()), more: z.boolean() })
    .parse(await host.ask("list_projects", { limit: 1000 }));
  expect([all.projects.length, all.more]).toEqual([450, false]);
});

test("describe_project tells its computes, and a project that is not there is named as such", async () => {
  const { host, said } = hosted();
  expect(await host.ask("describe_project")).toMatchObject({
    project: { region: "aws-eu-central-1" },
    endpoints: [{ host: "ep-br-main-1.eu.aws.neon.tech", state: "active" }],
  });
  expect(await said("describe_project", { projectId: "nowhere" })).toContain(
    "project not found (NOT_FOUND)",
  );
});

test("without a project in the call or the settings the caller is asked for one", async () => {
  const { said } = hosted({ project_id: undefined });
  expect(await said("list_branches", {})).toContain(
    "list_projects names them. (ARGUMENTS_INVALID)",
  );
});

test("create_branch waits until Neon has made it, and delete_branch takes it away", async () => {
  const { host, later, vendor } = hosted();
  const made = await later("create_branch", { name: "try" });
  expect(made).toMatchObject({
    branch: { name: "try", parentId: vendor.main.id, default: false },
    ready: true,
    operations: [{ action: "create_branch", status: "finished" }, { action: "start_compute" }],
  });
  expect(await host.ask("list_branches", { search: "try" })).toMatchObject({
    branches: [{ name: "try" }],
    more: false,
  });
  const {
    branch: { id },
  } = z.object({ branch: z.object({ id: z.string() }) }).parse(made);
  expect(await later("delete_branch", { branchId: id })).toMatchObject({ ready: true });
  expect(vendor.branches.map(({ name }) => name)).toEqual(["main"]);
});

test("a project that is locked by another operation is waited for, also by what must not be done twice", async () => {
  const { later, vendor, clock, host } = hosted();
  vendor.operations.push({
    id: "op-other",
    action: "apply_config",
    branchId: vendor.main.id,
    looks: 1,
  });
  const asked = host.ask("create_database", { name: "shop", owner: "neondb_owner" });
  await clock.advance(200);
  expect(vendor.main.databases).toEqual(["neondb"]);
  for (const other of vendor.operations) other.looks = 0;
  await clock.advance(30_000);
  expect(await asked).toMatchObject({ database: { name: "shop" }, ready: true });
  expect(vendor.main.databases).toEqual(["neondb", "shop"]);
  expect(await later("list_databases", {})).toMatchObject({
    databases: [{ name: "neondb" }, { name: "shop" }],
  });
});

test("a lock that stays is told as what it is", async () => {
  const { clock, vendor, host } = hosted();
  vendor.operations.push({
    id: "op-other",
    action: "apply_config",
    branchId: vendor.main.id,
    looks: 1,
  });
  const asked = host.call("delete_branch", { branchId: vendor.main.id });
  await clock.advance(60_000);
  expect(textOf(await asked)).toContain("(PROJECT_LOCKED)");
});

test("an operation that takes longer than the caller waits, or fails, is not called ready", async () => {
  const { later, vendor } = hosted({ operations_timeout: 100 });
  expect(await later("create_branch", { name: "slow" })).toMatchObject({ ready: false });
  const [{ id } = { id: "" }] = vendor.operations;
  vendor.outcome = "failed";
  expect(await later("wait_for_operation", { operationId: id })).toMatchObject({
    operation: { status: "failed" },
    ready: false,
  });
  expect(await later("list_operations", { limit: 1 })).toMatchObject({
    operations: [{ id }],
    more: true,
  });
});

test("query reads with parameters, and PostgreSQL itself keeps it from writing", async () => {
  const { host, said, vendor } = await withGuests();
  const found = await host.ask("query", {
    sql: "select name from guests where country = $1",
    params: ["PT"],
  });
  expect(found).toMatchObject({ columns: ["name"], rows: [{ name: "Ana" }], truncated: false });
  expect(await said("query", { sql: "delete from guests" })).toContain(
    "run_sql with readOnly false writes; SQLSTATE 25006",
  );
  expect(await said("run_sql", { sql: "delete from guests" })).toContain("SQLSTATE 25006");
  expect(vendor.web.seen.at(-1)?.headers["neon-batch-read-only"]).toBe("true");
});

test.each([
  "commit",
  " ;; COMMIT",
  "/* a /* b */ */ begin",
  "-- x\nset transaction read write",
  "(rollback)",
])("%j cannot leave the transaction that it is in", async (sql) => {
  const { vendor, said } = hosted();
  const statements = [{ sql }, { sql: "delete from guests" }];
  expect(await said("run_sql_transaction", { statements, readOnly: true })).toContain(
    "(SQL_CONTROL)",
  );
  expect(vendor.web.seen).toEqual([]);
});

test("a transaction is undone where one of its statements fails", async () => {
  const { host, said } = await withGuests();
  const statements = [{ sql: "delete from guests" }, { sql: "insert into nowhere values (1)" }];
  expect(await said("run_sql_transaction", { statements })).toContain("SQLSTATE 42P01");
  expect(
    columns(await host.ask("query", { sql: "select count(*) as n from guests" }), "n"),
  ).toEqual([3]);
});

test("several statements in one are refused as the database does", async () => {
  const { said } = await withGuests();
  expect(await said("query", { sql: "select 1; delete from guests" })).toContain(
    "multiple commands",
  );
});

test("rows beyond the limit are left out, and the answer says so", async () => {
  const { host } = await withGuests();
  expect(await host.ask("query", { sql: "select * from guests", limit: 2 })).toMatchObject({
    rows: [{ name: "Ana" }, { name: "Jürgen" }],
    rowCount: 3,
    truncated: true,
  });
});

test("select_rows writes conditions, order and bounds, with every value as a parameter", async () => {
  const { host, vendor } = await withGuests();
  const where = { country: ["PT", "DE"], name: { op: "<>", value: "x' or 1=1 --" } };
  const told = await host.ask("select_rows", {
    table: "guests",
    columns: ["name"],
    where,
    orderBy: [{ column: "name", direction: "desc" }],
    limit: 1,
  });
  expect(told).toMatchObject({ rows: [{ name: "Jürgen" }], truncated: true });
  expect(vendor.web.seen.at(-1)?.json).toEqual({
    queries: [
      {
        query:
          'select "name" from "guests" where "country" in ($1, $2) and "name" <> $3 order by "name" desc limit 2 offset 0',
        params: ["PT", "DE", "x' or 1=1 --"],
      },
    ],
  });
  expect(
    columns(await host.ask("select_rows", { table: "guests", where: { country: null } }), "name"),
  ).toEqual(["O'Hara"]);
});

test("names are quoted, so that what is in them stays a name", async () => {
  const { said, vendor } = await withGuests();
  await said("select_rows", { table: 'guests"; drop table guests --' });
  expect(vendor.web.seen.at(-1)?.json).toMatchObject({
    queries: [{ query: 'select * from "guests""; drop table guests --" limit 101 offset 0' }],
  });
});

test("insert_rows gives the new rows with their ids", async () => {
  const { host } = await withGuests();
  const rows = [{ name: "Rui", country: "PT" }];
  expect(await host.ask("insert_rows", { table: "guests", rows })).toEqual({
    rows: [{ id: 4, name: "Rui", country: "PT" }],
  });
});

test("list_tables, describe_table and explain tell what the catalog has", async () => {
  const { host, said } = await withGuests();
  expect(await host.ask("list_tables")).toEqual({
    tables: [{ schema: "public", name: "guests", kind: "table", rowsAbout: null }],
  });
  expect(await host.ask("describe_table", { table: "guests" })).toMatchObject({
    columns: [
      { name: "id" },
      { name: "name", nullable: false },
      { name: "country", nullable: true },
    ],
    constraints: [{ definition: "PRIMARY KEY (id)" }],
    indexes: [{ name: "guests_pkey" }],
  });
  expect(await said("describe_table", { table: "ghosts" })).toContain(
    "list_tables names them. (NOT_FOUND)",
  );
  expect(await host.ask("explain", { sql: "select * from guests" })).toMatchObject({
    plan: [{ Plan: { "Node Type": "Seq Scan" } }],
  });
});

test("get_connection_string never has the password", async () => {
  const { host, vendor } = hosted();
  const told = await host.ask("get_connection_string");
  expect(told).toMatchObject({
    connectionString:
      "postgresql://neondb_owner:***@ep-br-main-1-pooler.eu.aws.neon.tech/neondb?sslmode=require",
    database: "neondb",
    role: "neondb_owner",
  });
  expect(JSON.stringify(told)).not.toContain(vendor.password);
});

test("a password that was changed is asked for anew", async () => {
  const { host, vendor } = await withGuests();
  vendor.password = "another";
  expect(await host.ask("query", { sql: "select 1 as one" })).toMatchObject({ rows: [{ one: 1 }] });
});

test("a database that is not there is told with those that are", async () => {
  const { said } = hosted();
  expect(await said("query", { sql: "select 1", database: "shop" })).toContain(
    'There is no database "shop" on this branch; there are: neondb. (NOT_FOUND)',
  );
});

test("check_database tells whether it answers, and why not", async () => {
  const { host, vendor, later } = hosted();
  expect(await host.ask("check_database")).toMatchObject({
    healthy: true,
    version: "PostgreSQL 17.6",
  });
  for (let n = 0; n < 3; n++)
    vendor.next.push(jsonResponse({ message: "compute is down" }, { status: 500 }));
  expect(await later("check_database", {})).toMatchObject({
    healthy: false,
    problem: expect.stringContaining("compute is down"),
  });
});

test("with a database's address alone SQL goes there, and the API asks for its key", async () => {
  const url = "postgresql://neondb_owner:pa55-of-tests@ep-br-main-1.eu.aws.neon.tech/neondb";
  const { host, said } = hosted({ api_key: undefined, project_id: undefined, database_url: url });
  expect(await host.ask("query", { sql: "select 2 as two" })).toMatchObject({ rows: [{ two: 2 }] });
  expect(await said("list_projects", {})).toContain("Set NEON_API_KEY. (SERVICE_NOT_CONFIGURED)");
  expect(await host.ask("get_config")).toMatchObject({
    databaseUrl: "postgresql://neondb_owner:***@ep-br-main-1.eu.aws.neon.tech/neondb",
    maxConnections: 20,
    timeoutMs: 30_000,
  });
});

test("a statement that writes is not repeated after a failure of which nobody knows what it did", async () => {
  const { host, vendor, said } = await withGuests();
  await host.ask("query", { sql: "select 1 as one" });
  const before = vendor.web.seen.length;
  vendor.next.push(jsonResponse({ message: "gateway" }, { status: 502 }));
  await said("run_sql", { sql: "delete from guests", readOnly: false });
  expect(vendor.web.seen.length).toBe(before + 1);
});

test("a transaction that others made fail is tried again", async () => {
  const { later, vendor } = await withGuests();
  vendor.next.push(
    jsonResponse({ message: "could not serialize access", code: "40001" }, { status: 400 }),
  );
  expect(await later("run_sql", { sql: "delete from guests", readOnly: false })).toMatchObject({
    command: "DELETE",
  });
});

const migrations = [
  { id: "0001-guests", statements: ["create table guests (id integer primary key, name text)"] },
  { id: "0002-email", statements: ["alter table guests add column email text"] },
];

test("run_migrations applies what is pending, once, in order", async () => {
  const { host } = hosted();
  const dry = await host.ask("run_migrations", { migrations, dryRun: true });
  expect(dry).toEqual({ applied: ["0001-guests", "0002-email"], before: [] });
  expect(await host.ask("run_migrations", { migrations: migrations.slice(0, 1) })).toEqual({
    applied: ["0001-guests"],
    before: [],
  });
  expect(await host.ask("run_migrations", { migrations })).toEqual({
    applied: ["0002-email"],
    before: ["0001-guests"],
  });
  expect(await host.ask("run_migrations", { migrations })).toEqual({
    applied: [],
    before: ["0001-guests", "0002-email"],
  });
});

test("a migration that was changed after it was applied is refused, and one that fails leaves nothing", async () => {
  const { host, said } = hosted();
  await host.ask("run_migrations", { migrations });
  const changed = [{ id: "0001-guests", statements: ["create table others (id integer)"] }];
  expect(await said("run_migrations", { migrations: changed })).toContain("(MIGRATION_CHANGED)");
  const broken = [
    { id: "0003", statements: ["create table half (id integer)", "create nonsense"] },
  ];
  expect(await said("run_migrations", { migrations: broken })).toContain("(SQL_FAILED)");
  expect(JSON.stringify(await host.ask("list_tables"))).not.toContain("half");
  const twice = [...migrations, ...migrations];
  expect(await said("run_migrations", { migrations: twice })).toContain("(ARGUMENTS_INVALID)");
});

test("prepare_migration tries on a branch, and complete_migration hands on to its parent and deletes it", async () => {
  const { host, later, vendor } = hosted();
  const prepared = await later("prepare_migration", { migrations });
  expect(prepared).toMatchObject({
    applied: ["0001-guests", "0002-email"],
    branch: { parentId: vendor.main.id },
  });
  expect(await host.ask("list_tables")).toEqual({ tables: [] });
  const {
    branch: { id },
  } = z.object({ branch: z.object({ id: z.string() }) }).parse(prepared);
  expect(await later("complete_migration", { branchId: id })).toEqual({
    parentId: vendor.main.id,
    applied: ["0001-guests", "0002-email"],
  });
  expect(vendor.branches.map(({ name }) => name)).toEqual(["main"]);
  expect(await host.ask("select_rows", { table: "guests", columns: ["email"] })).toMatchObject({
    rows: [],
  });
});

test("a branch on which a migration failed is deleted, and no other branch can be completed", async () => {
  const { host, clock, vendor, said } = hosted();
  const broken = [{ id: "0003", statements: ["create nonsense"] }];
  const asked = host.call("prepare_migration", { migrations: broken });
  await clock.advance(30_000);
  expect(textOf(await asked)).toContain("(SQL_FAILED)");
  expect(vendor.branches.map(({ name }) => name)).toEqual(["main"]);
  expect(await said("complete_migration", { branchId: vendor.main.id })).toContain(
    "(NOT_A_MIGRATION)",
  );
});

test("a key that is refused is told without being shown", async () => {
  const { said, vendor, host } = hosted();
  vendor.key = "another";
  const sentence = await said("list_projects", {});
  expect(sentence).toContain("set another as NEON_API_KEY (VENDOR_AUTH)");
  expect(sentence + JSON.stringify(host.logged)).not.toContain("napi-of-tests");
});

test("a vendor that asks for fewer requests is waited for", async () => {
  const { clock, vendor, host } = hosted();
  vendor.next.push(
    jsonResponse({ message: "rate limited" }, { status: 429, headers: { "retry-after": "4" } }),
  );
  const asked = host.ask("list_projects");
  await clock.advance(3_900);
  expect(vendor.web.seen).toHaveLength(1);
  await clock.advance(200);
  expect(await asked).toMatchObject({ more: false });
});

test("its health is Neon's answer", async () => {
  const { host } = hosted();
  await host.ask("list_projects");
  expect(await host.service.health?.(AbortSignal.timeout(1_000))).toMatchObject({ status: "ok" });
});

withVendor("neon-recorded.json")("what Neon has really answered", () => {
  const recorded = z
    .array(z.object({ method: z.string(), uri: z.string(), status: z.number(), body: z.unknown() }))
    .parse(JSON.parse(vendorText("neon-recorded.json")));
  const forms: readonly [RegExp, z.ZodType][] = [
    [/^GET \/projects$/, z.object({ projects: z.array(project) })],
    [/^GET \/projects\/[^/]+-\d+$/, z.object({ project })],
    [/\/branches$/, z.object({ branches: z.array(branch) })],
    [/\/databases$/, z.object({ databases: z.array(database) })],
    [/^GET .*\/endpoints$/, z.object({ endpoints: z.array(endpoint) })],
    [/\/operations$/, withOperations],
    [/\/operations\/[^/]+$/, z.object({ operation })],
    [/^POST \/projects$/, withOperations.extend({ project, branch })],
    [/\/connection_uri$/, z.object({ uri: z.url() })],
  ];

  test("is read as the tools read it", () => {
    const read = forms.map(([step, form]) => {
      const fitting = recorded.filter(
        ({ method, uri, status }) =>
          status < 400 && step.test(`${method} ${new URL(uri).pathname.replace("/api/v2", "")}`),
      );
      for (const { body } of fitting) form.parse(body);
      return fitting.length;
    });
    expect(read).not.toContain(0);
  });
});
