import { SmoothTurns } from "./smooth-turns.ts";
import type { Choice, Strategy } from "./strategy.ts";

/** One after the other, whatever they weigh; one that starts slowly is passed over most of the time. */
export class RoundRobin implements Strategy {
  readonly #turns = new SmoothTurns((choice) => choice.health.slowStartFactor);

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    return this.#turns.next(from);
  }
}
