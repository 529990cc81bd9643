import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { CallerLimits, quotaOptions, rateLimitOptions } from "../access/index.ts";
import { silentLog, systemClock } from "../foundation/index.ts";
import { openTestDatabase, openTestStore } from "./test-database.ts";
import type { Store } from "./store.ts";

const told = (name: string, admitted: number, sliceMs = 60_000) => ({
  name,
  sliceMs,
  slices: 11,
  admitted,
});

test("gateways hear what all of them have admitted, each limit for itself", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  const sums = async (store: Store, ...of: ReturnType<typeof told>[]): Promise<number[]> =>
    (await store.rateCounts.settle(of)).map((counts) => counts.reduce((sum, n) => sum + n, 0));
  expect(await sums(one, told("a", 3), told("b", 1))).toEqual([3, 1]);
  expect(await sums(other, told("b", 5), told("a", 2))).toEqual([6, 5]);
  expect(await sums(one, told("a", 0))).toEqual([5]);
});

test("what is older than the window is no longer counted, and is deleted", async () => {
  await using store = await openTestStore();
  await store.rateCounts.settle([told("a", 3, 10)]);
  await expect
    .poll(async () => (await store.rateCounts.settle([told("a", 1, 10)])).flat().length)
    .toBeGreaterThan(1);
  await pause(200);
  const [counts] = await store.rateCounts.settle([told("a", 1, 10)]);
  expect(counts?.reduce((sum, n) => sum + n, 0)).toBe(1);
  await store.rateCounts.beat("one");
});

test(
  "tellings at the same time lose nothing and never wait for each other in a ring",
  { timeout: 30_000 },
  async () => {
    await using database = await openTestDatabase();
    await using one = await openTestStore(database);
    await using other = await openTestStore(database);
    const names = Array.from({ length: 20 }, (_, n) => `limit ${n}`);
    await Promise.all(
      Array.from({ length: 40 }, (_, turn) => {
        const mine = turn % 2 === 0 ? names : names.toReversed();
        const store = turn % 3 === 0 ? one : other;
        return store.rateCounts.settle(mine.map((name) => told(name, 1, 600_000)));
      }),
    );
    const answers = await one.rateCounts.settle(names.map((name) => told(name, 0, 600_000)));
    for (const counts of answers) expect(counts.reduce((sum, n) => sum + n, 0)).toBe(40);
  },
);

test("gateways are counted while they are heard of", async () => {
  await using store = await openTestStore();
  expect(await store.rateCounts.beat("one")).toBe(1);
  expect(await store.rateCounts.beat("other")).toBe(2);
  expect(await store.rateCounts.beat("one")).toBe(2);
});

test(
  "10,000 requests to two gateways on one database pass the limit by no more than a lease each",
  { timeout: 60_000 },
  async () => {
    await using database = await openTestDatabase();
    await using one = await openTestStore(database);
    await using other = await openTestStore(database);
    const max = 2_000;
    const gateways = [one, other].map((store, n) => {
      const rate = rateLimitOptions.parse({ max, window: "1h" });
      const limits = new CallerLimits(
        { rate, quota: quotaOptions.parse({}) },
        { clock: systemClock, log: silentLog },
      );
      limits.share({
        settle: (counts) => store.rateCounts.settle(counts),
        beat: () => store.rateCounts.beat(`gateway ${n}`),
      });
      return limits;
    });
    const caller = { id: "key_a", role: "caller", keyId: "key_a" };
    let admitted = 0;
    for (let n = 0; n < 10_000; n++) {
      const limits = gateways[(n >> 4) % 2];
      if (limits?.request(caller, undefined) === undefined) admitted++;
      if (n % 8 === 0) await pause(1);
    }
    await Promise.all(gateways.map((limits) => limits.close()));
    expect(admitted).toBeGreaterThanOrEqual(max);
    expect(admitted).toBeLessThanOrEqual(max + 2 * 0.2 * max);
  },
);
