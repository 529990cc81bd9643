const BUCKETS = 10;
const BUCKET_MS = 1_000;

/** How many calls ended well and badly in the last 10 seconds, counted by the second. */
export class FailureWindow {
  readonly #ok = new Int32Array(BUCKETS);
  readonly #failed = new Int32Array(BUCKETS);
  /** The second, counted from the clock's start, that is being written. */
  #second = 0;
  #okTotal = 0;
  #failedTotal = 0;

  /** Calls that ended. */
  get outcomes(): number {
    return this.#okTotal + this.#failedTotal;
  }

  /** The share of them that failed, 0 to 1; 0 when none ended. */
  get failureShare(): number {
    return this.#failedTotal === 0 ? 0 : this.#failedTotal / this.outcomes;
  }

  add(failed: boolean, nowMs: number): void {
    const second = Math.floor(nowMs / BUCKET_MS);
    if (second !== this.#second) this.#forget(second);
    const bucket = second % BUCKETS;
    if (failed) {
      this.#failed[bucket] = (this.#failed[bucket] ?? 0) + 1;
      this.#failedTotal++;
    } else {
      this.#ok[bucket] = (this.#ok[bucket] ?? 0) + 1;
      this.#okTotal++;
    }
  }

  clear(): void {
    this.#ok.fill(0);
    this.#failed.fill(0);
    this.#okTotal = 0;
    this.#failedTotal = 0;
  }

  /** Empties the buckets of the seconds that went by, of which there may be more than buckets. */
  #forget(second: number): void {
    const passed = Math.min(second - this.#second, BUCKETS);
    for (let back = 0; back < passed; back++) {
      const bucket = (second - back) % BUCKETS;
      this.#okTotal -= this.#ok[bucket] ?? 0;
      this.#failedTotal -= this.#failed[bucket] ?? 0;
      this.#ok[bucket] = 0;
      this.#failed[bucket] = 0;
    }
    this.#second = second;
  }
}
