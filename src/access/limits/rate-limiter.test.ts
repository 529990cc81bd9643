import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { manualClock, silentLog, type ManualClock } from "../../foundation/index.ts";
import { RateLimiter, leaseOf, type RateLedger, type RateTold } from "./rate-limiter.ts";

/** A ledger in memory that answers when it is told to. */
class FakeLedger implements RateLedger {
  readonly totals = new Map<string, number>();
  gateways = 2;
  /** Answers at once where it is false. */
  held = false;
  down = false;
  #waiting: (() => void)[] = [];

  async settle(told: readonly RateTold[]): Promise<number[][]> {
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await Promise.resolve();
    if (this.down) throw new Error("connection refused");
    return told.map(({ name, admitted }) => {
      const total = (this.totals.get(name) ?? 0) + admitted;
      this.totals.set(name, total);
      return [total];
    });
  }

  async beat(): Promise<number> {
    await Promise.resolve();
    return this.gateways;
  }

  release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const MINUTE = { max: 100, windowMs: 60_000 };

function limiterOn(clock: ManualClock, ledger?: RateLedger): RateLimiter {
  const limiter = new RateLimiter({ clock, log: silentLog, leaseShare: 0.2, evicted: () => {} });
  if (ledger !== undefined) limiter.share(ledger);
  return limiter;
}

/** Tries so often; how many were admitted. */
function tryOften(limiter: RateLimiter, clock: ManualClock, times: number, limit = MINUTE): number {
  const count = limiter.count("a", limit);
  let admitted = 0;
  for (let n = 0; n < times; n++) {
    if (limiter.left(count, clock.monotonicMs()) < 1) continue;
    limiter.take(count);
    admitted++;
  }
  return admitted;
}

test("a lease is its part of the limit, 20 at least, 1,000 at most, and never more than the limit", () => {
  expect([3, 40, 100, 1_000, 1_000_000].map((max) => leaseOf(max, 0.2))).toEqual([
    3, 20, 20, 200, 1_000,
  ]);
});

test("one gateway admits exactly the limit, and again as many when the window is over", () => {
  const clock = manualClock();
  const limiter = limiterOn(clock);
  expect(tryOften(limiter, clock, 250)).toBe(100);
  clock.advance(59_999);
  expect(tryOften(limiter, clock, 250)).toBe(0);
  clock.advance(6_001);
  expect(tryOften(limiter, clock, 250)).toBe(100);
});

test("a changed limit holds at once and forgets nothing", () => {
  const clock = manualClock();
  const limiter = limiterOn(clock);
  expect(tryOften(limiter, clock, 60)).toBe(60);
  expect(tryOften(limiter, clock, 60, { ...MINUTE, max: 70 })).toBe(10);
  expect(tryOften(limiter, clock, 60, { ...MINUTE, max: 50 })).toBe(0);
});

test("a gateway that waits for the ledger's answer admits no more than a lease", async () => {
  const clock = manualClock();
  const ledger = new FakeLedger();
  ledger.held = true;
  const limiter = limiterOn(clock, ledger);
  expect(tryOften(limiter, clock, 250)).toBe(20);
  ledger.held = false;
  ledger.release();
  await vi.waitFor(() => {
    ledger.release();
    expect(tryOften(limiter, clock, 1)).toBe(1);
  });
  await limiter.close();
});

test("what others have admitted counts here", async () => {
  const clock = manualClock();
  const ledger = new FakeLedger();
  ledger.totals.set("a/60000", 95);
  const limiter = limiterOn(clock, ledger);
  expect(tryOften(limiter, clock, 1)).toBe(1);
  await vi.waitFor(() => expect(ledger.totals.get("a/60000")).toBe(96));
  await vi.waitFor(() => expect(limiter.left(limiter.count("a", MINUTE), 0)).toBe(4));
  expect(tryOften(limiter, clock, 250)).toBe(4);
  await limiter.close();
});

test("while the ledger is away each gateway admits its share, and tells it afterwards", async () => {
  const clock = manualClock();
  const ledger = new FakeLedger();
  ledger.down = true;
  const limiter = limiterOn(clock, ledger);
  await vi.waitFor(() => expect(limiter.sharing?.gateways).toBe(2));
  expect(tryOften(limiter, clock, 1)).toBe(1);
  await vi.waitFor(() => expect(limiter.sharing?.up).toBe(false));
  expect(tryOften(limiter, clock, 250)).toBe(49);
  ledger.down = false;
  await limiter.close();
  expect(ledger.totals.get("a/60000")).toBe(50);
});

test("a ledger that lets itself be waited for is away", async () => {
  const clock = manualClock();
  const ledger = new FakeLedger();
  ledger.held = true;
  const limiter = limiterOn(clock, ledger);
  await vi.waitFor(() => expect(limiter.sharing?.gateways).toBe(2));
  tryOften(limiter, clock, 250);
  await vi.waitFor(() => {
    clock.advance(1_001);
    expect(limiter.sharing?.up).toBe(false);
  });
  expect(tryOften(limiter, clock, 250)).toBe(30);
  ledger.held = false;
  ledger.release();
  await limiter.close();
});

test("however their tellings interleave, gateways exceed a limit by no more than a lease each", async () => {
  const order = fc.array(fc.record({ gateway: fc.nat(2), tries: fc.nat(40) }), {
    minLength: 5,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(order, async (steps) => {
      const clock = manualClock();
      const ledger = new FakeLedger();
      ledger.gateways = 3;
      const gateways = [
        limiterOn(clock, ledger),
        limiterOn(clock, ledger),
        limiterOn(clock, ledger),
      ];
      let admitted = 0;
      for (const { gateway, tries } of steps) {
        const limiter = gateways[gateway];
        if (limiter !== undefined) admitted += tryOften(limiter, clock, tries);
        if (tries % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(admitted).toBeLessThanOrEqual(100 + 3 * 20);
      await Promise.all(gateways.map((limiter) => limiter.close()));
      expect(ledger.totals.get("a/60000") ?? 0).toBe(admitted);
    }),
    { numRuns: 50 },
  );
});
