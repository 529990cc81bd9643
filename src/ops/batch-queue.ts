import { isSignalboxError, messageOf } from "../foundation/index.ts";
import type { CounterSlot, Log, Metrics } from "../foundation/index.ts";

/** Entries that may wait; older ones make room. */
const QUEUE_MAX = 10_000;
const BATCH_MAX = 500;
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
  #writing: Promise<void> | undefined;

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

  /** Never throws and never waits. */
  add(entry: T): void {
    this.#entries.push(entry);
    if (this.#entries.length > QUEUE_MAX) {
      this.#entries.shift();
      this.#dropped.inc();
    }
    this.#schedule(GATHER_MS);
  }

  /** Writes what waits, once; what cannot be written then is lost and counted. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#writeOnce();
    this.#dropped.inc(this.#entries.length);
    this.#entries = [];
  }

  #schedule(afterMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#writeOnce().finally(() => {
        this.#writing = undefined;
      });
    }, afterMs).unref();
  }

  async #writeOnce(): Promise<void> {
    const batch = this.#entries.slice(0, BATCH_MAX);
    if (batch.length === 0) return;
    try {
      await this.#write(batch);
      this.#entries = this.#entries.slice(batch.length);
      if (this.#entries.length > 0) this.#schedule(0);
    } catch (error) {
      this.#failed(batch, error);
    }
  }

  // While the database is away entries wait; what it refuses is dropped, for it would be refused again.
  #failed(batch: readonly T[], error: unknown): void {
    if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") {
      this.#schedule(RETRY_MS);
      return;
    }
    this.#entries = this.#entries.slice(batch.length);
    this.#dropped.inc(batch.length);
    this.#log.error(
      { queue: this.#name, entries: batch.length, error: messageOf(error) },
      "The database refused entries of a queue",
    );
  }
}
