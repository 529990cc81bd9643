// One suite of cases for every strategy; what a strategy promises beyond them is said in `promises`.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { strategyNames, type StrategyName } from "./balance-options.ts";
import { createStrategy } from "./create-strategy.ts";
import { fakeEndpoint, seededRandom, type FakeEndpoint } from "./fake-endpoints.ts";
import type { Strategy } from "./strategy.ts";

/** Whose share of many calls, made one after the other to endpoints that are equally quick, follows what. */
const promises: Record<StrategyName, "weights" | "equal" | "neither"> = {
  round_robin: "equal",
  least_connections: "weights",
  weighted_round_robin: "weights",
  health_based: "weights",
  // It prefers the one that has not been timed for longest.
  response_time_based: "neither",
  random: "weights",
  sticky: "weights",
};

const weightsOf = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 6 });
const seeds = fc.integer();
const LATENCY_MS = 5;

interface Setting {
  clock: ManualClock;
  strategy: Strategy;
  endpoints: FakeEndpoint[];
}

function setUp(name: StrategyName, weights: readonly number[], seed: number): Setting {
  const clock = manualClock();
  const endpoints = weights.map((weight, n) => fakeEndpoint(clock, `endpoint-${n}`, { weight }));
  return {
    clock,
    endpoints,
    strategy: createStrategy(name, { clock, random: seededRandom(seed) }),
  };
}

/** Makes calls one after the other, each for another key, and tells how many each endpoint took. */
function callsOf({ clock, strategy, endpoints }: Setting, calls: number): Map<string, number> {
  const counts = new Map(endpoints.map(({ id }) => [id, 0]));
  for (let call = 0; call < calls; call++) {
    const chosen = strategy.choose(endpoints, `session-${call}`);
    chosen?.health.started();
    clock.advance(LATENCY_MS);
    chosen?.health.ended("ok", LATENCY_MS);
    if (chosen !== undefined) counts.set(chosen.id, (counts.get(chosen.id) ?? 0) + 1);
  }
  return counts;
}

/** Five standard deviations of what chance gives: a seed that fails is one in a million. */
function bound(calls: number, share: number): number {
  return 5 * Math.sqrt(calls * share * (1 - share)) + 1;
}

describe.each(strategyNames)("%s", (name) => {
  test("chooses none only where there is none", () => {
    const { strategy } = setUp(name, [], 1);
    expect(strategy.choose([], "key")).toBeUndefined();
    expect(strategy.choose([], undefined)).toBeUndefined();
  });

  test("chooses one of those it is given, whatever state they are in", () => {
    const step = fc.record({
      among: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      key: fc.option(fc.string(), { nil: undefined }),
      outcome: fc.constantFrom("ok", "failed", "abandoned", "pending", "returned"),
      latencyMs: fc.nat(100_000),
      passedMs: fc.nat(20_000),
    });
    fc.assert(
      fc.property(weightsOf, seeds, fc.array(step, { maxLength: 60 }), (weights, seed, steps) => {
        const { clock, strategy, endpoints } = setUp(name, weights, seed);
        for (const { among, key, outcome, latencyMs, passedMs } of steps) {
          const from = endpoints.filter((_, n) => among[n]);
          const chosen = strategy.choose(from, key);
          expect(from.length === 0 ? [undefined] : from).toContain(chosen);
          if (chosen === undefined) continue;
          chosen.health.started();
          clock.advance(passedMs);
          if (outcome === "ok" || outcome === "failed") chosen.health.ended(outcome, latencyMs);
          else if (outcome === "abandoned") chosen.health.abandoned();
          else if (outcome === "returned") chosen.health.comeBack(10_000);
        }
      }),
    );
  });

  test("starves none", () => {
    fc.assert(
      fc.property(weightsOf, seeds, (weights, seed) => {
        const counts = callsOf(setUp(name, weights, seed), 2_000);
        expect(Math.min(...counts.values())).toBeGreaterThan(0);
      }),
      { numRuns: 30 },
    );
  });

  test("chooses the same again from the same randomness", () => {
    fc.assert(
      fc.property(weightsOf, seeds, (weights, seed) => {
        const once = callsOf(setUp(name, weights, seed), 100);
        expect(callsOf(setUp(name, weights, seed), 100)).toEqual(once);
      }),
    );
  });

  test("gives one that starts slowly less, and its share again afterwards", () => {
    const setting = setUp(name, [1, 1, 1], 7);
    const [slow] = setting.endpoints;
    callsOf(setting, 300);
    slow?.health.comeBack(20_000);
    const during = callsOf(setting, 400).get("endpoint-0") ?? 0;
    expect(during).toBeGreaterThan(0);
    expect(during).toBeLessThan(70);
    setting.clock.advance(20_000);
    callsOf(setting, 3_000);
    expect(callsOf(setting, 3_000).get("endpoint-0")).toBeGreaterThan(800);
  });
});

test.each(strategyNames.filter((name) => promises[name] !== "neither"))(
  "%s gives each its share",
  (name) => {
    fc.assert(
      fc.property(weightsOf, seeds, (weights, seed) => {
        const calls = 2_000;
        const setting = setUp(name, weights, seed);
        const counts = callsOf(setting, calls);
        const portions = promises[name] === "equal" ? weights.map(() => 1) : weights;
        const total = portions.reduce((sum, portion) => sum + portion, 0);
        for (const [n, portion] of portions.entries()) {
          const share = portion / total;
          const off = Math.abs((counts.get(`endpoint-${n}`) ?? 0) - calls * share);
          expect(off).toBeLessThanOrEqual(bound(calls, share));
        }
      }),
      { numRuns: 30 },
    );
  },
);

test("weighted round robin gives exact shares in every cycle, evenly spread", () => {
  fc.assert(
    fc.property(weightsOf, (weights) => {
      const setting = setUp("weighted_round_robin", weights, 0);
      const cycle = weights.reduce((sum, weight) => sum + weight, 0);
      for (let n = 0; n < 3; n++) expect([...callsOf(setting, cycle).values()]).toEqual(weights);
    }),
  );
  const { strategy, endpoints } = setUp("weighted_round_robin", [5, 1, 1], 0);
  const order = Array.from({ length: 7 }, () => strategy.choose(endpoints, undefined)?.id.at(-1));
  expect(order.join("")).toBe("0010200");
});

test("round robin goes round, also past one that is gone for a while", () => {
  const { strategy, endpoints } = setUp("round_robin", [3, 1, 2], 0);
  const next = (from: FakeEndpoint[]): string | undefined =>
    strategy.choose(from, undefined)?.id.at(-1);
  expect(Array.from({ length: 6 }, () => next(endpoints)).join("")).toBe("012012");
  expect(Array.from({ length: 4 }, () => next(endpoints.slice(1))).join("")).toBe("1212");
  expect(new Set(Array.from({ length: 3 }, () => next(endpoints)))).toEqual(
    new Set(["0", "1", "2"]),
  );
});

test("least connections takes the one with the fewest calls in flight for its weight", () => {
  fc.assert(
    fc.property(weightsOf, seeds, fc.array(fc.nat(20), { minLength: 6 }), (weights, seed, busy) => {
      const { strategy, endpoints } = setUp("least_connections", weights, seed);
      for (const [n, { health }] of endpoints.entries()) {
        for (let call = 0; call < (busy[n] ?? 0); call++) health.started();
      }
      const chosen = strategy.choose(endpoints, undefined);
      const loads = endpoints.map(({ health, weight }) => health.inFlight / weight);
      expect((chosen?.health.inFlight ?? NaN) / (chosen?.weight ?? NaN)).toBe(Math.min(...loads));
    }),
  );
});

test("response time prefers the quick one, until it has too many calls", () => {
  const { clock, strategy, endpoints } = setUp("response_time_based", [1, 1], 3);
  for (const [n, { health }] of endpoints.entries()) {
    health.started();
    health.ended("ok", n === 0 ? 10 : 100);
  }
  const [quick, slow] = endpoints;
  for (let call = 0; call < 9; call++) {
    expect(strategy.choose(endpoints, undefined)).toBe(quick);
    quick?.health.started();
  }
  quick?.health.started();
  expect(strategy.choose(endpoints, undefined)).toBe(slow);
  expect(clock.monotonicMs()).toBe(0);
});

test("response time counts a failing one as slower, by how often a call must be made until it goes well", () => {
  const { strategy, endpoints } = setUp("response_time_based", [1, 1], 3);
  const [failing, good] = endpoints;
  for (let call = 0; call < 20; call++) {
    failing?.health.started();
    failing?.health.ended(call % 2 === 0 ? "ok" : "failed", 10);
  }
  good?.health.started();
  good?.health.ended("ok", 15);
  for (let call = 0; call < 20; call++) expect(strategy.choose(endpoints, undefined)).toBe(good);
});

test("health takes almost everything from one that fails and most from one that is slow", () => {
  const setting = setUp("health_based", [1, 1, 1], 5);
  const { clock, strategy, endpoints } = setting;
  const counts = new Map(endpoints.map((endpoint) => [endpoint, 0]));
  for (let call = 0; call < 3_000; call++) {
    const chosen = strategy.choose(endpoints, undefined);
    if (chosen === undefined) continue;
    chosen.health.started();
    clock.advance(10);
    chosen.health.ended(
      chosen === endpoints[0] && call % 2 === 0 ? "failed" : "ok",
      chosen === endpoints[1] ? 100 : 10,
    );
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  const [failing = 0, slow = 0, good = 0] = counts.values();
  expect(failing).toBeLessThan(600);
  expect(slow).toBeLessThan(800);
  expect(good).toBeGreaterThan(1_800);
});

describe("sticky", () => {
  const keys = Array.from({ length: 500 }, (_, n) => `principal-${n}`);

  function homesOf(endpoints: readonly FakeEndpoint[]): (string | undefined)[] {
    const strategy = createStrategy("sticky", { clock: manualClock(), random: seededRandom(0) });
    return keys.map((key) => strategy.choose(endpoints, key)?.id);
  }

  test("keeps a key where it is, in any order and in any gateway", () => {
    const { endpoints } = setUp("sticky", [1, 2, 3, 1], 0);
    expect(homesOf(endpoints.toReversed())).toEqual(homesOf(endpoints));
    expect(homesOf(setUp("sticky", [1, 2, 3, 1], 9).endpoints)).toEqual(homesOf(endpoints));
  });

  test("moves only the keys of one that leaves, and only to one that joins", () => {
    fc.assert(
      fc.property(weightsOf, fc.nat(5), (weights, place) => {
        const { endpoints } = setUp("sticky", weights, 0);
        const leaving = endpoints[place % endpoints.length];
        const rest = endpoints.filter((endpoint) => endpoint !== leaving);
        const whole = homesOf(endpoints);
        const without = homesOf(rest);
        const moved = whole.filter((home, n) => home !== without[n]);
        expect(moved.every((home) => home === leaving?.id)).toBe(true);
        expect(without).not.toContain(leaving?.id);
      }),
    );
  });

  test("moves keys only to one whose weight grows", () => {
    const { endpoints } = setUp("sticky", [1, 1, 1], 0);
    const before = homesOf(endpoints);
    const [grown] = endpoints;
    if (grown !== undefined) grown.weight = 2;
    const after = homesOf(endpoints);
    const moved = after.filter((home, n) => home !== before[n]);
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.every((home) => home === grown?.id)).toBe(true);
  });

  test("brings keys back once each while one starts slowly", () => {
    const clock = manualClock();
    const endpoints = ["a", "b", "c"].map((id) => fakeEndpoint(clock, id));
    const strategy = createStrategy("sticky", { clock, random: seededRandom(0) });
    endpoints[0]?.health.beginSlowStart(10_000);
    endpoints[0]?.health.ended("ok", 0);
    const moves = keys.map(() => 0);
    let homes = keys.map((key) => strategy.choose(endpoints, key)?.id);
    for (let step = 0; step < 20; step++) {
      clock.advance(1_000);
      const next = keys.map((key) => strategy.choose(endpoints, key)?.id);
      for (const [n, home] of next.entries()) if (home !== homes[n]) moves[n] = (moves[n] ?? 0) + 1;
      homes = next;
    }
    expect(Math.max(...moves)).toBe(1);
  });
});
