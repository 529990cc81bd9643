import { ToolError } from "@signalbox/kit";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { loadParser, readingCalls, sqlLengthMax, writingKind } from "./read-rules.ts";

beforeAll(() => loadParser());

/** "read" where a statement may be, else the code of the refusal, or of whatever else it was. */
function outcomeOf(sql: string): string {
  try {
    readingCalls(sql);
    return "read";
  } catch (error) {
    return error instanceof ToolError ? String(error.code) : String(error);
  }
}

const refusal = expect.objectContaining({ code: "SQL_REFUSED" });

test.each([
  "select 1",
  "select * from t where a = $1 order by b limit 3",
  "with x as (select 1) select * from x union all select 2",
  "values (1), (2)",
  "table t",
  "show server_version",
  "select 1;",
  "select 'drop table t; --' as text",
  'select "delete" from "update"',
  "select count(*) filter (where a > 1) over (partition by b) from t",
  "select 1 -- ; delete from t",
  "/* delete from t */ select 1",
  "select e'\\'; drop table t; --'",
  "select $$; delete from t$$",
])("%j may be read", (sql) => {
  expect(() => readingCalls(sql)).not.toThrow();
});

test.each([
  // Statements that write, or do something else
  "insert into t values (1)",
  "update t set a = 1",
  "delete from t",
  "merge into t using s on t.a = s.a when matched then delete",
  "truncate t",
  "drop table t",
  "create table t (a int)",
  "create table t as select 1",
  "alter table t add b int",
  "grant all on t to public",
  "copy t to stdout",
  "copy t from program 'id'",
  "copy (select 1) to '/tmp/x'",
  "call p()",
  "do $$ begin delete from t; end $$",
  "explain analyze delete from t",
  "explain select 1",
  "vacuum",
  "analyze t",
  "refresh materialized view v",
  "set statement_timeout = 0",
  "set local role postgres",
  "reset all",
  "set transaction read write",
  "begin",
  "commit",
  "rollback",
  "savepoint a",
  "lock table t",
  "listen a",
  "notify a",
  "prepare p as select 1",
  "execute p",
  "deallocate all",
  "declare c cursor for select 1",
  "fetch all from c",
  "discard all",
  "checkpoint",
  "load 'x'",
  "alter system set a = 1",
  "reindex table t",
  "comment on table t is 'x'",
  "security label on table t is 'x'",
  // Hidden in one that reads
  "with x as (delete from t returning *) select * from x",
  "with x as (insert into t values (1) returning *) select * from x",
  "with x as (with y as (update t set a = 1 returning *) select * from y) select * from x",
  "select * into s from t",
  "select * from t for update",
  "select * from t for no key update skip locked",
  "select * from (select * from t for share) s",
  // Stacked
  "select 1; select 2",
  "select 1; delete from t",
  "select 1; commit; delete from t",
  "commit; drop table t",
  "rollback; delete from t; --",
  // Nothing
  "",
  "   ",
  ";",
  "-- a comment",
  "select 1\0; delete from t",
  // Functions with effects
  "select pg_read_file('/etc/passwd')",
  "select pg_catalog.pg_read_file('/etc/passwd')",
  "select \"pg_read_file\"('/etc/passwd')",
  "select PG_READ_FILE('/etc/passwd')",
  "select pg_read_binary_file('x')",
  "select * from pg_ls_dir('/')",
  "select pg_ls_logdir()",
  "select pg_stat_file('x')",
  "select lo_import('/etc/passwd')",
  "select lo_export(1, '/tmp/x')",
  "select lo_get(1)",
  "select lowrite(1, 'x')",
  "select * from dblink('host=x', 'delete from t') as t(a int)",
  "select dblink_exec('delete from t')",
  "select pg_sleep(100)",
  "select pg_sleep_for('1 hour')",
  "select 1 from t where pg_sleep(1) is null",
  "select set_config('transaction_read_only', 'off', false)",
  "select nextval('s')",
  "select setval('s', 1)",
  "select pg_advisory_lock(1)",
  "select pg_try_advisory_xact_lock(1)",
  "select pg_terminate_backend(1)",
  "select pg_cancel_backend(1)",
  "select pg_notify('a', 'b')",
  "select pg_reload_conf()",
  "select query_to_xml('delete from t', true, true, '')",
  "select query_to_xmlschema('select 1', true, true, '')",
  "select database_to_xml(true, true, '')",
  "select ts_stat('select 1')",
  "select * from crosstab('delete from t') as c(a int)",
  "select pg_switch_wal()",
  "select pg_create_restore_point('x')",
  "select pg_drop_replication_slot('x')",
  "select pg_logical_emit_message(true, 'a', 'b')",
  "select pg_promote()",
  "select pg_stat_reset()",
  "select txid_current()",
  "select pg_current_xact_id()",
  "select pg_export_snapshot()",
  "select http_get('http://169.254.169.254/')",
  "select (select (select pg_sleep(1)))",
  "select case when true then pg_sleep(1) end",
  "select * from t order by pg_sleep(1)",
  "select * from t join lateral pg_sleep(1) s on true",
  "select array_agg(pg_sleep(1)) from t",
  "values (pg_sleep(1))",
  "with x as (select pg_sleep(1)) select * from x",
  "select 1 limit (select 1 from pg_sleep(1))",
  "select a from t group by pg_sleep(1)",
  "select sum(a) over (order by pg_sleep(1)) from t",
])("%j is refused", (sql) => {
  expect(() => readingCalls(sql)).toThrow(refusal);
});

test("what is no SQL is told in PostgreSQL's own words", () => {
  expect(() => readingCalls("selec 1")).toThrow(
    expect.objectContaining({
      code: "SQL_INVALID",
      message: 'This is no SQL that PostgreSQL understands: syntax error at or near "selec".',
    }),
  );
});

test("what is called is told for the database to judge, wherever it stands", () => {
  const calls = readingCalls(
    `select s.f(a), "G"(b), t.c, (row(1)).d from t where a === b and exists (select h()) order by x using <<<`,
  );
  expect(calls.functions.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: "G" },
    { schema: "s", name: "f" },
    { name: "h" },
  ]);
  expect(calls.operators.toSorted()).toEqual(["<<<", "==="]);
  expect(calls.fields.toSorted()).toEqual(["c", "d"]);
});

test.each([
  ["parentheses", "(", ")"],
  ["calls", "f(", ")"],
  ["arrays", "array[", "]"],
  ["negations", "not ", ""],
  ["sums", "1+", ""],
])(
  "%s nested as deeply as fits are taken or refused, and the parser goes on",
  (_what, before, after) => {
    for (const depth of [100, 1_000, 5_000, 30_000]) {
      const sql = `select ${before.repeat(depth)}1${after.repeat(depth)}`;
      expect(outcomeOf(sql)).toMatch(/^(read|SQL_REFUSED|SQL_INVALID)$/);
      expect(() => readingCalls("select 1")).not.toThrow();
    }
    expect(() => readingCalls(`select '${"x".repeat(sqlLengthMax)}'`)).toThrow(refusal);
  },
);

test("whatever is put around it, a statement that writes is refused", () => {
  const writing = fc.constantFrom(
    "insert into t values (1)",
    "update t set a = 1 where b = 2",
    "delete from t where a = 1",
    "drop table t",
    "truncate t",
    "select pg_sleep(9)",
    "select nextval('s')",
    "select set_config('a', 'b', false)",
  );
  const blank = fc.constantFrom(" ", "\n", "\t", "/* x */", "-- x\n", "/* /* nested */ ; */");
  const reading = fc.constantFrom("select 1", "select * from t", "values (1)");
  const around = fc.oneof(
    fc.tuple(blank, writing, blank).map(([a, sql, b]) => a + sql + b),
    fc.tuple(reading, writing).map(([one, other]) => `${one}; ${other}`),
    fc.tuple(writing, reading).map(([one, other]) => `${one}; ${other}`),
    writing.map((sql) =>
      sql.startsWith("select") ? `select (${sql})` : `with w as (${sql} returning 1) select 1`,
    ),
    writing.map((sql) => `explain analyze ${sql}`),
    fc
      .tuple(writing, fc.string())
      .map(([sql, text]) => `${sql} -- ${text.replaceAll(/[\n\r]/g, " ")}`),
    writing.map((sql) =>
      sql.replaceAll(/[a-z]/g, (letter, at: number) =>
        at % 2 === 0 ? letter.toUpperCase() : letter,
      ),
    ),
  );
  fc.assert(
    fc.property(around, (sql) => {
      expect(() => readingCalls(sql)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^SQL_(REFUSED|INVALID)$/) }),
      );
    }),
    { numRuns: 500 },
  );
});

test("no text makes the rules fail in another way", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (sql) => {
      expect(outcomeOf(sql)).toMatch(/^(read|SQL_REFUSED|SQL_INVALID)$/);
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ["insert into t values (1)", "InsertStmt"],
  ["update t set a = 1 where b = 2", "UpdateStmt"],
  ["create table t (a int)", "CreateStmt"],
  ["select 1", "SelectStmt"],
])("%j may be run where writing is allowed", (sql, kind) => {
  expect(writingKind(sql, { allRows: false })).toBe(kind);
});

test.each([
  "begin",
  "commit",
  "set role postgres",
  "discard all",
  "copy t from '/etc/passwd'",
  "copy t to program 'id'",
  "copy t from stdin",
  "alter system set a = 1",
  "do $$ begin end $$",
  "load 'x'",
  "listen a",
  "insert into t values (1); drop table t",
  "insert into t select pg_read_file('/etc/passwd')",
  "insert into t select * from dblink('host=x', 'select 1') as d(a int)",
  "update t set a = 1",
  "delete from t",
])("%j is not run even then", (sql) => {
  expect(() => writingKind(sql, { allRows: false })).toThrow(refusal);
});

test("an UPDATE or DELETE of every row is run when that is asked for", () => {
  expect(writingKind("delete from t", { allRows: true })).toBe("DeleteStmt");
  expect(writingKind("update t set a = 1", { allRows: true })).toBe("UpdateStmt");
});
