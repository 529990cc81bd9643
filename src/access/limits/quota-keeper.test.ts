import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { manualClock, silentLog, type ManualClock } from "../../foundation/index.ts";
import { periodAt } from "./periods.ts";
import {
  QuotaKeeper,
  leaseOf,
  type QuotaAnswer,
  type QuotaAsk,
  type QuotaLedger,
} from "./quota-keeper.ts";

/** A ledger in memory, by the rules of the one in the database. */
class FakeLedger implements QuotaLedger {
  readonly used = new Map<string, number>();
  down = false;
  asked = 0;

  async reserve(asks: readonly QuotaAsk[]): Promise<QuotaAnswer[]> {
    this.asked++;
    await Promise.resolve();
    if (this.down) throw new Error("connection refused");
    return asks.map(({ subject, period, startsAt, used, wanted, quota }) => {
      const name = `${subject} ${period} ${startsAt}`;
      const before = Math.max(0, (this.used.get(name) ?? 0) + used);
      const granted = Math.max(0, Math.min(wanted, quota - before));
      this.used.set(name, before + granted);
      return { granted, used: before + granted };
    });
  }

  total(): number {
    return [...this.used.values()].reduce((sum, n) => sum + n, 0);
  }
}

const START = Date.UTC(2026, 1, 27, 12);

function keeperOn(clock: ManualClock, ledger?: QuotaLedger, allowUncounted = true): QuotaKeeper {
  const keeper = new QuotaKeeper({ clock, log: silentLog, allowUncounted, evicted: () => {} });
  if (ledger !== undefined) keeper.keepIn(ledger);
  return keeper;
}

/** Tries so often, giving the ledger its turn after each; how many were admitted. */
async function tryOften(
  keeper: QuotaKeeper,
  clock: ManualClock,
  times: number,
  quota: number,
): Promise<number> {
  const count = keeper.count("principal:a", "day", quota);
  let admitted = 0;
  for (let n = 0; n < times; n++) {
    if (keeper.has(count, clock.now())) {
      keeper.take(count);
      admitted++;
    }
    if (n % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return admitted;
}

test("days and months are those of UTC", () => {
  expect(periodAt("day", START)).toEqual({
    startsAt: Date.UTC(2026, 1, 27),
    endsAt: Date.UTC(2026, 1, 28),
  });
  expect(periodAt("month", START)).toEqual({
    startsAt: Date.UTC(2026, 1),
    endsAt: Date.UTC(2026, 2),
  });
  expect(periodAt("day", Date.UTC(2026, 11, 31, 23, 59))).toMatchObject({
    endsAt: Date.UTC(2027, 0),
  });
});

test("a lease is a twentieth of the quota, 1,000 or a ten-thousandth at most", () => {
  const quotas = [5, 1_000, 1_000_000, 10_000_000, 1_000_000_000];
  expect(quotas.map((quota) => leaseOf(quota))).toEqual([1, 50, 1_000, 1_000, 100_000]);
});

test("as many calls as the quota are made, and no more; what was reserved is given back at the end", async () => {
  const clock = manualClock(START);
  const ledger = new FakeLedger();
  const keeper = keeperOn(clock, ledger);
  expect(await tryOften(keeper, clock, 30, 1_000)).toBe(30);
  await keeper.close();
  expect(ledger.total()).toBe(30);
  const next = keeperOn(clock, ledger);
  expect(await tryOften(next, clock, 1_500, 1_000)).toBe(970);
  await next.close();
  expect(ledger.total()).toBe(1_000);
});

test("a process that dies leaves at most a lease counted that was not used, and never less than was", async () => {
  const clock = manualClock(START);
  const ledger = new FakeLedger();
  const keeper = keeperOn(clock, ledger);
  const made = await tryOften(keeper, clock, 300, 10_000);
  await vi.waitFor(() => expect(ledger.total()).toBeGreaterThanOrEqual(made));
  expect(ledger.total()).toBeLessThanOrEqual(made + leaseOf(10_000));
  await keeper.close();
});

test("the next day begins anew, and what was used at the end of the last counts there", async () => {
  const clock = manualClock(START);
  const ledger = new FakeLedger();
  const keeper = keeperOn(clock, ledger);
  expect(await tryOften(keeper, clock, 20, 15)).toBe(15);
  clock.advance(86_400_000);
  expect(await tryOften(keeper, clock, 20, 15)).toBe(15);
  await keeper.close();
  expect([...ledger.used.values()]).toEqual([15, 15]);
});

test("without its ledger calls go on and are counted later, or are refused, as configured", async () => {
  const clock = manualClock(START);
  const strict = keeperOn(clock, undefined, false);
  expect(await tryOften(strict, clock, 5, 100)).toBe(0);
  const ledger = new FakeLedger();
  ledger.down = true;
  const keeper = keeperOn(clock, ledger);
  expect(await tryOften(keeper, clock, 200, 100)).toBe(100);
  ledger.down = false;
  await keeper.close();
  expect(ledger.total()).toBe(100);
});

test("gateways together exceed a quota by no more than a lease each, and count every call", async () => {
  const order = fc.array(
    fc.record({ gateway: fc.nat(1), tries: fc.integer({ min: 1, max: 60 }) }),
    {
      minLength: 4,
      maxLength: 12,
    },
  );
  await fc.assert(
    fc.asyncProperty(order, fc.integer({ min: 1, max: 150 }), async (steps, quota) => {
      const clock = manualClock(START);
      const ledger = new FakeLedger();
      const gateways = [keeperOn(clock, ledger), keeperOn(clock, ledger)];
      let admitted = 0;
      for (const { gateway, tries } of steps) {
        const keeper = gateways[gateway];
        if (keeper !== undefined) admitted += await tryOften(keeper, clock, tries, quota);
      }
      expect(admitted).toBeLessThanOrEqual(quota + 2 * leaseOf(quota, 50));
      await Promise.all(gateways.map((keeper) => keeper.close()));
      expect(ledger.total()).toBe(admitted);
    }),
    { numRuns: 15 },
  );
});
