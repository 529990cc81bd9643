import type { Clock } from "./clock.ts";

/** Keeps what repeats itself from being told each time: of what is alike once in `everyMs`, and of all together `max` in that time. */
export class Seldom {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #everyMs: number;
  readonly #max: number;
  readonly #told = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs">, bounds: { everyMs: number; max: number }) {
    this.#clock = clock;
    this.#everyMs = bounds.everyMs;
    this.#max = bounds.max;
  }

  /** Whether it is time to tell of what is called so; then it counts as told. */
  mayTell(name: string): boolean {
    const now = this.#clock.monotonicMs();
    // The oldest come first, since what is told again is put in anew.
    for (const [known, at] of this.#told) {
      if (now - at < this.#everyMs) break;
      this.#told.delete(known);
    }
    if (this.#told.has(name) || this.#told.size >= this.#max) return false;
    this.#told.set(name, now);
    return true;
  }
}
