import type { Clock } from "../foundation/index.ts";

/** Lost lanes that all links together open again in a second. */
export const RECONNECTS_PER_SECOND = 20;

/** Spreads what many links would do at once: each reservation is a little later than the one before. */
export class ReconnectRate {
  readonly #clock: Clock;
  readonly #gapMs: number;
  #nextMs = 0;

  constructor(clock: Clock, perSecond = RECONNECTS_PER_SECOND) {
    this.#clock = clock;
    this.#gapMs = 1000 / perSecond;
  }

  /** How long to wait, in milliseconds: at least `waitMs`, and until a place is free. */
  reserve(waitMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const atMs = Math.max(nowMs + waitMs, this.#nextMs);
    this.#nextMs = atMs + this.#gapMs;
    return atMs - nowMs;
  }
}
