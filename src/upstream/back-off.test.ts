import { expect, test } from "vitest";
import { manualClock } from "../foundation/index.ts";
import { BackOff } from "./back-off.ts";

test("waits a second, then longer each time, up to half a minute", () => {
  const clock = manualClock();
  const backOff = new BackOff(clock, () => 1);
  const waits = Array.from({ length: 8 }, () => {
    backOff.failed();
    return backOff.remainingMs;
  });
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("takes up to half of the wait off at random", () => {
  const backOff = new BackOff(manualClock(), () => 0);
  backOff.failed();
  expect(backOff.remainingMs).toBe(500);
});

test("is over when its time has passed or a try has succeeded", () => {
  const clock = manualClock();
  const backOff = new BackOff(clock, () => 1);
  backOff.failed();
  clock.advance(999);
  expect(backOff.remainingMs).toBe(1);
  clock.advance(1);
  expect(backOff.remainingMs).toBe(0);
  backOff.failed();
  backOff.succeeded();
  expect(backOff.remainingMs).toBe(0);
  backOff.failed();
  expect(backOff.remainingMs).toBe(1000);
});
