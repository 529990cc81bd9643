import fc from "fast-check";
import { expect, test } from "vitest";
import { SlidingWindow } from "./sliding-window.ts";

test("what was counted is forgotten after the window, a slice at a time", () => {
  const window = new SlidingWindow(1_000);
  expect(window.sumAt(5_050)).toBe(0);
  window.add(3);
  expect(window.sumAt(5_950)).toBe(3);
  window.add(2);
  expect(window.sumAt(6_050)).toBe(5);
  expect(window.sumAt(6_100)).toBe(2);
  expect(window.sumAt(7_000)).toBe(0);
});

test("it says when the next of what it holds is forgotten, and when all of it is", () => {
  const window = new SlidingWindow(1_000);
  expect([window.untilNextMs(0), window.untilEmptyMs(0)]).toEqual([0, 0]);
  window.sumAt(5_000);
  window.add(1);
  window.sumAt(5_420);
  window.add(1);
  expect(window.untilNextMs(5_420)).toBeCloseTo(680);
  expect(window.untilEmptyMs(5_420)).toBeCloseTo(1_080);
  expect(window.sumAt(5_420 + 679)).toBe(2);
  expect(window.sumAt(5_420 + 680)).toBe(1);
  expect(window.sumAt(5_420 + 1_080)).toBe(0);
});

test("what is counted can be replaced by what others know, by age", () => {
  const window = new SlidingWindow(1_000);
  window.sumAt(5_000);
  window.add(7);
  window.replace([1, 0, 4]);
  expect(window.sumAt(5_000)).toBe(5);
  expect(window.sumAt(5_899)).toBe(5);
  expect(window.sumAt(5_900)).toBe(1);
  expect(window.sumAt(6_100)).toBe(0);
});

test("no stretch as long as the window holds more than the limit, and none is refused that would fit", () => {
  const step = fc.record({ waitMs: fc.nat(400), tries: fc.nat(4) });
  const max = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(max, fc.array(step, { maxLength: 200 }), (limit, steps) => {
      const windowMs = 1_000;
      const window = new SlidingWindow(windowMs);
      const admitted: number[] = [];
      let nowMs = 12_345;
      const within = (ms: number): number => admitted.filter((at) => at > nowMs - ms).length;
      for (const { waitMs, tries } of steps) {
        nowMs += waitMs;
        for (let n = 0; n < tries; n++) {
          const fits = window.sumAt(nowMs) < limit;
          // Everything of the last window counts, nothing of a tenth before that.
          const right = fits ? within(windowMs) < limit : within(windowMs * 1.1) >= limit;
          expect([nowMs, fits, right]).toEqual([nowMs, fits, true]);
          if (!fits) continue;
          window.add(1);
          admitted.push(nowMs);
        }
      }
    }),
  );
});
