// Three endpoints under a steady load: one fails half of its calls, one is ten times as slow, and after a while both are
// well again. Time and chance are made up, so that every run is the same.
import { describe, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { balanceOptions, type StrategyName } from "./balance-options.ts";
import { EndpointChooser } from "./endpoint-chooser.ts";
import { fakeEndpoint, seededRandom, type FakeEndpoint } from "./fake-endpoints.ts";

const CALLS_PER_SECOND = 100;
const LATENCY_MS = 20;

class Simulation {
  readonly clock: ManualClock = manualClock();
  readonly failing = fakeEndpoint(this.clock, "failing");
  readonly slow = fakeEndpoint(this.clock, "slow");
  readonly good = fakeEndpoint(this.clock, "good");
  /** Every ejection and every return of any endpoint. */
  readonly changes: string[] = [];
  ill = true;
  /** How often the failing one fails while it is ill, and how long a failure takes; undefined as long as a good call. */
  failureShare = 0.5;
  failureMs: number | undefined;
  readonly #members = [this.failing, this.slow, this.good];
  readonly #random: () => number;
  readonly #chooser: EndpointChooser<FakeEndpoint>;
  #running: { endpoint: FakeEndpoint; endsMs: number; latencyMs: number; fails: boolean }[] = [];

  constructor(
    strategy: StrategyName,
    seed: number,
    settings: { ejection_failure_share?: number } = {},
  ) {
    this.#random = seededRandom(seed);
    this.#chooser = new EndpointChooser<FakeEndpoint>({
      options: balanceOptions.parse({ strategy, ...settings }),
      clock: this.clock,
      random: this.#random,
      listener: {
        onEjected: ({ id }) => this.changes.push(`${id} ejected`),
        onReturned: ({ id }) => this.changes.push(`${id} returned`),
      },
    });
  }

  /** The share of the calls each endpoint took while `forMs` went by. */
  run(forMs: number): Map<FakeEndpoint, number> {
    const counts = new Map(this.#members.map((member) => [member, 0]));
    let calls = 0;
    for (let ms = 0; ms < forMs; ms++) {
      this.#endCalls();
      if (this.#random() * 1_000 < CALLS_PER_SECOND) {
        const endpoint = this.#startCall();
        counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
        calls++;
      }
      this.clock.advance(1);
    }
    return new Map(Array.from(counts, ([member, count]) => [member, count / calls]));
  }

  #startCall(): FakeEndpoint {
    const endpoint = this.#chooser.choose(this.#members) ?? this.good;
    endpoint.health.started();
    const times = this.ill && endpoint === this.slow ? 10 : 1;
    const goodMs = Math.ceil(LATENCY_MS * times * (0.5 + this.#random()));
    const fails = this.ill && endpoint === this.failing && this.#random() < this.failureShare;
    const latencyMs = fails ? (this.failureMs ?? goodMs) : goodMs;
    const endsMs = this.clock.monotonicMs() + latencyMs;
    this.#running.push({ endpoint, endsMs, latencyMs, fails });
    return endpoint;
  }

  #endCalls(): void {
    const nowMs = this.clock.monotonicMs();
    if (this.#running.every(({ endsMs }) => endsMs > nowMs)) return;
    const ended = this.#running.filter(({ endsMs }) => endsMs <= nowMs);
    this.#running = this.#running.filter(({ endsMs }) => endsMs > nowMs);
    for (const { endpoint, latencyMs, fails } of ended) {
      endpoint.health.ended(fails ? "failed" : "ok", latencyMs);
      if (fails) this.#chooser.report(endpoint, this.#members);
    }
  }
}

const strategies = ["round_robin", "health_based", "response_time_based"] as const;
// Round robin does not look at latencies: the two that stand share what there is.
const slowTakesLessThan = { round_robin: 0.51, health_based: 0.25, response_time_based: 0.25 };
const seedsOf = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

describe.each(strategies)("%s", (strategy) => {
  // An endpoint that fails half its calls is just at the default of `ejection_failure_share`: chance decides when the
  // last 10 s show the half, or five failures come in a row. Where the share is lower there is no doubt.
  test.each([
    { share: 0.5, least: 0.9 },
    { share: 0.4, least: 0.98 },
  ])(
    "within ten seconds the failing one has less than a tenth, ejected at $share, in $least of all runs",
    ({ share, least }) => {
      const runs = seedsOf(200).map((seed) => {
        const simulation = new Simulation(strategy, seed, { ejection_failure_share: share });
        simulation.run(5_000);
        return simulation.run(5_000).get(simulation.failing) ?? 1;
      });
      const turnedAway = runs.filter((taken) => taken < 0.1);
      expect(turnedAway.length / runs.length).toBeGreaterThanOrEqual(least);
    },
  );

  test.each(seedsOf(3))(
    "does not flap, and comes back to all that are well again, seed %i",
    (seed) => {
      const simulation = new Simulation(strategy, seed);
      const { failing, slow, good } = simulation;
      const ill = simulation.run(120_000);
      expect(ill.get(failing)).toBeLessThan(0.1);
      expect(ill.get(slow)).toBeLessThan(slowTakesLessThan[strategy]);
      // In two minutes an endpoint that is out for 10, 20, 40 and 80 s goes at most four times, and no other goes.
      const ejected = simulation.changes.filter((change) => change === "failing ejected");
      const returned = simulation.changes.filter((change) => change === "failing returned");
      expect(ejected.length).toBeGreaterThan(0);
      expect(ejected.length).toBeLessThanOrEqual(4);
      expect(simulation.changes.length).toBe(ejected.length + returned.length);

      simulation.ill = false;
      simulation.changes.length = 0;
      // What is left of the longest ejection, the slow start, and the time in which latencies are forgotten.
      simulation.run(80_000 + 10_000 + 40_000);
      const back = simulation.run(30_000);
      for (const endpoint of [failing, slow, good]) {
        expect(back.get(endpoint)).toBeGreaterThan(0.25);
        expect(back.get(endpoint)).toBeLessThan(0.42);
      }
      expect(simulation.changes.filter((change) => change !== "failing returned")).toEqual([]);
    },
  );

  test("one whose calls hang until they time out is out most of the time, and for longer and longer", () => {
    const simulation = new Simulation(strategy, 1);
    simulation.failureShare = 1;
    simulation.failureMs = 30_000;
    // The first time nobody knows until the first calls have timed out.
    simulation.run(60_000);
    const taken = simulation.run(10 * 60_000).get(simulation.failing);
    expect(taken).toBeLessThan(0.03);
    const ejected = simulation.changes.filter((change) => change === "failing ejected");
    expect(ejected.length).toBeGreaterThan(2);
    expect(ejected.length).toBeLessThanOrEqual(6);
  });
});
