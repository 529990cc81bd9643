import type { Clock } from "../../foundation/index.ts";
import type { EndpointHealth } from "./endpoint-health.ts";
import { effectiveWeight, type Choice, type Strategy } from "./strategy.ts";

/** The least that remains of an endpoint's share, so that its recovery is noticed. */
const SUCCESS_LEAST = 0.01;
const SPEED_LEAST = 0.1;

/**
 * At random by weight times health, so that the healthiest take almost all while none is cut off. Health is the
 * fourth power of the score (one that fails half its calls keeps a sixteenth of its share), less where an endpoint is more
 * than twice as slow as the fastest. Slow start counts as less weight.
 */
export class HealthBased implements Strategy {
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    const nowMs = this.#clock.monotonicMs();
    const fastestMs = fastestOf(from);
    let chosen: T | undefined;
    let total = 0;
    for (const choice of from) {
      const { health } = choice;
      const share = effectiveWeight(choice) * successOf(health, nowMs) * speedOf(health, fastestMs);
      total += share;
      if (this.#random() * total < share) chosen = choice;
    }
    return chosen;
  }
}

function fastestOf(from: readonly Choice[]): number {
  let fastestMs = Infinity;
  for (const { health } of from) {
    const latencyMs = health.latencyMs;
    if (latencyMs !== undefined && latencyMs < fastestMs) fastestMs = latencyMs;
  }
  return fastestMs;
}

function successOf(health: EndpointHealth, nowMs: number): number {
  const squared = health.scoreAt(nowMs) ** 2;
  return Math.max(SUCCESS_LEAST, squared * squared);
}

// A millisecond is added to both, so that among very fast endpoints small differences do not count.
function speedOf(health: EndpointHealth, fastestMs: number): number {
  const latencyMs = health.latencyMs;
  if (latencyMs === undefined) return 1;
  return Math.max(SPEED_LEAST, Math.min(1, (2 * (fastestMs + 1)) / (latencyMs + 1)));
}
