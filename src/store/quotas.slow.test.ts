import { expect, test } from "vitest";
import { openTestDatabase, openTestStore } from "./test-database.ts";

const DAY = { subject: "principal:a", period: "day" as const, startsAt: Date.UTC(2026, 10, 20) };
const PERIODS = { dayStartsAt: DAY.startsAt, monthStartsAt: Date.UTC(2026, 10) };

test("a reservation grants what the quota leaves, counts what was used, and takes back what is returned", async () => {
  await using store = await openTestStore();
  const reserve = async (used: number, wanted: number, quota = 10): Promise<object | undefined> =>
    (await store.quotas.reserve([{ ...DAY, used, wanted, quota }]))[0];
  expect(await reserve(1, 4)).toEqual({ granted: 4, used: 5 });
  expect(await reserve(0, 4)).toEqual({ granted: 4, used: 9 });
  expect(await reserve(0, 4)).toEqual({ granted: 1, used: 10 });
  expect(await reserve(3, 4)).toEqual({ granted: 0, used: 13 });
  expect(await reserve(-5, 0)).toEqual({ granted: 0, used: 8 });
  expect(await reserve(0, 4, 20)).toEqual({ granted: 4, used: 12 });
  expect(await store.quotas.usage(PERIODS)).toEqual([{ ...DAY, used: 12 }]);
});

test(
  "many reservations at once, by several gateways, grant no more than the quota",
  { timeout: 30_000 },
  async () => {
    await using database = await openTestDatabase();
    await using one = await openTestStore(database);
    await using other = await openTestStore(database);
    const subjects = ["principal:a", "principal:b", "project:p"];
    const asks = subjects.map((subject) => ({ ...DAY, subject, used: 0, wanted: 7, quota: 200 }));
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, turn) => {
        const mine = turn % 2 === 0 ? asks : asks.toReversed();
        return (turn % 3 === 0 ? one : other).quotas.reserve(mine);
      }),
    );
    const granted = answers.flat().reduce((sum, answer) => sum + answer.granted, 0);
    expect(granted).toBe(600);
    const usage = await one.quotas.usage(PERIODS);
    expect(usage.map(({ used }) => used)).toEqual([200, 200, 200]);
  },
);

test("usage is that of the periods asked for, of all or of some; old periods are deleted", async () => {
  await using store = await openTestStore();
  const month = { subject: "server:s", period: "month" as const, startsAt: PERIODS.monthStartsAt };
  const old = { ...DAY, startsAt: DAY.startsAt - 86_400_000 };
  await store.quotas.reserve(
    [DAY, month, old].map((of, place) => ({ ...of, used: place + 1, wanted: 0, quota: 9 })),
  );
  expect(await store.quotas.usage(PERIODS)).toEqual([
    { ...month, used: 2 },
    { ...DAY, used: 1 },
  ]);
  expect(await store.quotas.usage({ ...PERIODS, subjects: [DAY.subject] })).toEqual([
    { ...DAY, used: 1 },
  ]);
  const yesterday = { ...PERIODS, dayStartsAt: old.startsAt };
  await store.quotas.prune(DAY.startsAt);
  expect(await store.quotas.usage({ ...yesterday, subjects: [DAY.subject] })).toEqual([]);
  expect(await store.quotas.usage({ ...PERIODS, subjects: [DAY.subject] })).toHaveLength(1);
});

test("limits of keys are kept, go with their key, and tell other gateways when they change", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  let heard = 0;
  other.onChange(() => {
    heard += 1;
  });
  const key = {
    id: "key_a",
    name: "a",
    role: "caller",
    project: "default",
    bundles: "all" as const,
  };
  await one.keys.insert({ ...key, hash: "00".repeat(32), prefix: "", createdAt: 0 });
  await expect.poll(() => heard).toBe(1);
  await one.keyLimits.put("key_a", { rate: { max: 1 } });
  await one.keyLimits.put("key_a", { rate: { max: 2 } });
  await expect.poll(() => heard).toBeGreaterThan(1);
  expect(await other.keyLimits.list()).toEqual([{ keyId: "key_a", limits: { rate: { max: 2 } } }]);
  await one.keyLimits.remove("key_a");
  expect(await other.keyLimits.list()).toEqual([]);
});
