import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { Seldom } from "./seldom.ts";

test("what is alike is told once in a while, and other things meanwhile", () => {
  const clock = manualClock(0);
  const seldom = new Seldom(clock, { everyMs: 1_000, max: 10 });
  expect([seldom.mayTell("a"), seldom.mayTell("a"), seldom.mayTell("b")]).toEqual([
    true,
    false,
    true,
  ]);
  clock.advance(999);
  expect(seldom.mayTell("a")).toBe(false);
  clock.advance(1);
  expect([seldom.mayTell("a"), seldom.mayTell("a")]).toEqual([true, false]);
});

test("of all together no more is told than the bound, however they are called", () => {
  const clock = manualClock(0);
  const seldom = new Seldom(clock, { everyMs: 1_000, max: 3 });
  const told = (): number =>
    Array.from({ length: 10 }, (_, n) => seldom.mayTell(`name ${n}`)).filter(Boolean).length;
  expect(told()).toBe(3);
  clock.advance(500);
  expect(told()).toBe(0);
  clock.advance(500);
  expect(told()).toBe(3);
});
