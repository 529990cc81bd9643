import type { Clock } from "../foundation/index.ts";

const FIRST_MS = 1000;
const LAST_MS = 30_000;

/** Waits longer after each failure in a row: 1 s to 30 s by default, with up to half of it taken off at random. */
export class BackOff {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #firstMs: number;
  readonly #lastMs: number;
  #failures = 0;
  #untilMs = 0;

  constructor(
    clock: Clock,
    random: () => number = Math.random,
    waits: { firstMs: number; lastMs: number } = { firstMs: FIRST_MS, lastMs: LAST_MS },
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#firstMs = waits.firstMs;
    this.#lastMs = waits.lastMs;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** How long to wait still, in milliseconds; 0 when a try is due. */
  get remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.monotonicMs());
  }

  failed(): void {
    const fullMs = Math.min(this.#firstMs * 2 ** Math.min(this.#failures, 10), this.#lastMs);
    this.#failures++;
    this.#untilMs = this.#clock.monotonicMs() + fullMs * (0.5 + this.#random() / 2);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#untilMs = 0;
  }
}
