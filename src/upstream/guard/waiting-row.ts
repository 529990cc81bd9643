/** One call's wait, a link of its principal's row. */
export class Waiting<W> {
  readonly row: WaitingRow<W>;
  readonly waiter: W;
  /** Monotonic milliseconds, like the next. */
  readonly sinceMs: number;
  readonly untilMs: number;
  queued = false;
  before: Waiting<W> | undefined;
  after: Waiting<W> | undefined;

  constructor(row: WaitingRow<W>, waiter: W, time: { sinceMs: number; untilMs: number }) {
    const { sinceMs, untilMs } = time;
    this.row = row;
    this.waiter = waiter;
    this.sinceMs = sinceMs;
    this.untilMs = untilMs;
  }
}

/** The calls of one principal: those that wait, first come first served, and how many run. */
export class WaitingRow<W> {
  running = 0;
  length = 0;
  first: Waiting<W> | undefined;
  /** The next row in the ring of rows in which calls wait; itself outside the ring or alone in it. */
  next: WaitingRow<W> = this;
  #last: Waiting<W> | undefined;
  #previous: WaitingRow<W> = this;

  get idle(): boolean {
    return this.running === 0 && this.length === 0;
  }

  push(waiting: Waiting<W>): void {
    waiting.queued = true;
    waiting.before = this.#last;
    if (this.#last === undefined) this.first = waiting;
    else this.#last.after = waiting;
    this.#last = waiting;
    this.length++;
  }

  remove(waiting: Waiting<W>): void {
    const { before, after } = waiting;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    waiting.queued = false;
    waiting.before = undefined;
    waiting.after = undefined;
    this.length--;
  }

  /** Takes the last place in the ring whose turn is at `turn`; returns whose turn it is then. */
  joinRing(turn: WaitingRow<W> | undefined): WaitingRow<W> {
    if (turn === undefined) return this;
    const previous = turn.#previous;
    previous.next = this;
    this.#previous = previous;
    this.next = turn;
    turn.#previous = this;
    return turn;
  }

  /** Returns whose turn it is then; undefined when the ring is empty. */
  leaveRing(turn: WaitingRow<W> | undefined): WaitingRow<W> | undefined {
    const { next } = this;
    if (next === this) return undefined;
    next.#previous = this.#previous;
    this.#previous.next = next;
    this.next = this;
    this.#previous = this;
    return turn === this ? next : turn;
  }
}
