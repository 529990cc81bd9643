// The service against a real PostgreSQL: what is read and how much of it, what is refused and by which wall, and what is written.
import { hostService, textOf, type HostedService } from "@signalbox/kit/testing";
import fc from "fast-check";
import pg from "pg";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../store/test-database.ts";
import { postgres } from "./index.ts";
import type { Postgres } from "./runtime.ts";

interface Scene {
  readonly host: HostedService<Postgres>;
  readonly url: string;
  /** As the owner, past the service. */
  readonly sql: (text: string) => Promise<Record<string, unknown>[]>;
}

async function scene(
  options: Record<string, unknown> = {},
  database: Record<string, unknown> = {},
): Promise<Scene> {
  const made = await openTestDatabase();
  const host = hostService(postgres, {
    databases: { main: { url: made.url, ...database } },
    ...options,
  });
  onTestFinished(async () => {
    await host.service.close();
    await made[Symbol.asyncDispose]();
  });
  const sql: Scene["sql"] = async (text) => {
    const client = new pg.Client({ connectionString: made.url });
    await client.connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows;
    } finally {
      await client.end();
    }
  };
  await sql(`
    create table people (id int generated always as identity primary key, name text not null, born date,
      score numeric(20, 5), big bigint, data jsonb, tags text[], check (length(name) < 100));
    comment on table people is 'Who is here';
    create index people_born on people (born);
    create table visits (id int primary key, person int references people (id), at timestamptz default now());
    create view adults as select * from people where born < '2008-01-01';
    create schema other;
    create table other.people (id int);
    create sequence tickets;
    insert into people (name, born, score, big, data, tags) values
      ('Ada', '1990-05-01', 12345678901234.56789, 9007199254740993, '{"a": [1, null]}', '{x,y}'),
      ('Bob', null, null, 7, null, null);
    create function touch() returns int language sql volatile as 'insert into people (name) values (''ghost''); select 1';
    create function clean(people) returns text language sql volatile as 'select ''x''::text';
    create function double(int) returns int language sql immutable as 'select $1 * 2';
    create function same(int, int) returns boolean language sql volatile as 'select $1 = $2';
    create operator === (leftarg = int, rightarg = int, function = same);
  `);
  return { host, url: made.url, sql };
}

const code = (result: { _meta?: unknown }): unknown => {
  const meta = result._meta;
  const error: unknown =
    typeof meta === "object" && meta !== null ? Reflect.get(meta, "signalbox/error") : undefined;
  return typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
};

beforeAll(async () => {
  const database = await openTestDatabase();
  await database[Symbol.asyncDispose]();
});

test("rows come with their columns, and nothing in them is rounded or moved", async () => {
  const { host } = await scene();
  const answer = await host.ask("query", {
    sql: "select name, born, score, big, data, tags, 1.5::float8 as f, true as b, null as n, 'two' as name from people where name = $1",
    params: ["Ada"],
  });
  expect(answer).toEqual({
    database: "main",
    columns: [
      { name: "name", type: "text" },
      { name: "born", type: "date" },
      { name: "score", type: "numeric" },
      { name: "big", type: "int8" },
      { name: "data", type: "jsonb" },
      { name: "tags", type: "1009" },
      { name: "f", type: "float8" },
      { name: "b", type: "bool" },
      { name: "n", type: "text" },
      { name: "name_2", type: "text" },
    ],
    rows: [
      {
        name: "Ada",
        born: "1990-05-01",
        score: "12345678901234.56789",
        big: "9007199254740993",
        data: { a: [1, null] },
        tags: "{x,y}",
        f: 1.5,
        b: true,
        n: null,
        name_2: "two",
      },
    ],
    cut: "no",
  });
});

test("a million rows are cut to those that are asked for, quickly", async () => {
  const { host } = await scene();
  const answer = await host.ask("query", {
    sql: "select generate_series(1, 1000000) as n",
    maxRows: 150,
  });
  expect(answer).toMatchObject({ cut: "rows" });
  expect(answer).toHaveProperty("rows.length", 150);
  const capped = await host.ask("query", {
    sql: "select generate_series(1, 1000000) as n",
    maxRows: 100_000,
  });
  expect(capped).toHaveProperty("rows.length", 1_000);
  expect(await host.ask("query", { sql: "select 1 as n" })).toMatchObject({ rows: [{ n: 1 }] });
});

test("rows are cut where they have more bytes than may be, and one value that has is not read at all", async () => {
  const { host } = await scene({ bytes_max: 10_000 });
  const wide = await host.ask("query", {
    sql: "select repeat('x', 1000) as x from generate_series(1, 100)",
  });
  expect(wide).toMatchObject({ cut: "bytes" });
  expect(wide).toHaveProperty("rows.length", 9);
  const huge = await host.call("query", { sql: "select repeat('x', 50000000) as x" });
  expect([huge.isError, code(huge)]).toEqual([true, "SQL_TOO_LARGE"]);
  expect(await host.ask("query", { sql: "select 1 as n" })).toMatchObject({ rows: [{ n: 1 }] });
});

test("a statement that takes too long is ended", async () => {
  const { host, sql } = await scene({ query_timeout: "200ms" });
  const slow = await host.call("query", {
    sql: "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b",
  });
  expect(code(slow)).toBe("SQL_TIMEOUT");
  const running =
    "select 1 from pg_stat_activity where state = 'active' and query like '%series(1, 100000) b%' and pid <> pg_backend_pid()";
  expect(await sql(running)).toEqual([]);
});

test("a statement whose caller is gone is ended at the server, too", async () => {
  const { host, sql } = await scene({ query_timeout: "60s" });
  const abort = new AbortController();
  const slow = host.call(
    "query",
    {
      sql: "select count(*) as gone from generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    },
    { signal: abort.signal },
  );
  const running =
    "select pid from pg_stat_activity where state = 'active' and query like '%as gone%' and pid <> pg_backend_pid()";
  await expect.poll(() => sql(running), { timeout: 10_000 }).toHaveLength(1);
  abort.abort(new Error("the caller is gone"));
  await expect(slow).rejects.toThrow("the caller is gone");
  await expect.poll(() => sql(running), { timeout: 10_000 }).toEqual([]);
});

test.each([
  ["select touch()", "SQL_REFUSED"],
  ["select public.touch()", "SQL_REFUSED"],
  ["select p.clean from people p", "SQL_REFUSED"],
  ["select (p).clean from people p", "SQL_REFUSED"],
  ["select 1 === 1", "SQL_REFUSED"],
  ["select * from people where id = touch()", "SQL_REFUSED"],
  ["select nosuch(1)", "SQL_FAILED"],
  ["select nosuch from people", "SQL_FAILED"],
  ["select 1 / 0", "SQL_FAILED"],
])("%j is answered with %s and leaves everything as it was", async (text, expected) => {
  const { host, sql } = await scene();
  expect(code(await host.call("query", { sql: text }))).toBe(expected);
  expect(await sql("select count(*)::int as n from people")).toEqual([{ n: 2 }]);
});

test("functions that change nothing may be called, and so may those that the operator named", async () => {
  const { host } = await scene({}, { functions: ["clean"] });
  const harmless =
    "select double(4) as d, random() < 2 as r, now() is not null as t, gen_random_uuid() is not null as u, pg_total_relation_size('people') > 0 as s, upper('x') as x";
  expect(await host.ask("query", { sql: harmless })).toMatchObject({
    rows: [{ d: 8, r: true, t: true, u: true, s: true, x: "X" }],
  });
  expect(
    await host.ask("query", { sql: "select clean(p) as c from people p limit 1" }),
  ).toMatchObject({
    rows: [{ c: "x" }],
  });
});

test("behind the rules the transaction itself is read-only, and only one statement passes", async () => {
  const { host, sql } = await scene({}, { functions: ["touch"] });
  const written = await host.call("query", { sql: "select touch()" });
  expect(code(written)).toBe("SQL_REFUSED");
  expect(textOf(written)).toContain("read-only transaction");
  expect(await sql("select count(*)::int as n from people")).toEqual([{ n: 2 }]);
});

test("a connection is given back as it was taken: no setting, no transaction stays behind", async () => {
  const { host } = await scene({ pool_max: 1 });
  await host.ask("query", { sql: "select 1" });
  await host.call("query", { sql: "select 1 / 0" });
  const state =
    "select current_setting('transaction_read_only') as ro, current_setting('application_name') as app, current_setting('statement_timeout') as t";
  expect(await host.ask("query", { sql: state })).toMatchObject({
    rows: [{ ro: "on", app: "signalbox: tester", t: "10s" }],
  });
  expect(await host.ask("pool_stats", {})).toMatchObject({
    pools: [{ open: 1, inUse: 0, waiting: 0, max: 1, statements: 3, failures: 1 }],
  });
});

test("a server that reads backslashes differently than the parser is told not to", async () => {
  const { host, sql } = await scene();
  await sql(
    "alter database " + (await currentDatabase(sql)) + " set standard_conforming_strings = off",
  );
  const text = String.raw`select '\' || pg_sleep(0)::text || '' as x`;
  const answer = await host.call("query", { sql: String.raw`select '\' as x` });
  expect(answer.structuredContent).toMatchObject({ rows: [{ x: "\\" }] });
  expect(code(await host.call("query", { sql: text }))).toBe("SQL_REFUSED");
});

test("whatever is generated, the database is as it was before", async () => {
  const { host, sql } = await scene({ query_timeout: "2s" });
  const before = await fingerprint(sql);
  const expression: fc.Arbitrary<string> = fc.letrec<{ e: string }>((tie) => ({
    e: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom("1", "name", "born", "'x'", "null", "now()", "current_user", "id"),
      fc.constantFrom(
        "touch()",
        "nextval('tickets')",
        "set_config('a.b', 'c', false)",
        "clean(p)",
        "p.clean",
        "lo_creat(1)",
        "txid_current()",
        "pg_advisory_lock(1)",
      ),
      fc.tuple(tie("e"), tie("e")).map(([a, b]) => `coalesce(${a}::text, ${b}::text)`),
      tie("e").map((a) => `(select ${a} from people p limit 1)`),
      tie("e").map((a) => `case when true then ${a} end`),
      fc.tuple(tie("e"), tie("e")).map(([a, b]) => `(${a})::text || (${b})::text`),
    ),
  })).e;
  const change = fc.constantFrom(
    "insert into people (name) values ('new')",
    "update people set name = 'x'",
    "delete from visits",
    "drop view adults",
    "create table made (a int)",
    "truncate visits",
    "alter table people add column c int",
    "select setval('tickets', 99)",
  );
  const statement = fc.oneof(
    expression.map((e) => `select ${e} from people p`),
    expression.map((e) => `select * from people p where (${e}) is not null order by (${e})`),
    fc.tuple(expression, change).map(([e, c]) => `select ${e} from people p; ${c}`),
    change.map((c) => `with c as (${c} returning *) select * from c`),
    change,
    change.map((c) => `commit; ${c}`),
    change.map((c) => `explain analyze ${c}`),
    fc.tuple(change, expression).map(([c, e]) => `do $$ begin ${c}; perform ${e}; end $$`),
  );
  await fc.assert(
    fc.asyncProperty(statement, async (text) => {
      const { isError } = await host.call("query", { sql: text });
      expect(typeof isError === "boolean" || isError === undefined).toBe(true);
      const explained = await host.call("explain", { sql: text, analyze: true });
      expect(explained.content).toHaveLength(1);
    }),
    { numRuns: 150 },
  );
  expect(await fingerprint(sql)).toEqual(before);
});

test("what is in a database is told: schemas, tables, columns, keys", async () => {
  const { host } = await scene();
  expect(await host.ask("list_databases")).toEqual({
    databases: [{ name: "main", writes: false }],
  });
  expect(await host.ask("list_schemas")).toMatchObject({
    schemas: [
      { name: "other", tables: 1 },
      { name: "public", tables: 3 },
    ],
  });
  expect(await host.ask("list_tables", { schema: "public" })).toMatchObject({
    tables: [
      { name: "adults", kind: "view", rows: null },
      { name: "people", kind: "table", comment: "Who is here" },
      { name: "visits", kind: "table" },
    ],
    more: false,
  });
  expect(await host.ask("list_tables", { limit: 1 })).toMatchObject({
    tables: [{ schema: "other", name: "people" }],
    more: true,
  });
  expect(await host.ask("describe_table", { table: "public.people" })).toMatchObject({
    schema: "public",
    comment: "Who is here",
    primaryKey: ["id"],
    checks: [{ definition: "CHECK ((length(name) < 100))" }],
    indexes: [
      { name: "people_born", unique: false },
      { name: "people_pkey", unique: true },
    ],
  });
  const visits = await host.ask("describe_table", { table: "visits" });
  expect(visits).toMatchObject({
    columns: [
      { name: "id", type: "integer", nullable: false },
      { name: "person", type: "integer", nullable: true },
      { name: "at", type: "timestamp with time zone", default: "now()" },
    ],
    foreignKeys: [
      { columns: ["person"], definition: "FOREIGN KEY (person) REFERENCES people(id)" },
    ],
  });
  expect(textOf(await host.call("describe_table", { table: "people" }))).toContain(
    'There is a table "people" in public, other: say which schema.',
  );
  expect(textOf(await host.call("describe_table", { table: "nosuch" }))).toContain("list_tables");
});

test("a plan is told, and what it came to when it is run", async () => {
  const { host } = await scene();
  expect(
    await host.ask("explain", { sql: "select * from people where id = $1", params: [1] }),
  ).toMatchObject({
    plan: [{ Plan: { "Node Type": expect.any(String) } }],
  });
  expect(await host.ask("explain", { sql: "select * from people", analyze: true })).toMatchObject({
    plan: [{ "Execution Time": expect.any(Number) }],
  });
  expect(code(await host.call("explain", { sql: "delete from people" }))).toBe("SQL_REFUSED");
});

test("a database that is not opened for writing is not written", async () => {
  const { host, sql } = await scene();
  const refused = await host.call("execute", { sql: "insert into visits values (1)" });
  expect(code(refused)).toBe("SQL_READ_ONLY");
  expect(textOf(refused)).toContain("POSTGRES_<NAME>_WRITES=true");
  expect(await sql("select * from visits")).toEqual([]);
});

test("where it is, execute writes one statement, and a transaction all of its statements or none", async () => {
  const { host, sql } = await scene({}, { writes: true });
  expect(
    await host.ask("execute", {
      sql: "insert into people (name, tags, data) values ($1, $2, $3) returning name, tags, data",
      params: ["Cy", ["a", "b"], { k: 1 }],
    }),
  ).toMatchObject({
    command: "INSERT",
    rowCount: 1,
    rows: [{ name: "Cy", tags: "{a,b}", data: { k: 1 } }],
  });
  expect(code(await host.call("execute", { sql: "delete from visits" }))).toBe("SQL_REFUSED");
  expect(await host.ask("execute", { sql: "delete from visits", allRows: true })).toMatchObject({
    rowCount: 0,
  });
  const both = [
    { sql: "insert into visits (id, person) values ($1, 1)", params: [1] },
    { sql: "insert into visits (id, person) values ($1, 999)", params: [2] },
  ];
  expect(code(await host.call("transaction", { statements: both }))).toBe("SQL_FAILED");
  expect(await sql("select * from visits")).toEqual([]);
  const [first] = both;
  expect(
    await host.ask("transaction", {
      statements: [first, { sql: "select count(*)::int as n from visits" }],
    }),
  ).toMatchObject({
    results: [{ command: "INSERT", rowCount: 1 }, { rows: [{ n: 1 }] }],
  });
});

test("what is refused only when it is committed is a failure, not a doubt", async () => {
  const { host, sql } = await scene({}, { writes: true });
  await sql(
    "alter table visits add constraint later foreign key (id) references people (id) deferrable initially deferred",
  );
  const refused = await host.call("execute", { sql: "insert into visits (id) values (77)" });
  expect(code(refused)).toBe("SQL_FAILED");
  expect(await sql("select * from visits")).toEqual([]);
});

test("a connection that is lost in its COMMIT leaves a doubt, which is said", async () => {
  const { host, sql } = await scene({}, { writes: true });
  // The last thing that a COMMIT does here is to end its own connection.
  await sql(`create function fall() returns trigger language plpgsql as 'begin perform pg_terminate_backend(pg_backend_pid()); return null; end';
    create constraint trigger falls after insert on visits deferrable initially deferred for each row execute function fall()`);
  const lost = await host.call("execute", { sql: "insert into visits (id) values (78)" });
  expect(code(lost)).toBe("SQL_UNREACHABLE");
  expect(textOf(lost)).toContain("nobody knows whether it was");
});

test("a conflict with another transaction is tried again until it goes well", async () => {
  const { host, sql, url } = await scene({}, { writes: true });
  await sql(
    "create table counters (id int primary key, n int); insert into counters values (1, 0), (2, 0)",
  );
  const other = new pg.Client({ connectionString: url });
  await other.connect();
  // Each locks what the other wants next: PostgreSQL ends one of them.
  await other.query("begin");
  await other.query("set deadlock_timeout = '5s'");
  await other.query("update counters set n = n + 1 where id = 2");
  const mine = host.ask("transaction", {
    statements: [
      { sql: "update counters set n = n + 10 where id = 1" },
      { sql: "update counters set n = n + 10 where id = 2" },
    ],
  });
  const blocked =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update counters set n = n + 10 where id = 2'";
  await expect.poll(() => sql(blocked), { timeout: 10_000 }).toHaveLength(1);
  await other.query("update counters set n = n + 1 where id = 1").catch(() => undefined);
  await other.query("commit");
  await other.end();
  expect(await mine).toMatchObject({ results: [{ rowCount: 1 }, { rowCount: 1 }] });
  const [one] = await sql("select n from counters where id = 1");
  expect([10, 11]).toContain(one?.["n"]);
});

test("a server that goes away and comes back is reached again, and one that is not there is told without its address", async () => {
  const { host, sql } = await scene();
  await host.ask("query", { sql: "select 1" });
  await sql(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'signalbox%'",
  );
  expect(await host.ask("query", { sql: "select 2 as n" })).toMatchObject({ rows: [{ n: 2 }] });
  const gone = hostService(postgres, {
    databases: { gone: { url: "postgres://someone:s3cret-word@127.0.0.1:1/d" } },
    connect_timeout: "1s",
  });
  onTestFinished(() => gone.service.close());
  const answer = await gone.call("query", { sql: "select 1" });
  expect(code(answer)).toBe("SQL_UNREACHABLE");
  expect(textOf(answer)).not.toMatch(/127\.0\.0\.1|s3cret|someone/);
  expect(JSON.stringify(gone.logged)).not.toContain("s3cret-word");
  expect(await gone.ask("health")).toMatchObject({
    databases: [{ database: "gone", status: "down" }],
  });
  expect(await gone.service.health(AbortSignal.timeout(5_000))).toMatchObject({ status: "down" });
});

test("databases are told apart by name, and a wrong one is answered with those there are", async () => {
  const { url } = await scene();
  const two = hostService(postgres, {
    databases: { a: { url }, b: { url }, stray: { password: "x" } },
  });
  onTestFinished(() => two.service.close());
  expect(textOf(await two.call("query", { sql: "select 1" }))).toContain(
    "Say which database: a, b.",
  );
  expect(textOf(await two.call("query", { database: "c", sql: "select 1" }))).toContain(
    'There is no database "c"; there are a, b.',
  );
  expect(await two.ask("query", { database: "b", sql: "select 1 as n" })).toMatchObject({
    database: "b",
  });
  expect(await two.ask("health")).toMatchObject({
    databases: [
      { database: "a", status: "ok", standby: false },
      { database: "b", status: "ok" },
    ],
  });
});

test("a password beside the URL is the one that is used", async () => {
  const { url } = await scene();
  const bare = new URL(url);
  const password = decodeURIComponent(bare.password);
  bare.password = "wrong";
  const host = hostService(postgres, { databases: { a: { url: bare.href, password } } });
  onTestFinished(() => host.service.close());
  expect(await host.ask("query", { sql: "select 1 as n" })).toMatchObject({ rows: [{ n: 1 }] });
});

test("many calls at once share the connections there may be", async () => {
  const { host, sql } = await scene({ pool_max: 3 });
  const asked = Array.from({ length: 30 }, (_, n) =>
    host.ask("query", { sql: "select $1::int as n", params: [n] }),
  );
  const most = sql(
    "select count(*)::int as n from pg_stat_activity where application_name like 'signalbox%'",
  );
  await Promise.all(asked);
  const [row] = await most;
  expect(Number(row?.["n"])).toBeLessThanOrEqual(3);
  expect(await host.ask("pool_stats")).toMatchObject({
    pools: [{ statements: 30, failures: 0, max: 3 }],
  });
});

async function currentDatabase(sql: Scene["sql"]): Promise<string> {
  const [row] = await sql("select current_database() as name");
  return String(row?.["name"]);
}

/** All that could have been changed: rows, tables, sequences, settings, locks, large objects. */
async function fingerprint(sql: Scene["sql"]): Promise<unknown> {
  return await sql(`select
    (select json_agg(p order by id) from people p) as people,
    (select count(*)::int from visits) as visits,
    (select json_agg(relname order by relname) from pg_class where relnamespace = 'public'::regnamespace) as tables,
    (select json_agg(attname order by attname) from pg_attribute where attrelid = 'people'::regclass and attnum > 0) as columns,
    (select json_build_array(last_value, is_called) from tickets) as tickets,
    (select count(*)::int from pg_largeobject_metadata) as objects,
    (select count(*)::int from pg_locks where locktype = 'advisory') as locks`);
}
