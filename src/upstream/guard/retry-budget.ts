// Repeats help where failures are few and harm where everything fails: then each caller sends several times as much to
// a server that has too much already. So the repeats of the last ten seconds may be a share of the calls of the last
// ten seconds, and a few more, so that a quiet server's single call can be repeated at all.
import type { BudgetSettings } from "./retry-policies.ts";

/** How far back calls and repeats are counted. */
export const budgetWindowMs = 10_000;

/** Counts one server's calls and repeats in a sliding window of ten slots of a second. */
export class RetryBudget {
  readonly settings: BudgetSettings;
  readonly #calls = new Float64Array(slots);
  readonly #repeats = new Float64Array(slots);
  #callsInWindow = 0;
  #repeatsInWindow = 0;
  /** The second of the newest slot. */
  #second = 0;

  constructor(settings: BudgetSettings) {
    this.settings = settings;
  }

  /** A first attempt; `nowMs` is of a clock that only goes forward. */
  called(nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1;
    this.#callsInWindow++;
  }

  /** Takes one repeat from the budget; false when there is none left. */
  take(nowMs: number): boolean {
    const slot = this.#slotAt(nowMs);
    if (this.#repeatsInWindow + 1 > this.#allowed()) return false;
    this.#repeats[slot] = (this.#repeats[slot] ?? 0) + 1;
    this.#repeatsInWindow++;
    return true;
  }

  /** The state of the window, for the API. */
  explain(nowMs: number): BudgetState {
    this.#slotAt(nowMs);
    return {
      ...this.settings,
      windowMs: budgetWindowMs,
      calls: this.#callsInWindow,
      repeats: this.#repeatsInWindow,
      left: Math.max(0, Math.floor(this.#allowed() - this.#repeatsInWindow)),
    };
  }

  #allowed(): number {
    const { share, minPerSecond } = this.settings;
    return share * this.#callsInWindow + minPerSecond * (budgetWindowMs / 1000);
  }

  #slotAt(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second > this.#second) this.#turnTo(second);
    return this.#second % slots;
  }

  #turnTo(second: number): void {
    for (let left = Math.max(this.#second + 1, second - slots + 1); left <= second; left++) {
      const slot = left % slots;
      this.#callsInWindow -= this.#calls[slot] ?? 0;
      this.#repeatsInWindow -= this.#repeats[slot] ?? 0;
      this.#calls[slot] = 0;
      this.#repeats[slot] = 0;
    }
    this.#second = second;
  }
}

/** What the budget of one server stands at. */
export interface BudgetState extends BudgetSettings {
  readonly windowMs: number;
  readonly calls: number;
  readonly repeats: number;
  /** Whole repeats that may be made now. */
  readonly left: number;
}

const slots = 10;
