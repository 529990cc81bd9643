// How many calls one server gets at once, who waits, and who comes next. As long as there is room a call enters by
// counting up. Where there is none it waits, each principal's calls in a row of their own, and the rows take turns. A
// principal that holds more than its share lets the others go first; when nobody else waits it may hold everything. So
// no place stays empty while a call waits, and nobody is kept out by the slow calls of another.
import { z } from "zod";
import { duration, type Clock, type SignalboxError } from "../../foundation/index.ts";
import { failureOf } from "../transports/http-failure.ts";
import { Waiting, WaitingRow } from "./waiting-row.ts";

const settings = {
  /** Most calls at once; 1 to 100000. */
  concurrency: z.int().min(1).max(100_000),
  /** Most calls that wait; 0 refuses at once what finds no room; up to 10000. */
  queue: z.int().min(0).max(10_000),
  /** No call waits longer; 1ms to 10m. */
  queue_timeout: duration.refine((ms) => ms >= 1 && ms <= 600_000, "must be from 1ms to 10m"),
  /**
   * While others wait, one principal gets no more of the places once it holds this share of them; and never more than
   * this share of the queue. Above 0, up to 1.
   */
  principal_share: z.number().gt(0).max(1),
};

/** `[bulkhead]`: holds for every server by itself. Default: 256 calls at once, 512 that wait, 10s, half for one principal. */
export const bulkheadOptions = z.strictObject({
  concurrency: settings.concurrency.default(256),
  queue: settings.queue.default(512),
  queue_timeout: settings.queue_timeout.default(10_000),
  principal_share: settings.principal_share.default(0.5),
});

export type BulkheadOptions = z.output<typeof bulkheadOptions>;

/** `bulkhead` of one server: what is left out is as in the section for all. */
export const serverBulkheadOptions = z.strictObject(settings).partial();

/** A call that may have to wait; exactly one of the two is called, once, unless its wait is cancelled. */
export interface BulkheadWaiter {
  /** It runs now, and must `leave`. Must not throw. */
  admitted(): void;
  /** It has waited too long, or the server goes away; it must not `leave`. Must not throw. */
  refused(error: SignalboxError): void;
}

/** A call's wait. */
export interface BulkheadWait {
  /** Gives it up; the waiter hears nothing more. False when the call waits no longer: one that runs must `leave`. */
  cancel(): boolean;
}

/** The places of one server. */
export class Bulkhead {
  readonly #server: string;
  readonly #options: BulkheadOptions;
  readonly #clock: Clock;
  readonly #waited: (ms: number) => void;
  /** What one principal may hold while others wait. */
  readonly #heldMax: number;
  readonly #queuedMax: number;
  readonly #rows = new Map<string, Row>();
  /** The row whose turn it is, in a ring of the rows in which calls wait. */
  #turn: Row | undefined;
  #running = 0;
  #waiting = 0;
  #refused = 0;
  #timedOut = 0;
  #granting = false;
  #sweepAt = idleRowsMax;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  /** `waited` hears how long each call waited that had to, when its wait ends, in whatever way; it must not throw. */
  constructor(
    server: string,
    options: BulkheadOptions,
    deps: { readonly clock: Clock; readonly waited?: (ms: number) => void },
  ) {
    const { clock, waited = ignore } = deps;
    this.#server = server;
    this.#options = options;
    this.#clock = clock;
    this.#waited = waited;
    this.#heldMax = shareOf(options.concurrency, options.principal_share);
    this.#queuedMax = shareOf(options.queue, options.principal_share);
  }

  /** True when the call runs now, and must `leave`. False: `enter` waits. */
  tryEnter(principalId: string): boolean {
    if (this.#running >= this.#options.concurrency || this.#waiting > 0) return false;
    this.#running++;
    this.#row(principalId).running++;
    return true;
  }

  /**
   * Waits for a place at most `waitMaxMs` milliseconds and at most `queue_timeout`. What comes back is the wait, or the
   * refusal where no more calls may wait; then the waiter hears nothing. Where there is room the waiter is admitted
   * before this returns.
   */
  enter(
    principalId: string,
    waiter: BulkheadWaiter,
    waitMaxMs: number,
  ): BulkheadWait | SignalboxError {
    if (this.tryEnter(principalId)) {
      waiter.admitted();
      return waitIsOver;
    }
    const row = this.#row(principalId);
    const nowMs = this.#clock.monotonicMs();
    const untilMs = nowMs + Math.min(waitMaxMs, this.#options.queue_timeout);
    if (untilMs <= nowMs) return this.#refuse("the call has no time to wait");
    if (this.#waiting >= this.#options.queue) return this.#refuse("the queue is full");
    if (row.length >= this.#queuedMax)
      return this.#refuse("the caller's share of the queue is full");
    const waiting = new Waiting(row, waiter, { sinceMs: nowMs, untilMs });
    this.#queue(waiting);
    this.#wakeAt(untilMs, nowMs);
    return { cancel: () => this.#cancel(waiting) };
  }

  /** A call that ran has ended; whoever is next is admitted before this returns. */
  leave(principalId: string): void {
    const row = this.#rows.get(principalId);
    if (row === undefined || row.running === 0) return;
    row.running--;
    this.#running--;
    if (this.#waiting > 0) this.#grant();
  }

  /** Refuses every call that waits, because the server is going away. */
  refuseAll(error: SignalboxError): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const leaving = this.#unqueue(() => true);
    this.#refused += leaving.length;
    for (const { waiter } of leaving) waiter.refused(error);
  }

  status(): BulkheadStatus {
    return {
      running: this.#running,
      waiting: this.#waiting,
      refused: this.#refused,
      timedOut: this.#timedOut,
      concurrency: this.#options.concurrency,
      queue: this.#options.queue,
    };
  }

  #row(principalId: string): Row {
    return this.#rows.get(principalId) ?? this.#newRow(principalId);
  }

  // Rows are kept while their principal is away, so that a call does not make and drop one; now and then all that
  // are idle leave together.
  #newRow(principalId: string): Row {
    if (this.#rows.size >= this.#sweepAt) {
      for (const [id, row] of this.#rows) if (row.idle) this.#rows.delete(id);
      this.#sweepAt = this.#rows.size + idleRowsMax;
    }
    const row = new WaitingRow<BulkheadWaiter>();
    this.#rows.set(principalId, row);
    return row;
  }

  #queue(waiting: Wait): void {
    const { row } = waiting;
    if (row.length === 0) this.#turn = row.joinRing(this.#turn);
    row.push(waiting);
    this.#waiting++;
  }

  #cancel(waiting: Wait): boolean {
    if (!waiting.queued) return false;
    this.#dequeue(waiting);
    return true;
  }

  #dequeue(waiting: Wait): void {
    const { row } = waiting;
    row.remove(waiting);
    this.#waiting--;
    if (row.length === 0) this.#turn = row.leaveRing(this.#turn);
    this.#waited(this.#clock.monotonicMs() - waiting.sinceMs);
  }

  // A call that is admitted may end at once and leave again: that only counts down here, so that a thousand calls
  // that fail at once do not stand on each other's shoulders.
  #grant(): void {
    if (this.#granting) return;
    this.#granting = true;
    try {
      while (this.#running < this.#options.concurrency) {
        const next = this.#next();
        if (next === undefined) return;
        this.#turn = next.row.next;
        this.#dequeue(next);
        this.#running++;
        next.row.running++;
        next.waiter.admitted();
      }
    } finally {
      this.#granting = false;
    }
  }

  /** The first of the row whose turn it is, passing over those that hold their share unless all do. */
  #next(): Wait | undefined {
    const first = this.#turn;
    if (first === undefined) return undefined;
    let row = first;
    do {
      if (row.running < this.#heldMax) return row.first;
      row = row.next;
    } while (row !== first);
    return first.first;
  }

  #wakeAt(atMs: number, nowMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const delayMs = Math.max(wakeMs, Math.ceil(atMs - nowMs));
    this.#timer = setTimeout(() => this.#expire(), delayMs).unref();
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const late = this.#unqueue(({ untilMs }) => untilMs <= nowMs);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { untilMs } of this.#queued()) nextMs = Math.min(nextMs, untilMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.#wakeAt(nextMs, nowMs);
    this.#timedOut += late.length;
    for (const { waiter } of late) waiter.refused(this.#refuse("the call waited too long"));
  }

  /** Takes out all that wait and are chosen, before any of them is told. */
  #unqueue(chosen: (waiting: Wait) => boolean): Wait[] {
    const leaving = this.#queued().filter(chosen);
    for (const waiting of leaving) this.#dequeue(waiting);
    return leaving;
  }

  #queued(): Wait[] {
    const all: Wait[] = [];
    const first = this.#turn;
    if (first === undefined) return all;
    let row = first;
    do {
      for (let waiting = row.first; waiting !== undefined; waiting = waiting.after)
        all.push(waiting);
      row = row.next;
    } while (row !== first);
    return all;
  }

  #refuse(why: string): SignalboxError {
    this.#refused++;
    const [running, waiting] = [this.#running, this.#waiting];
    return failureOf(
      this.#server,
      "SERVER_BUSY",
      `is busy: ${why} (${running} calls run, ${waiting} wait)`,
      { details: { running, waiting } },
    );
  }
}

type Row = WaitingRow<BulkheadWaiter>;
type Wait = Waiting<BulkheadWaiter>;

/** What the places of one server stand at, for the API. */
export interface BulkheadStatus {
  readonly running: number;
  readonly waiting: number;
  /** Calls refused since the start, those that waited too long included. */
  readonly refused: number;
  /** Calls that waited too long. */
  readonly timedOut: number;
  readonly concurrency: number;
  readonly queue: number;
}

/** So many principals are remembered beyond those with calls here. */
const idleRowsMax = 1024;

/** Waits that end close together are ended together. */
const wakeMs = 10;

const waitIsOver: BulkheadWait = { cancel: () => false };

function ignore(): void {}

function shareOf(whole: number, share: number): number {
  return Math.max(1, Math.floor(whole * share));
}
