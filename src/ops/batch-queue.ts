import { isSignalboxError, messageOf } from "../foundation/index.ts";
import type { CounterSlot, Log, Metrics } from "../foundation/index.ts";

/** Entries that may wait, those being written included; older ones make room. */
export const QUEUE_MAX = 10_000;
/** Entries that are written together. */
export const BATCH_MAX = 500;
const GATHER_MS = 500;
const RETRY_MS = 2_000;

/** Writes entries that are few and small to the store, many at a time and off the path of whoever adds them. */
export class BatchQueue<T> {
  readonly #write: (entries: readonly T[]) => Promise<void>;
  readonly #log: Log;
  readonly #name: string;
  readonly #dropped: CounterSlot;
  #entries: T[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Never two at once, or an entry would be written twice; settles without an error. */
  #writing: Promise<void> | undefined;
  /** Entries at the front that are being written. */
  #taken = 0;
  #stopped = false;

  constructor(deps: {
    /** As the metric `mcp_queue_dropped_total` calls it. */
    name: string;
    write: (entries: readonly T[]) => Promise<void>;
    log: Log;
    metrics: Metrics;
  }) {
    this.#name = deps.name;
    this.#write = deps.write;
    this.#log = deps.log;
    this.#dropped = deps.metrics
      .counter("mcp_queue_dropped_total", "Entries that a full or failing queue lost.", ["queue"])
      .slot(deps.name);
  }

  /** Entries that are not written yet. */
  get waiting(): number {
    return this.#entries.length;
  }

  /** Never throws and never waits. */
  add(entry: T): void {
    if (this.#stopped) {
      this.#dropped.inc();
      return;
    }
    this.#entries.push(entry);
    if (this.#entries.length > QUEUE_MAX) this.#makeRoom();
    this.#schedule(GATHER_MS);
  }

  /** Writes what waits, as long as that succeeds; what cannot be written then is lost and counted, and so is what is added later. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#writing;
    while (this.#entries.length > 0 && (await this.#writeOnce()) !== "away");
    this.#dropped.inc(this.#entries.length);
    this.#entries = [];
  }

  // The oldest that is not being written: what is, may be stored already.
  #makeRoom(): void {
    this.#entries.splice(this.#taken, 1);
    this.#dropped.inc();
  }

  #schedule(afterMs: number): void {
    if (this.#stopped || this.#writing !== undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writeInTurn();
    }, afterMs).unref();
  }

  async #writeInTurn(): Promise<void> {
    const outcome = await this.#writeOnce();
    this.#writing = undefined;
    if (this.#entries.length > 0) this.#schedule(outcome === "away" ? RETRY_MS : 0);
  }

  /** Writes the oldest entries. While the database is away they wait; what it refuses is dropped, for it would be refused again. */
  async #writeOnce(): Promise<"over" | "away"> {
    const batch = this.#entries.slice(0, BATCH_MAX);
    this.#taken = batch.length;
    try {
      await this.#write(batch);
    } catch (error) {
      if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") return "away";
      this.#dropped.inc(batch.length);
      this.#log.error(
        { queue: this.#name, entries: batch.length, error: messageOf(error) },
        "The database refused entries of a queue",
      );
    } finally {
      this.#taken = 0;
    }
    this.#entries = this.#entries.slice(batch.length);
    return "over";
  }
}
