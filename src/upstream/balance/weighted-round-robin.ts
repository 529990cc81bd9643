import { SmoothTurns } from "./smooth-turns.ts";
import type { Choice, Strategy } from "./strategy.ts";

/** In turn, as often as the weights say and evenly spread; slow start counts as less weight. */
export class WeightedRoundRobin implements Strategy {
  readonly #turns = new SmoothTurns();

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    return this.#turns.next(from);
  }
}
