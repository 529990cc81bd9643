import { expect, test } from "vitest";
import { manualClock, systemClock } from "./clock.ts";

test("a manual clock stands still until it is advanced", () => {
  const clock = manualClock(1000);
  expect([clock.now(), clock.monotonicMs()]).toEqual([1000, 0]);
  clock.advance(250);
  expect([clock.now(), clock.monotonicMs()]).toEqual([1250, 250]);
});

test("the system clock goes forward", () => {
  const before = systemClock.monotonicMs();
  expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(before);
  expect(systemClock.now()).toBeGreaterThan(Date.UTC(2025, 0, 1));
});
