import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId, silentLog } from "../foundation/index.ts";
import { CallEncoder } from "./calls.ts";
import type { CallRow } from "./calls.ts";
import { debianBinaries, startDebianPostgres } from "./debian-postgres.ts";
import type { DebianPostgres } from "./debian-postgres.ts";
import type { KeyRow } from "./keys.ts";
import { openStore } from "./store.ts";
import type { Store } from "./store.ts";
import { createDatabase, openTestDatabase, openTestStore, temporaryHome } from "./test-database.ts";
import type { TestDatabase } from "./test-database.ts";

describe("a store on the PostgreSQL it brings along", () => {
  storeFacts(openTestDatabase);
});

const binaries = await debianBinaries();
if (binaries === undefined) {
  process.stderr.write(
    "SKIPPED: there is no PostgreSQL of the system under /usr/lib/postgresql to test against\n",
  );
}

describe.skipIf(binaries === undefined)("a store on the system's PostgreSQL", () => {
  let debian: DebianPostgres;
  beforeAll(async () => {
    debian = await startDebianPostgres(binaries ?? "");
  });
  afterAll(async () => {
    await debian[Symbol.asyncDispose]();
  });

  storeFacts(() => createDatabase(debian.address));

  test("says that it is away, and is back when the database is", { timeout: 30_000 }, async () => {
    await using database = await createDatabase(debian.address);
    await using store = await openTestStore(database);
    let changes = 0;
    store.onChange(() => {
      changes += 1;
    });
    await store.servers.put("one", {});
    debian.stop();
    await expect(store.servers.list()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(store.calls.append(encoded([callRow()]))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    debian.start();
    await expect.poll(() => store.servers.list().catch(() => [])).toHaveLength(1);
    await expect.poll(() => changes, { timeout: 10_000 }).toBeGreaterThan(0);
  });
});

test("says that an unreachable database does not answer", async () => {
  await using home = await temporaryHome();
  const url = "postgresql://somebody:hush-hush@127.0.0.1:1/nowhere";
  const opening = openStore({ url, home: home.path, log: silentLog });
  await expect(opening).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await expect(opening).rejects.not.toThrow(/hush-hush/u);
  // The home is free again.
  await expect(openStore({ url, home: home.path, log: silentLog })).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
  });
});

function encoded(rows: readonly CallRow[]): Buffer {
  const encoder = new CallEncoder();
  return Buffer.from(rows.map((row) => `${encoder.encode(row)}\n`).join(""));
}

function storeFacts(openDatabase: () => Promise<TestDatabase>): void {
  let database: TestDatabase;
  let store: Store;
  beforeAll(async () => {
    database = await openDatabase();
    store = await openTestStore(database);
  });
  afterAll(async () => {
    await store.close();
    await database[Symbol.asyncDispose]();
  });

  test("keeps servers and bundles by name", async () => {
    await store.servers.put("b", { url: "http://b" });
    await store.servers.put("a", { command: "x", args: ["1"] });
    await store.servers.put("b", { url: "http://b2", nested: { 'quo"te': ["ü", null] } });
    const listed = await store.servers.list();
    expect(listed.map(({ name, options }) => [name, options])).toEqual([
      ["a", { command: "x", args: ["1"] }],
      ["b", { url: "http://b2", nested: { 'quo"te': ["ü", null] } }],
    ]);
    expect(await store.bundles.list()).toEqual([]);
    await store.projects.put("payments", { title: "Payments" });
    await store.roles.put("reader", { scopes: ["call"], rules: [] });
    expect(await store.projects.list()).toMatchObject([
      { name: "payments", options: { title: "Payments" } },
    ]);
    expect(await store.roles.list()).toMatchObject([{ name: "reader" }]);
    expect(await store.roles.remove("reader")).toBe(true);
    expect(await store.servers.remove("a")).toBe(true);
    expect(await store.servers.remove("a")).toBe(false);
  });

  test("keeps keys, revokes once, and never moves a last use back", async () => {
    const key = keyRow();
    await store.keys.insert(key);
    await store.keys.touch(
      new Map([
        [key.id, 5000],
        ["unknown", 1],
      ]),
    );
    await store.keys.touch(new Map([[key.id, 4000]]));
    expect(await store.keys.revoke(key.id, 6000)).toBe(true);
    expect(await store.keys.revoke(key.id, 7000)).toBe(false);
    expect(await store.keys.revoke("unknown", 7000)).toBe(false);
    expect(await store.keys.list()).toEqual([{ ...key, lastUsedAt: 5000, revokedAt: 6000 }]);
    await expect(store.keys.insert(key)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  test("keeps settings", async () => {
    expect(await store.settings.get("absent")).toBeUndefined();
    await store.settings.set("some", { deep: [1, "two"] });
    await store.settings.set("some", "replaced");
    expect(await store.settings.get("some")).toBe("replaced");
  });

  test("refuses what it cannot hold without harm", async () => {
    await expect(store.servers.put("nul", { text: "a\0b" })).rejects.toMatchObject({
      code: "BODY_INVALID",
    });
    expect(await store.settings.get("absent")).toBeUndefined();
  });

  test("appends a call once however often it is sent", async () => {
    const row = callRow({ server: "once" });
    await store.calls.append(encoded([row, row]));
    await store.calls.append(encoded([row]));
    expect(await store.calls.recent({ limit: 10, server: "once" })).toEqual([row]);
  });

  test("keeps calls with whatever clients may put in them", async () => {
    const odd = callRow({
      server: "odd",
      tool: 'quote " comma , brace { } backslash \\ NULL',
      publicName: "",
      requestId: "nul \0 and lone \ud800 surrogate",
      arguments: {
        text: "a\0b\ud800",
        number: JSON.rawJSON("1e999999"),
        ["__proto__"]: 1,
        list: [[]],
      },
    });
    await store.calls.append(
      encoded([odd, callRow({ server: "odd", arguments: "x".repeat(100_000) })]),
    );
    const [large, kept] = await store.calls.recent({ limit: 10, server: "odd" });
    expect(kept).toMatchObject({
      tool: odd.tool,
      publicName: "",
      requestId: "nul \ufffd and lone \ufffd surrogate",
    });
    expect(kept?.arguments).toMatchObject({ text: "a\0b\ud800", list: [[]] });
    expect(large?.arguments).toEqual({ "signalbox/omittedBytes": 100_002 });
  });

  test("lists recent calls newest first, filtered and by pages", async () => {
    const rows = Array.from({ length: 7 }, (_, index) =>
      callRow({
        server: "paged",
        at: 1_000_000 + Math.floor(index / 2),
        principalId: index % 2 === 0 ? "even" : "odd",
        project: index % 2 === 0 ? "payments" : "default",
        outcome: index === 3 ? "timeout" : "ok",
      }),
    );
    await store.calls.append(encoded(rows));
    const newest = rows.toReversed();
    const ids = async (filter: object): Promise<string[]> =>
      (await store.calls.recent({ limit: 3, server: "paged", ...filter })).map(({ id }) => id);
    expect(await ids({})).toEqual(newest.slice(0, 3).map(({ id }) => id));
    const last = newest[2];
    expect(await ids({ before: last?.at, beforeId: last?.id })).toEqual(
      newest.slice(3, 6).map(({ id }) => id),
    );
    expect(await ids({ before: 1_000_001 })).toEqual(newest.slice(5).map(({ id }) => id));
    expect(await ids({ outcome: "timeout" })).toEqual([rows[3]?.id]);
    expect(await ids({ principalId: "even", limit: 9999 })).toHaveLength(4);
    expect(await ids({ project: "payments", limit: 9999 })).toHaveLength(4);
    expect(await ids({ project: "none", limit: 9999 })).toEqual([]);
    expect(await ids({ limit: 0 })).toHaveLength(1);
    expect(await ids({ success: false })).toEqual([rows[3]?.id]);
    expect(await ids({ success: true, limit: 9999 })).toHaveLength(6);
    expect(await store.calls.one(rows[4]?.id ?? "")).toEqual(rows[4]);
    expect(await store.calls.one("none")).toBeUndefined();
  });

  test("prunes calls before a time, in more than one go", async () => {
    const old = Array.from({ length: 12_000 }, () => callRow({ server: "old", at: 10 }));
    await store.calls.append(encoded(old));
    await store.calls.append(encoded([callRow({ server: "old", at: 20 })]));
    expect(await store.calls.prune(20)).toBe(12_000);
    expect(await store.calls.recent({ limit: 10, server: "old" })).toHaveLength(1);
  });

  test("tells the changes of others, several at once together, and not its own", async () => {
    await using other = await openTestStore(database);
    let told = 0;
    const end = store.onChange(() => {
      told += 1;
    });
    await store.servers.put("own", {});
    const key = keyRow();
    await other.keys.insert(key);
    await expect.poll(() => told).toBe(1);
    await other.keys.touch(new Map([[key.id, 1]]));
    await other.bundles.put("theirs", {});
    await expect.poll(() => told).toBe(2);
    end();
    await other.bundles.remove("theirs");
    await other.ping(AbortSignal.timeout(5000));
    expect(told).toBe(2);
  });

  test("answers a ping, and does not wait longer than its signal", async () => {
    await store.ping(AbortSignal.timeout(5000));
    await expect(store.ping(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });
}

function keyRow(): KeyRow {
  const id = newId("key");
  return {
    id,
    name: "ci",
    role: "reader",
    project: "payments",
    bundles: ["a", "b"],
    rules: [{ effect: "deny", tools: ["a__*"] }],
    hash: id
      .replaceAll(/[^0-9a-f]/gu, "")
      .padEnd(64, "0")
      .slice(0, 64),
    prefix: "sbx_abc",
    createdAt: 1000,
    expiresAt: 9000,
  };
}

function callRow(changes: Partial<CallRow> = {}): CallRow {
  return {
    id: newId(),
    at: 1_800_000_000_123,
    principalId: "p",
    project: "default",
    principalName: "somebody",
    method: "tools/call",
    outcome: "ok",
    durationMs: 12.5,
    upstreamMs: 12,
    ownMs: 0.5,
    requestBytes: 100,
    responseBytes: 5_000_000_000,
    requestId: "1",
    era: "modern",
    ...changes,
  };
}
