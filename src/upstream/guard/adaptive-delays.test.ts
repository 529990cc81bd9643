import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { AdaptiveDelays, toolsMax } from "./adaptive-delays.ts";

const bounds = { baseDelayMs: 100, maxDelayMs: 5_000 };

function learning(): { clock: ManualClock; delays: AdaptiveDelays } {
  const clock = manualClock();
  return { clock, delays: new AdaptiveDelays(clock) };
}

test("waits the first wait for what it knows nothing about", () => {
  expect(learning().delays.delayMs("search", bounds)).toBe(100);
});

test("grows with each failure, up to the longest wait", () => {
  const { clock, delays } = learning();
  const waits = Array.from({ length: 7 }, () => {
    delays.failed("search", bounds);
    const wait = delays.delayMs("search", bounds);
    clock.advance(wait / 4);
    return wait;
  });
  expect(waits.map((wait) => Math.round(wait / 200))).toEqual([1, 2, 4, 8, 16, 25, 25]);
});

test("learns one thing from calls that failed together", () => {
  const { delays } = learning();
  for (let n = 0; n < 100; n++) delays.failed("search", bounds);
  expect(delays.delayMs("search", bounds)).toBe(200);
});

test("shrinks when a repeat succeeds, down to the first wait", () => {
  const { delays } = learning();
  delays.failed("search", bounds);
  delays.succeededOnRepeat("search");
  expect(delays.delayMs("search", bounds)).toBeCloseTo(140);
  for (let n = 0; n < 10; n++) delays.succeededOnRepeat("search");
  expect(delays.delayMs("search", bounds)).toBe(100);
});

test("forgets half of what it learned in a minute", () => {
  const { clock, delays } = learning();
  delays.failed("search", bounds);
  clock.advance(60_000);
  expect(delays.delayMs("search", bounds)).toBeCloseTo(150);
  clock.advance(60_000);
  expect(delays.explain()).toEqual({ search: 125 });
});

test("learns about each tool by itself", () => {
  const { delays } = learning();
  delays.failed("search", bounds);
  delays.succeededOnRepeat("send");
  expect(delays.explain()).toEqual({ search: 200 });
});

test("remembers a bounded number of tools", () => {
  const { delays } = learning();
  for (let n = 0; n < toolsMax + 5; n++) delays.failed(`tool-${n}`, bounds);
  const known = Object.keys(delays.explain());
  expect(known.length).toBe(toolsMax);
  expect(known[0]).toBe("tool-5");
});

test("stays within its bounds, whatever happens and however they change", () => {
  const own = fc
    .tuple(fc.integer({ min: 1, max: 9_000 }), fc.integer({ min: 1, max: 9_000 }))
    .map(([a, b]) => ({ baseDelayMs: Math.min(a, b), maxDelayMs: Math.max(a, b) }));
  const step = fc.tuple(fc.constantFrom("fail", "succeed", "wait"), fc.nat(100_000), own);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { clock, delays } = learning();
      for (const [what, ms, limits] of steps) {
        if (what === "fail") delays.failed("search", limits);
        else if (what === "succeed") delays.succeededOnRepeat("search");
        else clock.advance(ms);
        const wait = delays.delayMs("search", limits);
        expect(wait).toBeGreaterThanOrEqual(limits.baseDelayMs);
        expect(wait).toBeLessThanOrEqual(limits.maxDelayMs);
      }
    }),
  );
});
