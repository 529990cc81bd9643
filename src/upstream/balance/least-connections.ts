import { effectiveWeight, type Choice, type Strategy } from "./strategy.ts";

/**
 * The one with the fewest calls in flight for its weight; among equals (all idle ones are) at random, by weight. Slow start
 * counts as less weight.
 */
export class LeastConnections implements Strategy {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    let chosen: T | undefined;
    let least = Infinity;
    let equals = 0;
    for (const choice of from) {
      const weight = effectiveWeight(choice);
      const load = choice.health.inFlight / weight;
      if (load > least) continue;
      if (load < least) equals = 0;
      least = load;
      equals += weight;
      // Each of the equals met so far has been kept with the probability of its weight among them.
      if (this.#random() * equals < weight) chosen = choice;
    }
    return chosen;
  }
}
