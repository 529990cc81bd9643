import fc from "fast-check";
import { expect, test } from "vitest";
import { fakeClock } from "../testing/fake-clock.ts";
import { RateLimiter, type RateLimiterOptions } from "./rate-limiter.ts";

const { signal } = new AbortController();

function limiterOf(options: Partial<RateLimiterOptions> = {}) {
  const clock = fakeClock();
  const plans = [{ name: "minute", limit: 60, windowMs: 60_000, burst: 2 }];
  return { clock, limiter: new RateLimiter({ plans, clock, ...options }) };
}

test("lets a burst out at once and what follows as the limit fills", async () => {
  const { clock, limiter } = limiterOf();
  const times: number[] = [];
  const all = [1, 2, 3, 4].map(async () => {
    using place = await limiter.take("a", { signal });
    times.push(clock.monotonicMs());
    expect(place).toBeDefined();
  });
  await clock.advance(5_000);
  await Promise.all(all);
  expect(times).toEqual([0, 0, 1_000, 2_000]);
});

test("keys do not take from each other", async () => {
  const { limiter } = limiterOf();
  for (const key of ["a", "a", "b", "b"]) (await limiter.take(key, { signal }))[Symbol.dispose]();
  expect(limiter.status().map(({ key, remaining }) => [key, remaining])).toEqual([
    ["a", 0],
    ["b", 0],
  ]);
});

test("refuses, and says when to come again, what would wait too long", async () => {
  const { limiter } = limiterOf({ waitMsMax: 1_500 });
  const taken = [1, 2, 3].map(() => limiter.take("a", { signal }));
  await expect(limiter.take("a", { signal })).rejects.toMatchObject({
    kind: "throttled",
    retryAfterMs: 2_000,
    delivered: "no",
  });
  await expect(limiter.take("b", { signal, waitMsMax: 0 })).resolves.toBeDefined();
  expect(taken).toHaveLength(3);
});

test("one that is aborted while it waits gives its token back", async () => {
  const { clock, limiter } = limiterOf();
  for (let n = 0; n < 2; n++) (await limiter.take("a", { signal }))[Symbol.dispose]();
  const abort = new AbortController();
  const waits = limiter.take("a", { signal: abort.signal });
  abort.abort(new Error("gone"));
  await expect(waits).rejects.toThrow("gone");
  const next = limiter.take("a", { signal });
  await clock.advance(1_000);
  await expect(next).resolves.toBeDefined();
});

test("no more run at once than may, in the order in which they came", async () => {
  const { limiter } = limiterOf({ plans: [], concurrentMax: 1 });
  const first = await limiter.take("a", { signal });
  const order: number[] = [];
  const later = [1, 2].map(async (n) => {
    using place = await limiter.take("a", { signal });
    expect(place).toBeDefined();
    order.push(n);
  });
  await Promise.resolve();
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  await Promise.all(later);
  expect(order).toEqual([1, 2]);
});

test("what the vendor says corrects the plan: how much is left, how much there is, how fast it fills", async () => {
  const { clock, limiter } = limiterOf();
  {
    using place = await limiter.take("a", { signal });
    expect(place).toBeDefined();
    limiter.learn("a", [{ name: "minute", limit: 120, remaining: 0 }]);
  }
  expect(limiter.status()).toMatchObject([{ limit: 120, remaining: 0 }]);
  const slow = limiter.take("a", { signal });
  limiter.learn("a", [{ perSecond: 0.5 }]);
  await clock.advance(2_000);
  await expect(slow).resolves.toBeDefined();
});

test("with nothing left it waits until the vendor's window is over", async () => {
  const { clock, limiter } = limiterOf();
  (await limiter.take("a", { signal }))[Symbol.dispose]();
  limiter.learn("a", [{ name: "minute", remaining: 0, resetsAt: clock.now() + 30_000 }]);
  let out = false;
  const waits = limiter.take("a", { signal }).then(() => (out = true));
  await clock.advance(29_000);
  expect(out).toBe(false);
  await clock.advance(1_500);
  await waits;
});

test("a pause holds back those that wait already", async () => {
  const { clock, limiter } = limiterOf();
  for (let n = 0; n < 2; n++) (await limiter.take("a", { signal }))[Symbol.dispose]();
  let out = false;
  const waits = limiter.take("a", { signal }).then(() => (out = true));
  limiter.pause("a", 10_000);
  await clock.advance(9_900);
  expect(out).toBe(false);
  await clock.advance(200);
  await waits;
});

test("without a plan the vendor's own limit is kept", async () => {
  const { limiter } = limiterOf({ plans: [] });
  (await limiter.take("a", { signal }))[Symbol.dispose]();
  limiter.learn("a", [{ name: "core", limit: 5000, remaining: 0 }]);
  await expect(limiter.take("a", { signal, waitMsMax: 100 })).rejects.toMatchObject({
    kind: "throttled",
  });
});

test("what a vendor says of another limit does not change this one", async () => {
  const { limiter } = limiterOf({ plans: [{ limit: 5000, windowMs: 3_600_000 }] });
  for (const key of ["core", "search"]) (await limiter.take(key, { signal }))[Symbol.dispose]();
  limiter.learn("core", [{ name: "core", limit: 5000, remaining: 4000 }]);
  limiter.learn("core", [{ name: "search", limit: 30, remaining: 1 }]);
  limiter.learn("search", [{ name: "search", limit: 30, remaining: 1 }]);
  expect(limiter.status()).toMatchObject([
    { key: "core", limit: 5000, remaining: 4000 },
    { key: "search", limit: 30, remaining: 1 },
  ]);
});

test("keys that nobody uses any more make room", async () => {
  const { limiter } = limiterOf({ keysMax: 2 });
  for (const key of ["a", "b", "c"]) (await limiter.take(key, { signal }))[Symbol.dispose]();
  expect(limiter.status().map(({ key }) => key)).toEqual(["b", "c"]);
});

test("never lets more out in a window than burst and limit permit, whatever comes when", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 40 }),
      async (pauses) => {
        const clock = fakeClock();
        const plans = [{ limit: 5, windowMs: 1_000, burst: 3 }];
        const limiter = new RateLimiter({ plans, clock, waitMsMax: Infinity });
        const times: number[] = [];
        const all: Promise<void>[] = [];
        for (const pause of pauses) {
          all.push(
            (async () => {
              const place = await limiter.take("a", { signal });
              times.push(clock.monotonicMs());
              place[Symbol.dispose]();
            })(),
          );
          if (pause > 2_000) await clock.advance(pause);
        }
        await clock.advance(60_000);
        await Promise.all(all);
        for (const [index, start] of times.entries()) {
          const within = times.slice(index).filter((time) => time < start + 1_000);
          expect(within.length).toBeLessThanOrEqual(3 + 5);
        }
      },
    ),
    { numRuns: 20 },
  );
});
