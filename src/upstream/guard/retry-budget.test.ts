import fc from "fast-check";
import { expect, test } from "vitest";
import { RetryBudget } from "./retry-budget.ts";

test("allows a few repeats of a server that is hardly called", () => {
  const budget = new RetryBudget({ share: 0.2, minPerSecond: 3 });
  const taken = Array.from({ length: 40 }, () => budget.take(0)).filter(Boolean);
  expect(taken.length).toBe(30);
});

test("allows a share of the calls", () => {
  const budget = new RetryBudget({ share: 0.2, minPerSecond: 0 });
  expect(budget.take(0)).toBe(false);
  for (let n = 0; n < 100; n++) budget.called(n);
  const taken = Array.from({ length: 40 }, () => budget.take(100)).filter(Boolean);
  expect(taken.length).toBe(20);
});

test("forgets what is ten seconds old", () => {
  const budget = new RetryBudget({ share: 1, minPerSecond: 0 });
  budget.called(500);
  expect(budget.take(9_999)).toBe(true);
  expect(budget.explain(9_999)).toMatchObject({ calls: 1, repeats: 1, left: 0 });
  expect(budget.explain(10_000)).toMatchObject({ calls: 0, repeats: 1, left: 0 });
  expect(budget.explain(1e9)).toMatchObject({ calls: 0, repeats: 0, left: 0 });
});

test("counts as a list of times would", () => {
  const step = fc.record({
    advanceMs: fc.oneof(fc.nat(4_000), fc.nat(15_000)),
    repeat: fc.boolean(),
  });
  const settings = fc.record({
    share: fc.constantFrom(0, 0.25, 0.5, 1),
    minPerSecond: fc.constantFrom(0, 0.1, 0.5),
  });
  fc.assert(
    fc.property(settings, fc.array(step, { maxLength: 120 }), ({ share, minPerSecond }, steps) => {
      const budget = new RetryBudget({ share, minPerSecond });
      const calls: number[] = [];
      const repeats: number[] = [];
      let nowMs = 0;
      for (const { advanceMs, repeat } of steps) {
        nowMs += advanceMs;
        const oldest = Math.floor(nowMs / 1000) - 9;
        const recent = (times: number[]): number =>
          times.filter((ms) => Math.floor(ms / 1000) >= oldest).length;
        const allowed = recent(repeats) + 1 <= share * recent(calls) + minPerSecond * 10;
        const taken = repeat && budget.take(nowMs);
        expect(taken).toBe(repeat && allowed);
        if (!repeat) {
          budget.called(nowMs);
          calls.push(nowMs);
        } else if (taken) repeats.push(nowMs);
        expect(budget.explain(nowMs)).toMatchObject({
          calls: recent(calls),
          repeats: recent(repeats),
        });
      }
    }),
  );
});
