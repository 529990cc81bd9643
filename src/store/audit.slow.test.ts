import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { AuditEntry } from "./audit-chain.ts";
import type { Store } from "./store.ts";
import { openTestDatabase, openTestStore, type TestDatabase } from "./test-database.ts";

let database: TestDatabase;
let store: Store;
let client: pg.Client;
let count = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  store = await openTestStore(database);
  client = new pg.Client(database.url);
  await client.connect();
}, 120_000);
afterAll(async () => {
  await client.end();
  await store.close();
  await database[Symbol.asyncDispose]();
});

// Whoever may do anything with the database: the triggers are no hindrance to them, the chain is.
async function tamper(statement: string): Promise<void> {
  await client.query("ALTER TABLE signalbox.audit_log DISABLE TRIGGER ALL");
  await client.query(statement);
  await client.query("ALTER TABLE signalbox.audit_log ENABLE TRIGGER ALL");
}

beforeEach(async () => {
  await tamper("TRUNCATE signalbox.audit_log");
  await client.query(
    "UPDATE signalbox.audit_head SET base_seq = 0, base_hash = repeat('0', 64), seq = 0, hash = repeat('0', 64)",
  );
});

function entry(more: Partial<AuditEntry> = {}): AuditEntry {
  count++;
  return {
    id: `aud_${count}`,
    at: 1_800_000_000_000 + count,
    action: "server.update",
    actorId: "key_1",
    actorName: "Ada",
    actorKind: "key",
    target: "server:files",
    project: "default",
    outcome: "ok",
    code: null,
    before: '{"a":1}',
    after: '{"a":2}',
    details: null,
    address: "127.0.0.1",
    requestId: "r1",
    ...more,
  };
}

const verify = async (): ReturnType<Store["audit"]["verify"]> =>
  await store.audit.verify(AbortSignal.timeout(30_000));
const kinds = async (): Promise<string[]> =>
  (await verify()).faults.map(({ seq, kind }) => `${seq} ${kind}`);

test("records come back as they were written, and their chain is whole", async () => {
  const entries = [entry(), entry({ outcome: "denied", code: "FORBIDDEN", before: null }), entry()];
  await store.audit.append(entries.slice(0, 2));
  await store.audit.append(entries.slice(2));
  const read = await store.audit.recent({ limit: 10 });
  expect(read.map(({ hash: _hash, seq: _seq, ...same }) => same)).toEqual(entries.toReversed());
  expect(read.map(({ seq }) => seq)).toEqual([3, 2, 1]);
  expect(await verify()).toMatchObject({ checked: 3, faults: [], head: { seq: 3 } });
});

test("any text and any value keeps its chain whole", async () => {
  const text = fc.string({ unit: "binary" }).map((any) => any.toWellFormed().replaceAll("\0", ""));
  await fc.assert(
    fc.asyncProperty(text, text, fc.jsonValue(), async (actorName, target, value) => {
      await store.audit.append([entry({ actorName, target, after: JSON.stringify(value) })]);
      expect((await verify()).faults).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

test("an entry that is sent twice is written once", async () => {
  const [one, two] = [entry(), entry()];
  await store.audit.append([one]);
  await store.audit.append([one, two]);
  expect((await store.audit.recent({ limit: 10 })).map(({ id }) => id)).toEqual([two.id, one.id]);
  expect((await verify()).faults).toEqual([]);
});

test("several writers at once make one chain", async () => {
  const other = await openTestStore(database);
  const batches = Array.from({ length: 30 }, () => Array.from({ length: 5 }, () => entry()));
  await Promise.all(
    batches.map(async (batch, index) => {
      await (index % 2 === 0 ? store : other).audit.append(batch);
    }),
  );
  await other.close();
  expect(await verify()).toMatchObject({ checked: 150, faults: [] });
});

test("they are found by who, what, on what, how it ended, and when", async () => {
  await store.audit.append([
    entry({ action: "key.create", actorId: "key_2", at: 1_000 }),
    entry({ outcome: "denied", target: "tool:files__read", at: 2_000 }),
    entry({ project: "shop", at: 3_000 }),
  ]);
  const found = async (filter: object): Promise<number[]> =>
    (await store.audit.recent({ limit: 10, ...filter })).map(({ at }) => at);
  expect(await found({ action: "key.create" })).toEqual([1_000]);
  expect(await found({ actorId: "key_1" })).toEqual([3_000, 2_000]);
  expect(await found({ target: "tool:files__read" })).toEqual([2_000]);
  expect(await found({ outcome: "denied" })).toEqual([2_000]);
  expect(await found({ project: "shop" })).toEqual([3_000]);
  expect(await found({ from: 2_000, to: 3_000 })).toEqual([2_000]);
  expect(await found({ beforeSeq: 3 })).toEqual([2_000, 1_000]);
});

test("the product's own role can neither change, delete nor empty it", async () => {
  await store.audit.append([entry()]);
  for (const statement of [
    "UPDATE signalbox.audit_log SET actor_name = 'Eve'",
    "DELETE FROM signalbox.audit_log",
    "TRUNCATE signalbox.audit_log",
  ])
    await expect(client.query(statement)).rejects.toThrow("only grows");
  expect(await verify()).toMatchObject({ checked: 1, faults: [] });
});

test("an edited record is found, whichever of its columns it was", async () => {
  for (const change of [
    "actor_name = 'Eve'",
    "at = at + interval '1 hour'",
    "outcome = 'denied'",
    "value_before = NULL",
    "target = 'server:other'",
    "hash = repeat('a', 64)",
  ]) {
    await store.audit.append([entry(), entry(), entry()]);
    const { head } = await verify();
    await tamper(`UPDATE signalbox.audit_log SET ${change} WHERE seq = ${head.seq - 1}`);
    const found = (await verify()).faults.filter(({ seq }) => seq > head.seq - 3);
    expect([change, found.length > 0]).toEqual([change, true]);
    await tamper("TRUNCATE signalbox.audit_log");
    await client.query(
      "UPDATE signalbox.audit_head SET base_seq = 0, base_hash = repeat('0', 64), seq = 0, hash = repeat('0', 64)",
    );
  }
});

test("a record that was edited and given a fitting hash is found by the one behind it", async () => {
  const { hashOf } = await import("./audit-chain.ts");
  await store.audit.append([entry(), entry(), entry()]);
  const [first, second] = await store.audit.after(0, 2);
  if (first === undefined || second === undefined) throw new Error("they are there");
  const forged = hashOf(2, { ...second, actorName: "Eve" }, first.hash);
  await tamper(
    `UPDATE signalbox.audit_log SET actor_name = 'Eve', hash = '${forged}' WHERE seq = 2`,
  );
  expect(await kinds()).toEqual(["3 edited"]);
});

test("a deleted record is found", async () => {
  await store.audit.append([entry(), entry(), entry()]);
  await tamper("DELETE FROM signalbox.audit_log WHERE seq = 2");
  expect(await kinds()).toEqual(["2 missing"]);
});

test("records that changed places are found", async () => {
  await store.audit.append([entry(), entry(), entry(), entry()]);
  await tamper(
    "UPDATE signalbox.audit_log SET seq = -seq WHERE seq IN (2, 3); UPDATE signalbox.audit_log SET seq = 5 + seq WHERE seq < 0",
  );
  expect(await kinds()).toEqual(["2 edited", "3 edited", "4 edited"]);
});

test("a chain whose end was cut off is found", async () => {
  await store.audit.append([entry(), entry(), entry()]);
  await tamper("DELETE FROM signalbox.audit_log WHERE seq > 1");
  expect(await kinds()).toEqual(["3 truncated"]);
});

test("retention takes the oldest away and leaves a whole chain", async () => {
  const entries = [entry({ at: 1_000 }), entry({ at: 2_000 }), entry({ at: 3_000 })];
  await store.audit.append(entries);
  expect(await store.audit.prune(2_500)).toBe(2);
  expect(await verify()).toMatchObject({ checked: 1, faults: [], head: { baseSeq: 2, seq: 3 } });
  expect(await store.audit.prune(2_500)).toBe(0);
  await store.audit.append([entry()]);
  expect(await verify()).toMatchObject({ checked: 2, faults: [] });
  expect(await store.audit.prune(Number.MAX_SAFE_INTEGER / 1000)).toBe(2);
  await store.audit.append([entry()]);
  expect(await verify()).toMatchObject({ checked: 1, faults: [], head: { baseSeq: 4, seq: 5 } });
});

test("an anchor is found as long as the chain it was taken from stands", async () => {
  await store.audit.append([entry(), entry(), entry()]);
  const [third, second, first] = await store.audit.recent({ limit: 3 });
  const faultsWith = async (anchor: string): Promise<string[]> =>
    (await store.audit.verify(AbortSignal.timeout(30_000), anchor)).faults.map(({ kind }) => kind);
  for (const one of [first, second, third]) expect(await faultsWith(one?.hash ?? "")).toEqual([]);
  expect(await faultsWith("f".repeat(64))).toEqual(["replaced"]);
  // Whoever has the database writes another trail, whole in itself.
  await tamper("TRUNCATE signalbox.audit_log");
  await client.query(
    "UPDATE signalbox.audit_head SET base_seq = 0, base_hash = repeat('0', 64), seq = 0, hash = repeat('0', 64)",
  );
  await store.audit.append([entry(), entry(), entry()]);
  expect(await kinds()).toEqual([]);
  expect(await faultsWith(third?.hash ?? "")).toEqual(["replaced"]);
});

test("an anchor from before the beginning is found at the beginning alone", async () => {
  await store.audit.append([entry({ at: 1_000 }), entry({ at: 2_000 }), entry({ at: 9_000 })]);
  const [, second, first] = await store.audit.recent({ limit: 3 });
  await store.audit.prune(5_000);
  const verdictWith = async (anchor: string): ReturnType<Store["audit"]["verify"]> =>
    await store.audit.verify(AbortSignal.timeout(30_000), anchor);
  expect((await verdictWith(second?.hash ?? "")).faults).toEqual([]);
  const [fault] = (await verdictWith(first?.hash ?? "")).faults;
  expect(fault).toMatchObject({ kind: "replaced", sentence: expect.stringContaining("retention") });
});

test("they are found by server and by whether it went well, and read on from a place", async () => {
  await store.audit.append([
    entry({ target: "server:files", at: 1_000 }),
    entry({ target: "tool:files__read", outcome: "denied", at: 2_000 }),
    entry({ target: "tool:files_too__read", at: 3_000 }),
    entry({ target: "server:filesystem", outcome: "failed", at: 4_000 }),
  ]);
  const found = async (filter: object): Promise<number[]> =>
    (await store.audit.recent({ limit: 10, ...filter })).map(({ at }) => at);
  expect(await found({ server: "files" })).toEqual([2_000, 1_000]);
  expect(await found({ success: false })).toEqual([4_000, 2_000]);
  expect(await found({ success: true, server: "files" })).toEqual([1_000]);
  const behind = await store.audit.after(1, 10, { success: false });
  expect(behind.map(({ seq }) => seq)).toEqual([2, 4]);
});

test("where somebody else owns the tables, the gateway's user writes and shortens the trail and changes nothing", async () => {
  await using own = await openTestDatabase();
  const owner = new pg.Client(own.url);
  await owner.connect();
  const { pathname } = new URL(own.url);
  await owner.query("CREATE ROLE audited LOGIN PASSWORD 'for-this-test'; CREATE ROLE audit_owner");
  await owner.query(`GRANT CREATE ON DATABASE "${pathname.slice(1)}" TO audited`);
  const url = Object.assign(new URL(own.url), { username: "audited", password: "for-this-test" });
  const opened = { url: url.href, [Symbol.asyncDispose]: () => Promise.resolve() };
  const limited = await openTestStore(opened);
  const app = new pg.Client(url.href);
  await app.connect();
  try {
    // As docs/audit.md says it.
    await owner.query(`
      ALTER TABLE signalbox.audit_log OWNER TO audit_owner;
      ALTER TABLE signalbox.audit_head OWNER TO audit_owner;
      ALTER FUNCTION signalbox.audit_only_grows() OWNER TO audit_owner;
      GRANT SELECT, INSERT, DELETE ON signalbox.audit_log TO audited;
      GRANT SELECT, UPDATE ON signalbox.audit_head TO audited;`);
    await limited.audit.append([entry({ at: 1_000 }), entry({ at: 9_000 })]);
    expect(await limited.audit.prune(5_000)).toBe(1);
    const verdict = await limited.audit.verify(AbortSignal.timeout(30_000));
    expect(verdict).toMatchObject({ checked: 1, faults: [] });
    for (const statement of [
      "ALTER TABLE signalbox.audit_log DISABLE TRIGGER ALL",
      "UPDATE signalbox.audit_log SET actor_name = 'Eve'",
      "TRUNCATE signalbox.audit_log",
      "CREATE OR REPLACE FUNCTION signalbox.audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    ])
      await expect(app.query(statement)).rejects.toMatchObject({ code: "42501" });
  } finally {
    await limited.close();
    await app.end();
    await owner.query(`DROP OWNED BY audited, audit_owner CASCADE; DROP ROLE audited, audit_owner`);
    await owner.end();
  }
});
