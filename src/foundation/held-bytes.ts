/** Answers up to this size are not counted, so that the small ones cost nothing. */
export const UNCOUNTED_BYTES = 64 * 1024;

/** The bytes of all answers that are in memory because they must be read whole, or because their reader is slow: bounded together. */
export class HeldBytes {
  readonly max: number;
  #taken = 0;

  constructor(max: number) {
    this.max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** False, and nothing is taken, where there is no room. */
  take(bytes: number): boolean {
    if (this.#taken + bytes > this.max) return false;
    this.#taken += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#taken -= bytes;
  }

  /** Counts what is there already, also beyond the bound: then it is the next ones that find no room. Call the result when it is gone. */
  count(bytes: number): () => void {
    let counted = bytes;
    this.#taken += counted;
    return () => {
      this.#taken -= counted;
      counted = 0;
    };
  }

  /** Why an answer was refused, after "Server … sent". */
  get refusal(): string {
    return `an answer for which there is no room: those that are held whole may take ${this.max} bytes together (limits.held_bytes_max)`;
  }
}

/** What one answer takes of them while it grows. */
export class HeldShare {
  readonly #held: HeldBytes;
  #bytes = 0;

  constructor(held: HeldBytes) {
    this.#held = held;
  }

  /** Makes it as large as an answer of so many bytes needs; where there is no room it stays as it is, and this is false. */
  fit(bytes: number): boolean {
    const wanted = bytes <= UNCOUNTED_BYTES ? 0 : bytes;
    if (wanted > this.#bytes && !this.#held.take(wanted - this.#bytes)) return false;
    if (wanted < this.#bytes) this.#held.giveBack(this.#bytes - wanted);
    this.#bytes = wanted;
    return true;
  }

  giveBack(): void {
    this.fit(0);
  }
}
