import { afterAll, beforeAll, expect, test } from "vitest";
import type { PinSight } from "./pins.ts";
import type { Store } from "./store.ts";
import { openTestDatabase, openTestStore, type TestDatabase } from "./test-database.ts";

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await openTestDatabase();
  store = await openTestStore(database);
});
afterAll(async () => {
  await store.close();
  await database[Symbol.asyncDispose]();
});

const hash = (digit: string): string => digit.repeat(64);
const ONE = hash("1");
const TWO = hash("2");
const THREE = hash("3");

function sight(name: string, changes: Partial<PinSight> = {}): PinSight {
  return {
    server: "files",
    kind: "tools",
    name,
    hash: ONE,
    definition: `{"name":"${name}"}`,
    at: 1_000,
    ...changes,
  };
}

const key = (name: string) => ({ server: "files", kind: "tools", name }) as const;
const by = { by: "ann", at: 9_000 };

test("what is seen first is approved, and what is there already is told and stays", async () => {
  const { pins } = store;
  expect(await pins.addFirst([sight("first"), sight("other")])).toEqual([]);
  const again = [sight("first", { hash: TWO, at: 2_000 }), sight("third")];
  expect((await pins.addFirst(again)).map(({ name }) => name)).toEqual(["first"]);
  expect(await pins.get(key("first"))).toEqual({
    ...key("first"),
    state: "approved",
    approved: [ONE],
    definition: '{"name":"first"}',
    firstSeen: 1_000,
    changedAt: 1_000,
  });
});

test("the same name at another server, or of another kind, is another thing", async () => {
  await store.pins.addFirst([
    sight("same", { server: "a" }),
    sight("same", { server: "b", hash: TWO }),
    sight("same", { server: "b", kind: "prompts", hash: THREE }),
  ]);
  const found = (await store.pins.list()).filter(({ name }) => name === "same");
  expect(found.map(({ server, kind, approved }) => [server, kind, approved])).toEqual([
    ["a", "tools", [ONE]],
    ["b", "prompts", [THREE]],
    ["b", "tools", [TWO]],
  ]);
});

test("what waits becomes the newest approved, and the one before stays approved", async () => {
  const { pins } = store;
  await pins.addFirst([sight("grows")]);
  await pins.addPending([sight("grows", { hash: TWO, definition: '{"v":2}', at: 2_000 })]);
  expect(await pins.get(key("grows"))).toMatchObject({
    state: "pending",
    approved: [ONE],
    pending: TWO,
    pendingDefinition: '{"v":2}',
    firstSeen: 1_000,
    changedAt: 2_000,
  });
  expect(await pins.approve(key("grows"), { ...by, hash: THREE })).toBeUndefined();
  expect(await pins.approve(key("grows"), { ...by, hash: TWO })).toMatchObject({
    state: "approved",
    approved: [TWO, ONE],
    decidedBy: "ann",
    decidedAt: 9_000,
  });
  expect(await pins.approve(key("grows"), by)).toBeUndefined();
  expect(await pins.get(key("grows"))).toMatchObject({ definition: '{"v":2}' });
});

test("what is approved never waits, and what was rejected stays so whatever comes", async () => {
  const { pins } = store;
  await pins.addFirst([sight("bad")]);
  await pins.addPending([sight("bad", { hash: ONE })]);
  expect(await pins.get(key("bad"))).toMatchObject({ state: "approved" });
  await pins.addPending([sight("bad", { hash: TWO })]);
  expect(await pins.reject(key("bad"), { ...by, hash: THREE })).toBeUndefined();
  expect(await pins.reject(key("bad"), by)).toMatchObject({
    state: "rejected",
    approved: [ONE],
    pending: TWO,
  });
  await pins.addPending([sight("bad", { hash: THREE })]);
  await pins.accept([sight("bad", { hash: THREE })]);
  expect(await pins.approveAll("files", by)).toEqual([]);
  expect(await pins.get(key("bad"))).toMatchObject({ state: "rejected", pending: THREE });
  expect(await pins.approve(key("bad"), by)).toMatchObject({ state: "approved" });
});

test("where nothing waits, rejecting takes the newest approval back", async () => {
  const { pins } = store;
  await pins.addFirst([sight("regretted")]);
  expect(await pins.reject(key("regretted"), by)).toMatchObject({
    state: "rejected",
    approved: [],
    pending: ONE,
  });
  expect(await pins.get(key("regretted"))).toMatchObject({
    pendingDefinition: '{"name":"regretted"}',
  });
  expect(await pins.reject(key("nothing"), by)).toBeUndefined();
});

test("all that waits at one server is approved at once, and forgotten at once", async () => {
  const { pins } = store;
  const at = (server: string, name: string) => sight(name, { server });
  await pins.addPending([at("many", "a"), at("many", "b"), at("few", "c")]);
  expect((await pins.approveAll("many", by)).map(({ name }) => name).toSorted()).toEqual([
    "a",
    "b",
  ]);
  expect(await pins.get({ server: "few", kind: "tools", name: "c" })).toMatchObject({
    state: "pending",
  });
  expect(await pins.forget("many")).toBe(2);
  expect(await pins.forget("many")).toBe(0);
});

test("no more than eight definitions are approved at the same time", async () => {
  const { pins } = store;
  for (const digit of "0123456789ab") await pins.accept([sight("busy", { hash: hash(digit) })]);
  const found = await pins.get(key("busy"));
  expect(found?.approved).toEqual(Array.from("ba987654", hash));
});

test("text is kept as it is, with U+0000 in its JSON and numbers of any length", async () => {
  const definition = JSON.stringify({ description: "a\u0000b\u{E0041}", n: 1 });
  await store.pins.addFirst([sight("odd", { definition })]);
  expect((await store.pins.get(key("odd")))?.definition).toBe(definition);
});

test("another gateway on the database is told of every change", async () => {
  await using other = await openTestStore(database);
  let told = 0;
  other.onChange(() => told++);
  const tells = async (change: () => Promise<unknown>): Promise<void> => {
    const before = told;
    await change();
    await expect.poll(() => told).toBeGreaterThan(before);
  };
  await tells(() => store.pins.addFirst([sight("told")]));
  await tells(() => store.pins.addPending([sight("told", { hash: TWO })]));
  await tells(() => store.pins.approve(key("told"), by));
});
