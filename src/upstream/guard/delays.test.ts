import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterAsked, exponentialMs, fullDelayMs, linearMs, withJitter } from "./delays.ts";

const bounds = fc
  .tuple(fc.integer({ min: 1, max: 3_600_000 }), fc.integer({ min: 1, max: 3_600_000 }))
  .map(([a, b]) => ({ baseDelayMs: Math.min(a, b), maxDelayMs: Math.max(a, b) }));
const attempt = fc.integer({ min: 1, max: 2_000 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

test("exponential doubles up to the longest wait", () => {
  const standard = { baseDelayMs: 1_000, maxDelayMs: 30_000 };
  const waits = [1, 2, 3, 4, 5, 6, 7].map((n) => exponentialMs(standard, n));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("linear adds the first wait each time", () => {
  const throttle = { baseDelayMs: 2_000, maxDelayMs: 7_000 };
  expect([1, 2, 3, 4].map((n) => linearMs(throttle, n))).toEqual([2_000, 4_000, 6_000, 7_000]);
});

describe.each([
  ["exponential", exponentialMs],
  ["linear", linearMs],
])("%s without chance", (_, delayMs) => {
  test("lies between the first and the longest wait and never shrinks", () => {
    fc.assert(
      fc.property(bounds, attempt, (own, n) => {
        const wait = delayMs(own, n);
        expect(wait).toBeGreaterThanOrEqual(own.baseDelayMs);
        expect(wait).toBeLessThanOrEqual(own.maxDelayMs);
        expect(delayMs(own, n + 1)).toBeGreaterThanOrEqual(wait);
      }),
    );
  });
});

test("adaptive waits what was learned", () => {
  const own = { baseDelayMs: 1, maxDelayMs: 9 };
  expect(fullDelayMs("adaptive", own, 3, () => 7)).toBe(7);
  expect(fullDelayMs("linear", own, 3, () => 7)).toBe(3);
  expect(fullDelayMs("exponential", own, 3, () => 7)).toBe(4);
});

test("chance takes at most its share off the wait", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), share, share, (wait, jitter, random) => {
      const taken = withJitter(wait, jitter, random);
      expect(taken).toBeLessThanOrEqual(wait);
      expect(taken).toBeGreaterThanOrEqual(wait * (1 - jitter) * 0.999_999);
      expect(withJitter(wait, 0, random)).toBe(wait);
    }),
  );
});

test("nobody comes back before the server has asked to, nor much later", () => {
  fc.assert(
    fc.property(
      fc.nat(60_000),
      fc.nat(60_000),
      fc.nat(1_000),
      share,
      share,
      (own, asked, base, jitter, random) => {
        const wait = afterAsked(own, asked, base, jitter, random);
        expect(wait).toBeGreaterThanOrEqual(asked);
        expect(wait).toBeLessThanOrEqual(Math.max(own, asked + base));
      },
    ),
  );
});
