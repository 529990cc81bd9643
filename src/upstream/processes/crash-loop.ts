// A server's process that ends again and again soon after its start.
//
//   calm ──5 ends within 60 s──▶ looping ──a life of 60 s, or by hand──▶ calm
//
// While looping one start is let through every 30 s, and never given up: whoever mends the server need not
// tell anyone. The life that clears it must have begun while looping: a process that was well all the time
// says nothing about those that crash beside it. It is looked for when somebody asks, so no timer runs.
import type { Clock } from "../../foundation/index.ts";

/** One process of the server, from its start on. */
export interface Life {
  /** It ended by itself, or had to be killed. */
  crashed(): void;
  /** The gateway ended it: that is no crash. */
  closed(): void;
}

export interface CrashLoopState {
  looping: boolean;
  /** Epoch ms since when; undefined while calm. */
  since: number | undefined;
  /** Ends within the last 60 s, at most 5. */
  recentEnds: number;
  /** Ends since the last calm. */
  endsInARow: number;
  /** How long until the next start is let through, ms; 0 when it may be now. */
  retryAfterMs: number;
}

/** Whether a server may start a process, by how its last ones ended. */
export class CrashLoop {
  readonly #clock: Clock;
  /** The monotonic times of the last ends, oldest first; at most `endsMax`. */
  #ends: number[] = [];
  #endsInARow = 0;
  #loop: { since: number; nextStartMs: number } | undefined;
  /** Those begun while looping and still alive: one every 30 s, so three at most before one clears it. */
  #trials: Running[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get looping(): boolean {
    return this.#current() !== undefined;
  }

  /** How long until the next start is let through, ms; 0 when it may be now. */
  get retryAfterMs(): number {
    const loop = this.#current();
    return loop === undefined
      ? 0
      : Math.max(0, Math.ceil(loop.nextStartMs - this.#clock.monotonicMs()));
  }

  /** Begins a life, or refuses it: undefined while the next start is not due. */
  start(): Life | undefined {
    if (this.retryAfterMs > 0) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const life = new Running(nowMs, this.#ended);
    if (this.#loop !== undefined) {
      this.#loop.nextStartMs = nowMs + trialEveryMs;
      this.#trials.push(life);
    }
    return life;
  }

  /** By hand, or because the server's options changed. */
  clear(): void {
    this.#loop = undefined;
    this.#ends = [];
    this.#endsInARow = 0;
    this.#trials = [];
  }

  explain(): CrashLoopState {
    const loop = this.#current();
    const afterMs = this.#clock.monotonicMs() - windowMs;
    return {
      looping: loop !== undefined,
      since: loop?.since,
      recentEnds: this.#ends.filter((endMs) => endMs >= afterMs).length,
      endsInARow: this.#endsInARow,
      retryAfterMs: this.retryAfterMs,
    };
  }

  readonly #ended = (life: Running, crashed: boolean): void => {
    const nowMs = this.#clock.monotonicMs();
    this.#current(); // a long life clears the loop also when it ends
    this.#trials = this.#trials.filter((trial) => trial !== life);
    if (!crashed) return;
    if (nowMs - life.startedMs > longLifeMs && this.#loop === undefined) this.clear();
    this.#endsInARow += 1;
    this.#ends.push(nowMs);
    if (this.#ends.length > endsMax) this.#ends.shift();
    const [first] = this.#ends;
    if (this.#loop !== undefined || this.#ends.length < endsMax || first === undefined) return;
    if (nowMs - first > windowMs) return;
    this.#loop = { since: this.#clock.now(), nextStartMs: nowMs + trialEveryMs };
  };

  #current(): { since: number; nextStartMs: number } | undefined {
    if (this.#loop === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (this.#trials.some((trial) => nowMs - trial.startedMs > longLifeMs)) this.clear();
    return this.#loop;
  }
}

const endsMax = 5;
const windowMs = 60_000;
const longLifeMs = 60_000;
const trialEveryMs = 30_000;

class Running implements Life {
  readonly startedMs: number;
  readonly #ended: (life: Running, crashed: boolean) => void;
  #over = false;

  constructor(startedMs: number, ended: (life: Running, crashed: boolean) => void) {
    this.startedMs = startedMs;
    this.#ended = ended;
  }

  crashed(): void {
    this.#end(true);
  }

  closed(): void {
    this.#end(false);
  }

  #end(crashed: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended(this, crashed);
  }
}
