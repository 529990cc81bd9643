import type { Clock } from "../foundation/index.ts";

/** Lost lanes that all links together open again in a second. */
export const RECONNECTS_PER_SECOND = 20;

/**
 * Spreads what many links would do at once: no two of them within a gap of each other. A link that waits long holds up
 * nobody whose turn comes before.
 */
export class ReconnectRate {
  readonly #clock: Clock;
  readonly #gapMs: number;
  /** Monotonic milliseconds, ascending; at most one for each link that waits, and forgotten once they are past. */
  #reservedMs: number[] = [];

  constructor(clock: Clock, perSecond = RECONNECTS_PER_SECOND) {
    this.#clock = clock;
    this.#gapMs = 1000 / perSecond;
  }

  /** How long to wait, in milliseconds: at least `waitMs`, and until a place is free. */
  reserve(waitMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    this.#reservedMs = this.#reservedMs.filter((reservedMs) => reservedMs > nowMs - this.#gapMs);
    let atMs = nowMs + waitMs;
    let place = 0;
    for (const reservedMs of this.#reservedMs) {
      if (reservedMs >= atMs + this.#gapMs) break;
      atMs = Math.max(atMs, reservedMs + this.#gapMs);
      place++;
    }
    this.#reservedMs.splice(place, 0, atMs);
    return atMs - nowMs;
  }
}
