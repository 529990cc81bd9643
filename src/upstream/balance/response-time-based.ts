import type { Clock } from "../../foundation/index.ts";
import type { EndpointHealth } from "./endpoint-health.ts";
import type { Choice, Strategy } from "./strategy.ts";
import { drawByWeight } from "./weighted-draw.ts";

/** The least time a call is taken to last, so that calls in flight count where latencies are next to nothing. */
const LATENCY_LEAST_MS = 0.1;

/**
 * The quicker of two that are drawn at random by weight (power of two choices), which does not send everybody to the one
 * that is fastest at the moment. Quicker is who should answer well sooner: peak-sensitive latency, times the calls it has,
 * divided by the share of its calls that go well. One that nobody has timed yet is compared by its calls alone. Slow start
 * counts as less weight in the draw.
 */
export class ResponseTimeBased implements Strategy {
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    const first = drawByWeight(from, this.#random);
    const second = drawByWeight(from, this.#random, first);
    if (first === undefined || second === undefined) return first;
    return isQuicker(second.health, first.health, this.#clock.monotonicMs()) ? second : first;
  }
}

function isQuicker(one: EndpointHealth, other: EndpointHealth, nowMs: number): boolean {
  const oneMs = one.expectedLatencyMs(nowMs);
  const otherMs = other.expectedLatencyMs(nowMs);
  if (oneMs === undefined || otherMs === undefined) return one.inFlight < other.inFlight;
  return costOf(one, oneMs, nowMs) < costOf(other, otherMs, nowMs);
}

function costOf(health: EndpointHealth, latencyMs: number, nowMs: number): number {
  const each = Math.max(LATENCY_LEAST_MS, latencyMs);
  return (each * (health.inFlight + 1)) / health.scoreAt(nowMs);
}
