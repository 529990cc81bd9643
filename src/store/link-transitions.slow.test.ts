import { afterAll, beforeAll, expect, test } from "vitest";
import type { LinkTransitionRow } from "./link-transitions.ts";
import type { Store } from "./store.ts";
import { openTestStore } from "./test-database.ts";

let store: Store;

beforeAll(async () => {
  store = await openTestStore();
});
afterAll(async () => {
  await store.close();
});

function row(changes: Partial<LinkTransitionRow> = {}): LinkTransitionRow {
  return {
    at: 1_800_000_000_123,
    server: "files",
    endpoint: "one.example:8080",
    from: "connecting",
    to: "connected",
    reason: "speaks 2026-07-28",
    ...changes,
  };
}

test("transitions come back as they were written, the newest first, of equal times the later one", async () => {
  const rows = [
    row({ server: "read", at: 1_000 }),
    row({ server: "read", at: 3_000, from: "connected", to: "error", code: "SERVER_CLOSED" }),
    row({ server: "read", at: 2_000, reason: "first of two" }),
    row({ server: "read", at: 2_000, reason: "second of two" }),
  ];
  await store.linkTransitions.append(rows);
  await store.linkTransitions.append([row({ server: "another" })]);
  const [first, failed, one, two] = rows;
  expect(await store.linkTransitions.recent({ server: "read", limit: 10 })).toEqual([
    failed,
    two,
    one,
    first,
  ]);
});

test("they are read by pages: so many, and only those before a time", async () => {
  const rows = Array.from({ length: 5 }, (_, index) => row({ server: "paged", at: index * 10 }));
  await store.linkTransitions.append(rows);
  const times = async (limit: number, before?: number): Promise<number[]> => {
    const filter = { server: "paged", limit, ...(before !== undefined && { before }) };
    return (await store.linkTransitions.recent(filter)).map(({ at }) => at);
  };
  expect(await times(2)).toEqual([40, 30]);
  expect(await times(2, 30)).toEqual([20, 10]);
  expect(await times(9, 0)).toEqual([]);
  expect(await times(0)).toEqual([40]);
  expect(await times(1_000_000)).toHaveLength(5);
});

test("a page has at most a thousand of them, and many are written at once", async () => {
  const rows = Array.from({ length: 1_200 }, (_, index) => row({ server: "many", at: index }));
  for (const from of [0, 500, 1_000])
    await store.linkTransitions.append(rows.slice(from, from + 500));
  const read = await store.linkTransitions.recent({ server: "many", limit: 5_000 });
  expect(read.map(({ at }) => at)).toEqual(
    Array.from({ length: 1_000 }, (_, index) => 1_199 - index),
  );
});

test("those before a time are deleted, of every server", async () => {
  await store.linkTransitions.append([
    row({ server: "old", at: 100 }),
    row({ server: "old", at: 200 }),
    row({ server: "older", at: 50 }),
  ]);
  await store.linkTransitions.prune(200);
  expect(await store.linkTransitions.recent({ server: "old", limit: 9 })).toMatchObject([
    { at: 200 },
  ]);
  expect(await store.linkTransitions.recent({ server: "older", limit: 9 })).toEqual([]);
});

test("nothing is nothing to write", async () => {
  await store.linkTransitions.append([]);
  expect(await store.linkTransitions.recent({ server: "nothing", limit: 9 })).toEqual([]);
});

test("a reason with what PostgreSQL cannot hold does not cost those that are written with it", async () => {
  const reason = 'it said "a\0b" and a lone \ud800';
  await store.linkTransitions.append([
    row({ server: "odd", at: 1 }),
    row({ server: "odd", reason }),
  ]);
  expect(await store.linkTransitions.recent({ server: "odd", limit: 9 })).toMatchObject([
    { reason: 'it said "a\ufffdb" and a lone \ufffd' },
    { at: 1 },
  ]);
});

test("uptime is the share of the time an endpoint was wanted, over a day, a week and a month", async () => {
  const hour = 3_600_000;
  const now = 1_800_000_000_000;
  const at = (hoursAgo: number): number => now - hoursAgo * hour;
  const server = "uptime";
  await store.linkTransitions.append([
    row({ server, at: at(40), from: "idle", to: "connected" }),
    row({ server, at: at(16), from: "connected", to: "reconnecting" }),
    row({ server, at: at(12), from: "reconnecting", to: "degraded" }),
    row({ server, at: at(6), from: "degraded", to: "idle" }),
    row({ server, endpoint: "never", at: at(8), from: "connecting", to: "error" }),
    row({ server, endpoint: "unused", at: at(8), from: "connecting", to: "idle" }),
  ]);
  const [never, used, ...others] = await store.linkTransitions.uptime(server, now);
  expect(others).toEqual([]);
  expect(never).toEqual({ endpoint: "never", day: 0, week: 0, month: 0 });
  expect(used?.endpoint).toBe("one.example:8080");
  expect(used?.day).toBeCloseTo((8 + 6) / (8 + 4 + 6));
  expect(used?.week).toBeCloseTo((24 + 6) / (24 + 4 + 6));
  expect(used?.month).toBeCloseTo((24 + 6) / (24 + 4 + 6));
});

test("time in which the gateway was gone counts as neither up nor down", async () => {
  const server = "gone";
  const now = 1_800_000_000_000;
  await store.linkTransitions.append([
    row({ server, at: now - 4_000_000, from: "idle", to: "connected" }),
    row({ server, at: now - 2_000_000, from: "idle", to: "error" }),
    row({ server, at: now - 1_000_000, from: "error", to: "connected" }),
  ]);
  const [one] = await store.linkTransitions.uptime(server, now);
  expect(one?.day).toBeCloseTo(0.5);
});
