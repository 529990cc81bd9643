/**
 * Tells a ledger that several gateways share what this one has counted, many counts at a time, and never makes anyone wait.
 * One telling is under way at a time; what comes meanwhile goes with the next.
 *
 *   idle ──add──▶ telling ──answered──▶ resting (20 ms, unless something presses) ──▶ idle, or telling again
 *                    └──failed──▶ resting (1 s, twice that at each further failure, 10 s at most)
 */
import { messageOf, type Clock, type Log } from "../../foundation/index.ts";

export interface SettlerDeps<Item> {
  readonly clock: Clock;
  readonly log: Log;
  /** What is told, as the log has it. */
  readonly what: string;
  /** Tells all of the items; rejects where none may be taken for told. */
  readonly settle: (items: readonly Item[]) => Promise<void>;
}

const REST_MS = 20;
const REST_AFTER_FAILURE_MS = 1_000;
const REST_MAX_MS = 10_000;
/** A ledger that takes longer to answer is taken for away. */
const LATE_MS = 1_000;
const BATCH_MAX = 500;

export class Settler<Item> {
  readonly #deps: SettlerDeps<Item>;
  /** Bounded by the number of counts there are, each of which stands here once. */
  readonly #waiting = new Set<Item>();
  #telling: Promise<void> | undefined;
  #toldAt = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #pressing = false;
  #closed = false;

  constructor(deps: SettlerDeps<Item>) {
    this.#deps = deps;
  }

  /** Whether the ledger failed the last time, or lets itself be waited for. */
  get away(): boolean {
    if (this.#failures > 0) return true;
    if (this.#telling === undefined) return false;
    return this.#deps.clock.monotonicMs() - this.#toldAt > LATE_MS;
  }

  /** The item has something to tell; `pressing` where it can soon go on no longer without an answer. */
  add(item: Item, pressing = false): void {
    this.#waiting.add(item);
    if (this.#closed) return;
    if (pressing) this.#pressing = true;
    if (this.#telling !== undefined) return;
    if (this.#timer !== undefined) {
      if (!this.#hurries) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#soon ??= setImmediate(() => this.#start());
  }

  /** Waits for what is under way, calls `last` for what else there is to add, and tells all that is left, once. */
  async close(last: () => void = () => {}): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
    await this.#telling;
    this.#failures = 0;
    last();
    while (this.#waiting.size > 0 && this.#failures === 0) await this.#tell();
  }

  #start(): void {
    this.#soon = undefined;
    this.#timer = undefined;
    if (this.#closed || this.#waiting.size === 0) return;
    this.#pressing = false;
    this.#telling = this.#tell().finally(() => {
      this.#telling = undefined;
      if (!this.#closed) this.#timer = setTimeout(() => this.#start(), this.#restMs()).unref();
    });
  }

  async #tell(): Promise<void> {
    const items: Item[] = [];
    for (const item of this.#waiting) {
      if (items.length >= BATCH_MAX) break;
      items.push(item);
      this.#waiting.delete(item);
    }
    this.#toldAt = this.#deps.clock.monotonicMs();
    try {
      await this.#deps.settle(items);
      if (this.#failures > 0) this.#deps.log.info({}, `The ${this.#deps.what} are shared again`);
      this.#failures = 0;
    } catch (error) {
      for (const item of items) this.#waiting.add(item);
      if (this.#failures++ > 0) return;
      const sentence = `The ${this.#deps.what} cannot be shared for now; each gateway counts for itself`;
      this.#deps.log.warn({ error: messageOf(error) }, sentence);
    }
  }

  get #hurries(): boolean {
    return this.#pressing && this.#failures === 0;
  }

  #restMs(): number {
    if (this.#hurries) return 0;
    if (this.#failures === 0) return REST_MS;
    return Math.min(REST_AFTER_FAILURE_MS * 2 ** (this.#failures - 1), REST_MAX_MS);
  }
}
