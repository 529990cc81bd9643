import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { EndpointHealth } from "./endpoint-health.ts";

function setUp(): { clock: ManualClock; health: EndpointHealth } {
  const clock = manualClock();
  clock.advance(3_600_000);
  return { clock, health: new EndpointHealth(clock) };
}

function end(health: EndpointHealth, outcome: "ok" | "failed", times = 1, latencyMs = 10): void {
  for (let n = 0; n < times; n++) {
    health.started();
    health.ended(outcome, latencyMs);
  }
}

test("is taken to be well while nothing is known", () => {
  const { health } = setUp();
  expect(health.score).toBe(1);
  expect(health.latencyMs).toBeUndefined();
  expect(health.inFlight).toBe(0);
  expect(health.slowStartFactor).toBe(1);
  expect(health.ejectedUntil).toBeUndefined();
});

test("counts calls in flight, whichever way they end, and never fewer than none", () => {
  const { health } = setUp();
  for (let n = 0; n < 4; n++) health.started();
  expect(health.inFlight).toBe(4);
  health.ended("ok", 1);
  health.ended("failed", 1);
  health.abandoned();
  expect(health.inFlight).toBe(1);
  health.abandoned();
  health.abandoned();
  expect(health.inFlight).toBe(0);
});

test("a call that was given up says nothing", () => {
  const { health } = setUp();
  end(health, "failed", 2);
  const { score, failuresInARow } = health;
  health.started();
  health.abandoned();
  expect([health.score, health.failuresInARow]).toEqual([score, failuresInARow]);
});

test("latency rises at once and falls over ten seconds", () => {
  const { clock, health } = setUp();
  end(health, "ok", 1, 100);
  expect(health.latencyMs).toBe(100);
  end(health, "ok", 1, 300);
  expect(health.latencyMs).toBe(300);
  clock.advance(10_000);
  end(health, "ok", 1, 100);
  expect(health.latencyMs).toBeCloseTo(100 + 200 * Math.exp(-1));
});

test("expected latency falls while nobody calls; what was measured stays", () => {
  const { clock, health } = setUp();
  end(health, "ok", 1, 100);
  clock.advance(10_000);
  expect(health.expectedLatencyMs(clock.monotonicMs())).toBeCloseTo(100 * Math.exp(-1));
  expect(health.latencyMs).toBe(100);
});

test("a quick failure makes nobody quick, a slow one makes slow", () => {
  const { clock, health } = setUp();
  end(health, "ok", 1, 100);
  clock.advance(1_000);
  end(health, "failed", 1, 1);
  expect(health.latencyMs).toBe(100);
  end(health, "failed", 1, 30_000);
  expect(health.latencyMs).toBe(30_000);
});

test("the score follows how the last calls went", () => {
  const { clock, health } = setUp();
  end(health, "ok", 100);
  expect(health.score).toBe(1);
  end(health, "failed", 10);
  expect(health.score).toBeCloseTo(104 / 114);
  end(health, "failed", 300);
  expect(health.score).toBeLessThan(0.3);
  clock.advance(10_000);
  end(health, "ok", 200);
  expect(health.score).toBeGreaterThan(0.7);
});

test("however badly it went, after a minute of silence an endpoint is taken to be nearly well", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2_000 }), fc.nat(1_000), (failures, spreadMs) => {
      const { clock, health } = setUp();
      for (let n = 0; n < failures; n++) {
        end(health, "failed");
        clock.advance(spreadMs / failures);
      }
      const early = health.score;
      clock.advance(60_000);
      expect(health.score).toBeGreaterThan(early);
      expect(health.score).toBeGreaterThanOrEqual(0.8);
    }),
  );
});

test("score, latency and slow start stay within their bounds, whatever happens", () => {
  const step = fc.record({
    does: fc.constantFrom("ok", "failed", "abandoned", "eject", "comeBack"),
    latencyMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
    passedMs: fc.nat(30_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { clock, health } = setUp();
      let slowestMs = 0;
      for (const { does, latencyMs, passedMs } of steps) {
        clock.advance(passedMs);
        if (does === "ok" || does === "failed") {
          slowestMs = Math.max(slowestMs, latencyMs);
          end(health, does, 1, latencyMs);
        } else if (does === "abandoned") health.abandoned();
        else if (does === "eject") health.eject(5_000, 30_000);
        else health.comeBack(10_000);
        expect(health.score).toBeGreaterThan(0);
        expect(health.score).toBeLessThanOrEqual(1);
        expect(health.latencyMs ?? 0).toBeLessThanOrEqual(slowestMs * 1.000001);
        expect(health.recentFailureShare).toBeLessThanOrEqual(1);
        expect(health.recentOutcomes).toBeGreaterThanOrEqual(0);
        expect(health.slowStartFactor).toBeGreaterThanOrEqual(0.1);
        expect(health.slowStartFactor).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("an ejection lasts until it is ended, and says when it is due to end by the calendar", () => {
  const { clock, health } = setUp();
  health.eject(10_000, 30_000);
  expect(health.ejectedUntil).toBe(clock.now() + 10_000);
  clock.advance(9_999);
  expect(health.returnIsDue(clock.monotonicMs())).toBe(false);
  clock.advance(1);
  expect(health.returnIsDue(clock.monotonicMs())).toBe(true);
  expect(health.ejected).toBe(true);
  health.comeBack(10_000);
  expect(health.ejected).toBe(false);
  expect(health.returnIsDue(clock.monotonicMs())).toBe(false);
  expect(health.ejections).toBe(1);
});

test("nothing is held against one that comes back", () => {
  const { health } = setUp();
  end(health, "failed", 30, 500);
  health.eject(1_000, 30_000);
  health.comeBack(0);
  expect(health.score).toBe(1);
  expect(health.failuresInARow).toBe(0);
  expect(health.recentOutcomes).toBe(0);
  expect(health.latencyMs).toBeUndefined();
});

test("a call that began before the return does not count, a later one does", () => {
  const { clock, health } = setUp();
  health.started();
  health.started();
  health.started();
  health.eject(1_000, 30_000);
  clock.advance(1_000);
  health.comeBack(0);
  clock.advance(500);
  health.ended("failed", 1_500);
  health.ended("ok", 1_500);
  expect(health.failuresInARow).toBe(0);
  expect(health.latencyMs).toBeUndefined();
  expect(health.inFlight).toBe(1);
  health.ended("failed", 400);
  expect(health.failuresInARow).toBe(1);
});

test("a slow start stays at a tenth until a call goes well, and then goes to all", () => {
  const { clock, health } = setUp();
  health.beginSlowStart(10_000);
  expect(health.slowStartFactor).toBe(0.1);
  clock.advance(60_000);
  end(health, "failed");
  expect(health.slowStartFactor).toBe(0.1);
  end(health, "ok");
  clock.advance(5_000);
  expect(health.slowStartFactor).toBeCloseTo(0.55);
  end(health, "ok");
  clock.advance(5_000);
  expect(health.slowStartFactor).toBe(1);
  health.beginSlowStart(0);
  expect(health.slowStartFactor).toBe(1);
});

test("ejections in a row are forgotten one by one in calm, and not while it fails often", () => {
  const { clock, health } = setUp();
  for (let n = 0; n < 3; n++) {
    health.eject(1_000, 30_000);
    clock.advance(1_000);
    health.comeBack(0);
  }
  clock.advance(10);
  end(health, "ok");
  clock.advance(29_999);
  expect(health.ejectionsInARow).toBe(3);
  clock.advance(1);
  expect(health.ejectionsInARow).toBe(2);
  end(health, "failed", 3);
  end(health, "ok");
  expect(health.ejectionsInARow).toBe(2);
  clock.advance(29_999);
  expect(health.ejectionsInARow).toBe(2);
  clock.advance(30_001);
  expect(health.ejectionsInARow).toBe(0);
  expect(health.ejections).toBe(3);
});

test("silence is no calm: after a return or trouble it takes a good call to begin one", () => {
  const { clock, health } = setUp();
  end(health, "failed", 3);
  health.eject(1_000, 30_000);
  clock.advance(1_000);
  health.comeBack(0);
  clock.advance(300_000);
  expect(health.ejectionsInARow).toBe(1);
  end(health, "failed", 3);
  clock.advance(300_000);
  expect(health.ejectionsInARow).toBe(1);
  end(health, "ok");
  clock.advance(30_000);
  expect(health.ejectionsInARow).toBe(0);
});

test("a failure among many good calls does not disturb the calm", () => {
  const { clock, health } = setUp();
  health.eject(1_000, 30_000);
  health.comeBack(0);
  for (let second = 0; second < 31; second++) {
    clock.advance(1_000);
    end(health, "ok", 9);
    end(health, "failed");
  }
  expect(health.ejectionsInARow).toBe(0);
});
