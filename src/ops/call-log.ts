// Calls are recorded on the hot path and written off it, many at a time. While the database is away rows wait in a
// bounded queue and the oldest make room, for the newest tell most about what goes on; every row lost is counted.
// A batch is taken off the queue only when the database has acknowledged it, and writing is idempotent, so an
// answer that was lost on the way costs nothing. A row that the database refuses by itself is found by halving its
// batch, so that it takes no others with it.
//
//   idle --first row--> gathering --200 ms or 4,000 rows--> writing --acknowledged, queue empty--> idle
//   writing --database away--> backing off --delay over--> writing
import { setTimeout as sleep } from "node:timers/promises";
import { isSignalboxError, messageOf } from "../foundation/index.ts";
import type { Clock, CounterSlot, GaugeSlot, Log, Metrics } from "../foundation/index.ts";
import { CallEncoder } from "../store/index.ts";
import type { CallRow } from "../store/index.ts";
import { RowQueue, type Batch } from "./row-queue.ts";

/** As much of a refused row as its log line shows. */
const LOGGED_BYTES = 500;
const GATHER_MS = 200;
const RETRY_DELAYS_MS = [100, 250, 500, 1000, 2000, 5000];

/** An outage is said when it begins and then no oftener than this. */
const WARN_EVERY_MS = 30_000;

/** Writes the call log in batches; `record` never throws and never waits. */
export class CallLog {
  readonly #append: (lines: Buffer) => Promise<void>;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #queueMax: number;
  readonly #droppedSlot: CounterSlot;
  readonly #depthSlot: GaugeSlot;
  readonly #stopping = new AbortController();
  readonly #queue = new RowQueue();
  readonly #encoder = new CallEncoder();
  #flushes = 0;
  #dropped = 0;
  #started = false;
  #writing: Promise<void> | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: {
    /** Resolves when the rows, a line each, are durable; throws STORE_UNAVAILABLE when they may be tried again. */
    append: (lines: Buffer) => Promise<void>;
    log: Log;
    metrics: Metrics;
    /** Rows that may wait. */
    queueMax: number;
    clock: Clock;
  }) {
    this.#append = deps.append;
    this.#log = deps.log;
    this.#clock = deps.clock;
    this.#queueMax = Math.max(1, deps.queueMax);
    this.#droppedSlot = deps.metrics
      .counter("mcp_queue_dropped_total", "Entries that a full or failing queue lost.", ["queue"])
      .slot("call_log");
    this.#depthSlot = deps.metrics
      .gauge("mcp_queue_depth", "Entries that wait in a queue.", ["queue"])
      .slot("call_log");
  }

  /** Rows lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  record(row: CallRow): void {
    if (this.#stopping.signal.aborted || !this.#makeRoom()) {
      this.#countDropped(1);
      return;
    }
    this.#queue.add(this.#encoder.encode(row));
    this.#depthSlot.set(this.#depth);
    if (this.#started) this.#schedule();
  }

  /** Begins to write; rows recorded before wait for it. */
  start(): void {
    this.#started = true;
    if (this.#depth > 0) this.#schedule();
  }

  /** Resolves when no row waits any more. */
  async flush(): Promise<void> {
    this.#flushes += 1;
    while (this.#depth > 0 && !this.#stopping.signal.aborted) await this.#writeNow();
    this.#flushes -= 1;
  }

  /** Writes what waits until the signal comes; what is left then is lost, counted and said. */
  async stop(signal: AbortSignal): Promise<void> {
    const giveUp = (): void => {
      this.#stopping.abort();
    };
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    await Promise.race([this.flush(), aborted(this.#stopping.signal)]);
    signal.removeEventListener("abort", giveUp);
    clearTimeout(this.#gathering);
    this.#stopping.abort();
    const left = this.#depth;
    if (left === 0) return;
    this.#queue.clear();
    this.#countDropped(left);
    this.#log.error(
      { rows: left },
      "the call log lost the rows it could not write before the stop",
    );
  }

  get #depth(): number {
    return this.#queue.depth;
  }

  /** Few rows are left to gather, unless somebody waits for them. */
  get #isWorthWriting(): boolean {
    return this.#queue.hasFullBatch || (this.#flushes > 0 && this.#depth > 0);
  }

  #schedule(): void {
    if (this.#writing !== undefined) return;
    if (this.#queue.hasFullBatch) {
      void this.#writeNow();
    } else {
      this.#gathering ??= setTimeout(() => void this.#writeNow(), GATHER_MS).unref();
    }
  }

  /** One writer at a time; askers share it. */
  #writeNow(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
      if (this.#depth > 0 && !this.#stopping.signal.aborted) this.#schedule();
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      const batch = this.#queue.take();
      if (batch === undefined) return;
      const outcome = await this.#tryToWrite(batch);
      if (this.#depth === 0) return; // Given up by stop meanwhile.
      if (outcome === "away") {
        this.#queue.putBack();
        await pause(RETRY_DELAYS_MS[failures] ?? 5000, this.#stopping.signal);
        failures += 1;
      } else {
        failures = 0;
        this.#queue.done();
        this.#depthSlot.set(this.#depth);
        if (!this.#isWorthWriting) return;
      }
    }
  }

  async #tryToWrite(batch: Batch): Promise<"done" | "away"> {
    if (batch.count === 0) return "done";
    try {
      await this.#append(batch.lines());
      return "done";
    } catch (error) {
      if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") {
        this.#warnOfOutage(error);
        return "away";
      }
      return this.#writeAround(batch, error);
    }
  }

  /** The database refuses something in these rows: write the halves, and lose only what is refused alone. */
  async #writeAround(batch: Batch, error: unknown): Promise<"done" | "away"> {
    if (batch.count <= 1) {
      this.#countDropped(batch.count);
      this.#log.error(
        { row: batch.lines().toString("utf8", 0, LOGGED_BYTES), error: messageOf(error) },
        "the database refused a row of the call log",
      );
      return "done";
    }
    const [first, second] = batch.halves();
    return (await this.#tryToWrite(first)) === "away" ? "away" : this.#tryToWrite(second);
  }

  /** Drops the oldest row that is not being written when the queue is full; false when all of them are. */
  #makeRoom(): boolean {
    if (this.#depth < this.#queueMax) return true;
    if (!this.#queue.dropOldest()) return false;
    this.#countDropped(1);
    return true;
  }

  #countDropped(rows: number): void {
    this.#dropped += rows;
    this.#droppedSlot.inc(rows);
    this.#depthSlot.set(this.#depth);
  }

  #warnOfOutage(error: unknown): void {
    const now = this.#clock.monotonicMs();
    if (now - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = now;
    this.#log.warn(
      { waiting: this.#depth, dropped: this.#dropped, error: messageOf(error) },
      "the call log waits for the database",
    );
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
