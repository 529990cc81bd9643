import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock } from "../../foundation/index.ts";
import { CrashLoop } from "./crash-loop.ts";

function started(loop: CrashLoop) {
  const life = loop.start();
  if (life === undefined) throw new Error("no start is due");
  return life;
}

function looping() {
  const clock = manualClock();
  const loop = new CrashLoop(clock);
  for (let end = 0; end < 5; end += 1) started(loop).crashed();
  return { clock, loop };
}

test("begins with the fifth end within 60 s", () => {
  const clock = manualClock();
  const loop = new CrashLoop(clock);
  for (let end = 0; end < 4; end += 1) {
    started(loop).crashed();
    clock.advance(15_000);
    expect(loop.looping).toBe(false);
  }
  started(loop).crashed();
  expect(loop.explain()).toEqual({
    looping: true,
    since: clock.now(),
    recentEnds: 5,
    endsInARow: 5,
    retryAfterMs: 30_000,
  });
});

test("does not begin where the ends are further apart", () => {
  const clock = manualClock();
  const loop = new CrashLoop(clock);
  for (let end = 0; end < 50; end += 1) {
    started(loop).crashed();
    clock.advance(15_001);
  }
  expect(loop.looping).toBe(false);
});

test("lets one start through every 30 s, and never gives up", () => {
  const { clock, loop } = looping();
  for (let trial = 0; trial < 100; trial += 1) {
    expect(loop.start()).toBeUndefined();
    clock.advance(29_999);
    expect(loop.start()).toBeUndefined();
    clock.advance(1);
    const life = started(loop);
    expect(loop.start()).toBeUndefined();
    life.crashed();
    expect(loop.looping).toBe(true);
  }
});

test("is over when one begun in it has lived for longer than 60 s", () => {
  const { clock, loop } = looping();
  clock.advance(30_000);
  const life = started(loop);
  clock.advance(60_000);
  expect(loop.looping).toBe(true);
  clock.advance(1);
  expect(loop.looping).toBe(false);
  life.crashed();
  expect(loop.explain()).toMatchObject({ looping: false, endsInARow: 1 });
});

test("is over also when nobody asked before that one ended", () => {
  const { clock, loop } = looping();
  clock.advance(30_000);
  const life = started(loop);
  clock.advance(60_001);
  life.crashed();
  expect(loop.looping).toBe(false);
});

test("goes on beside one that was well all the time", () => {
  const clock = manualClock();
  const loop = new CrashLoop(clock);
  const well = started(loop);
  for (let end = 0; end < 5; end += 1) started(loop).crashed();
  clock.advance(120_000);
  expect(loop.looping).toBe(true);
  well.closed();
  expect(loop.looping).toBe(true);
});

test("is over by hand", () => {
  const { loop } = looping();
  loop.clear();
  expect(loop.explain()).toEqual({
    looping: false,
    since: undefined,
    recentEnds: 0,
    endsInARow: 0,
    retryAfterMs: 0,
  });
  expect(loop.start()).toBeDefined();
});

test("does not come from processes that the gateway ended", () => {
  const loop = new CrashLoop(manualClock());
  for (let end = 0; end < 20; end += 1) started(loop).closed();
  expect(loop.looping).toBe(false);
});

test("counts an end once", () => {
  const loop = new CrashLoop(manualClock());
  const life = started(loop);
  for (let end = 0; end < 9; end += 1) life.crashed();
  expect(loop.explain().endsInARow).toBe(1);
});

test("lets a server that crashes at once start five times in any 30 s, and no more", () => {
  const waits = fc.array(fc.nat(12_000), { maxLength: 300, size: "max" });
  const property = fc.property(waits, (waitsMs) => {
    const clock = manualClock();
    const loop = new CrashLoop(clock);
    const starts: number[] = [];
    for (const waitMs of waitsMs) {
      clock.advance(waitMs);
      const life = loop.start();
      if (life !== undefined) starts.push(clock.monotonicMs());
      life?.crashed();
    }
    return starts.every((startMs, at) => startMs - (starts[at - 5] ?? -Infinity) >= 30_000);
  });
  expect(() => fc.assert(property)).not.toThrow();
});
