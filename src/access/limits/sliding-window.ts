/** Into how many slices a window is cut. */
const SLICES = 10;
/** The slice that is being filled, and all that a whole window before now can reach into. */
export const SLICES_COUNTED = SLICES + 1;

/** How long a slice of a window is. */
export function sliceMsOf(windowMs: number): number {
  return windowMs / SLICES;
}

/**
 * How much was counted in the last window. The window is cut into slices, and what was counted is forgotten a slice at a
 * time: each count stays for at least the whole window and at most a tenth of it longer. So no stretch of time as long as
 * the window, wherever it begins, holds more than was ever counted here at once.
 */
export class SlidingWindow {
  readonly windowMs: number;
  readonly #sliceMs: number;
  readonly #counts: number[] = Array.from({ length: SLICES_COUNTED }, () => 0);
  #slice = 0;
  #sum = 0;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
    this.#sliceMs = sliceMsOf(windowMs);
  }

  /** What the window holds at `nowMs`, milliseconds that only go forward. */
  sumAt(nowMs: number): number {
    const slice = Math.floor(nowMs / this.#sliceMs);
    if (slice > this.#slice) this.#forgetUpTo(slice);
    return this.#sum;
  }

  /** Counts; `sumAt` has said what the time is. */
  add(n: number): void {
    const place = this.#slice % SLICES_COUNTED;
    this.#counts[place] = (this.#counts[place] ?? 0) + n;
    this.#sum += n;
  }

  /** Replaces what is counted; `counts` are by age in slices, the youngest first. */
  replace(counts: readonly number[]): void {
    this.#counts.fill(0);
    this.#sum = 0;
    for (let age = 0; age < SLICES_COUNTED; age++) {
      const n = counts[age] ?? 0;
      this.#counts[(this.#slice - age + SLICES_COUNTED * 2) % SLICES_COUNTED] = n;
      this.#sum += n;
    }
  }

  /** How long until the oldest of what is counted is forgotten; 0 where nothing is. */
  untilNextMs(nowMs: number): number {
    for (let age = SLICES; age >= 0; age--) {
      if (this.#countAt(age) > 0) return this.#goneAtMs(age) - nowMs;
    }
    return 0;
  }

  /** How long until all of what is counted is forgotten; 0 where nothing is. */
  untilEmptyMs(nowMs: number): number {
    for (let age = 0; age < SLICES_COUNTED; age++) {
      if (this.#countAt(age) > 0) return this.#goneAtMs(age) - nowMs;
    }
    return 0;
  }

  #countAt(age: number): number {
    return this.#counts[(this.#slice - age + SLICES_COUNTED * 2) % SLICES_COUNTED] ?? 0;
  }

  #goneAtMs(age: number): number {
    return (this.#slice - age + SLICES_COUNTED) * this.#sliceMs;
  }

  #forgetUpTo(slice: number): void {
    const steps = Math.min(slice - this.#slice, SLICES_COUNTED);
    for (let step = 1; step <= steps; step++) {
      const place = (slice - steps + step) % SLICES_COUNTED;
      this.#sum -= this.#counts[place] ?? 0;
      this.#counts[place] = 0;
    }
    this.#slice = slice;
  }
}
