import type { Choice, Strategy } from "./strategy.ts";
import { drawByWeight } from "./weighted-draw.ts";

/** At random, as often as the weights say; slow start counts as less weight. */
export class Random implements Strategy {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  choose<T extends Choice>(from: readonly T[]): T | undefined {
    return drawByWeight(from, this.#random);
  }
}
