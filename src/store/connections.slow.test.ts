import { expect, test } from "vitest";
import { openTestDatabase, openTestStore } from "./test-database.ts";

const row = {
  server: "s",
  subject: "alice",
  issuer: "https://login.example",
  scopes: ["read", "write"],
  sealed: "sealed",
};
const minute = 60_000;

test("a connection is kept until another one takes its place, and its version never comes twice", async () => {
  await using store = await openTestStore();
  const { connections } = store;
  expect(await connections.get("s", "alice")).toBeUndefined();
  const first = await connections.put({ ...row, expiresAt: 1_800_000_000_000 });
  expect(await connections.get("s", "alice")).toMatchObject({
    ...row,
    version: first,
    expiresAt: 1_800_000_000_000,
  });
  const second = await connections.put(row);
  expect(await connections.get("s", "alice")).not.toHaveProperty("expiresAt");
  expect(await connections.remove("s", "alice", first)).toBeUndefined();
  expect(await connections.remove("s", "alice")).toMatchObject({ version: second });
  const third = await connections.put(row);
  expect(new Set([0, first, second, third]).size).toBe(4);
});

test("tokens are renewed only in the connection they belong to", async () => {
  await using store = await openTestStore();
  const { connections } = store;
  const first = await connections.put(row);
  const renewed = await connections.renew({ ...row, sealed: "newer" }, first);
  expect(renewed).toBeGreaterThan(first);
  expect(await connections.renew({ ...row, sealed: "stale" }, first)).toBeUndefined();
  expect(await connections.get("s", "alice")).toMatchObject({ sealed: "newer" });
});

test("one of two gateways gets the lease, and the other not before it ends or is given back", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  const version = await one.connections.put(row);
  const taken = await Promise.all(
    [one, other].map((store) => store.connections.lease("s", "alice", version, minute)),
  );
  expect(taken.filter(Boolean)).toHaveLength(1);
  expect(await other.connections.lease("s", "alice", version, minute)).toBe(false);
  await one.connections.release("s", "alice");
  expect(await other.connections.lease("s", "alice", version + 1, minute)).toBe(false);
  expect(await other.connections.lease("s", "alice", version, 0)).toBe(true);
  expect(await one.connections.lease("s", "alice", version, minute)).toBe(true);
});

test("connections are found by subject, and all of one subject can be removed", async () => {
  await using store = await openTestStore();
  const { connections } = store;
  await connections.put(row);
  await connections.put({ ...row, server: "t" });
  await connections.put({ ...row, subject: "bob" });
  expect(await connections.newestSubject("s")).toBe("bob");
  expect(await connections.newestSubject("none")).toBeUndefined();
  expect(await connections.list("alice")).toHaveLength(2);
  expect(await connections.list()).toHaveLength(3);
  expect(await connections.removeOfSubjects(["alice", "nobody"])).toHaveLength(2);
  expect(await connections.list()).toMatchObject([{ subject: "bob" }]);
});

test("a consent under way is taken once, and the link it came from is used once", async () => {
  await using store = await openTestStore();
  const { connections } = store;
  const flow = { stateHash: "h1", nonce: "n1", sealed: "x", expiresAt: Date.now() + minute };
  expect(await connections.putFlow(flow)).toBe(true);
  expect(await connections.putFlow({ ...flow, stateHash: "h2" })).toBe(false);
  expect(await connections.takeFlow("h1")).toEqual(flow);
  expect(await connections.takeFlow("h1")).toBeUndefined();
  await connections.putFlow({ ...flow, expiresAt: Date.now() - minute });
  expect(await connections.putFlow({ ...flow, stateHash: "h3", nonce: "n3" })).toBe(true);
  expect(await connections.takeFlow("h1")).toBeUndefined();
});

test("a registered client belongs to its issuer and redirect URI", async () => {
  await using store = await openTestStore();
  const { connections } = store;
  await connections.putClient("https://a.example", "https://g/cb", "one");
  await connections.putClient("https://a.example", "https://g/cb", "two");
  expect(await connections.client("https://a.example", "https://g/cb")).toBe("two");
  expect(await connections.client("https://b.example", "https://g/cb")).toBeUndefined();
  expect(await connections.client("https://a.example", "https://other/cb")).toBeUndefined();
  await connections.removeClient("https://a.example", "https://g/cb");
  expect(await connections.client("https://a.example", "https://g/cb")).toBeUndefined();
});
