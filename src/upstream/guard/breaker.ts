// A breaker stops calls to what keeps failing, so that callers learn it at once and the failing part gets rest:
//
//   closed ──── `failures` failures in a row ───▶ open      every call passes; a success begins the row anew
//   open ────── `open_for` is over, and a call ─▶ half open  no call passes; that call is the trial
//   half open ─ `half_open_probes` trials succeed ▶ closed    one trial at a time passes, no other call
//   half open ─ a trial fails ──────────────────▶ open
//   any ─────── open() by hand ─────────────────▶ open      for a while, or until close()
//   any ─────── close() by hand ────────────────▶ closed
//
// A trial that is cancelled gives its place back, and so does one that has not ended after `open_for`. There is no
// timer: an open breaker stays open until a call asks for it. Calls that began before the state or the trial they end
// in say nothing about it. To know them, each call keeps the ticket that was the last one when it was admitted: every
// transition and every trial draws a new one, and outcomes with older tickets are not heard.
import { z } from "zod";
import { duration, type Clock } from "../../foundation/index.ts";

const settings = {
  /** False: failures never open it; by hand it can still be opened. */
  enabled: z.boolean(),
  /** So many failures in a row open it; 1 to 1000. */
  failures: z.int().min(1).max(1000),
  /** How long no call passes before one is tried; 1ms to 24h. */
  open_for: duration.refine((ms) => ms >= 1 && ms <= 86_400_000, "must be from 1ms to 24h"),
  /** So many trials, one after the other, must succeed; 1 to 100. */
  half_open_probes: z.int().min(1).max(100),
};

/** `[circuit_breaker]`: holds for every server and each of its tools. Default: 5 failures, 60s, one trial. */
export const breakerOptions = z.strictObject({
  enabled: settings.enabled.default(true),
  failures: settings.failures.default(5),
  open_for: settings.open_for.default(60_000),
  half_open_probes: settings.half_open_probes.default(1),
});

export type BreakerOptions = z.output<typeof breakerOptions>;

/** `circuit_breaker` of one server: what is left out is as in the table for all. */
export const serverBreakerOptions = z.strictObject(settings).partial();

/** The states as the metrics count them: 0 closed, 1 half open, 2 open. */
export type BreakerState = 0 | 1 | 2;

/** The states' names, at the places of their numbers. */
export const breakerStates = ["closed", "half_open", "open"] as const;

export const CLOSED = 0;
export const HALF_OPEN = 1;
export const OPEN = 2;

/** Numbers that only grow, shared by the breakers that one call passes. */
export class Tickets {
  /** What a call keeps when it is admitted. */
  last = 1;

  draw(): number {
    this.last++;
    return this.last;
  }
}

/** Hears each change of state. */
export type BreakerListener = (from: BreakerState, to: BreakerState, reason: string) => void;

/** One breaker: asks for each call, hears how it ended. */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #tickets: Tickets;
  readonly #changed: BreakerListener;
  #state: BreakerState = CLOSED;
  /** Epoch milliseconds. */
  #since: number;
  #reason: string | undefined;
  /** Failures in a row, while closed. */
  #failures = 0;
  /** Trials that succeeded, while half open. */
  #successes = 0;
  /** Monotonic milliseconds: when an open one may be tried, or a trial's place is free again. */
  #untilMs = 0;
  /** Outcomes with smaller tickets are of calls that began before. */
  #firstTicket = 0;

  constructor(
    options: BreakerOptions,
    deps: {
      readonly clock: Clock;
      readonly tickets: Tickets;
      readonly changed?: BreakerListener;
    },
  ) {
    this.#options = options;
    this.#clock = deps.clock;
    this.#tickets = deps.tickets;
    this.#changed = deps.changed ?? (() => undefined);
    this.#since = deps.clock.now();
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Failures in a row; 0 unless closed. */
  get failures(): number {
    return this.#failures;
  }

  /** Since when the state holds, in epoch milliseconds. */
  get since(): number {
    return this.#since;
  }

  /** When to ask again, in milliseconds; 0 where a call may pass, undefined where only `close()` opens the way. */
  get retryAfterMs(): number | undefined {
    if (this.#state === CLOSED) return 0;
    const leftMs = Math.max(0, Math.ceil(this.#untilMs - this.#clock.monotonicMs()));
    if (this.#state === HALF_OPEN) return Math.min(leftMs, trialGuessMs);
    return Number.isFinite(leftMs) ? leftMs : undefined;
  }

  /** Whether a call may pass; one that passes reports how it ended with `tickets.last` as of now. */
  admit(): boolean {
    if (this.#state === CLOSED) return true;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#untilMs) return false;
    if (this.#state === OPEN) this.#enter(HALF_OPEN, "a call is let through as a trial");
    this.#untilMs = nowMs + this.#options.open_for;
    this.#firstTicket = this.#tickets.draw();
    return true;
  }

  succeeded(ticket: number): void {
    if (ticket < this.#firstTicket) return;
    this.#failures = 0;
    if (this.#state !== HALF_OPEN) return;
    this.#successes++;
    if (this.#successes >= this.#options.half_open_probes)
      this.#enter(CLOSED, "the trial succeeded");
    else this.#untilMs = 0;
  }

  /** True when the failure was counted; `what` stands in the reason. */
  failed(what: string, ticket: number): boolean {
    if (ticket < this.#firstTicket || this.#state === OPEN) return false;
    if (this.#state === HALF_OPEN) {
      this.#openFor(this.#options.open_for, `the trial failed with ${what}`);
      return true;
    }
    if (!this.#options.enabled) return false;
    this.#failures++;
    if (this.#failures >= this.#options.failures) {
      const count = this.#failures === 1 ? "1 failure" : `${this.#failures} failures in a row`;
      this.#openFor(this.#options.open_for, `${count}, the last with ${what}`);
    }
    return true;
  }

  /** The call ended without saying anything about what it called: cancelled, or refused on the way. */
  abandoned(ticket: number): void {
    if (this.#state === HALF_OPEN && ticket >= this.#firstTicket) this.#untilMs = 0;
  }

  /** By hand: no call passes for `forMs` milliseconds, or until `close()` where that is left out. */
  open(reason: string, forMs: number = Number.POSITIVE_INFINITY): void {
    this.#openFor(forMs, reason);
  }

  /** By hand: every call passes again. */
  close(reason = "closed by hand"): void {
    this.#enter(CLOSED, reason);
  }

  explain(): BreakerStatus {
    const { retryAfterMs } = this;
    return {
      state: breakerStates[this.#state],
      since: this.#since,
      failures: this.#failures,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }

  #openFor(forMs: number, reason: string): void {
    this.#enter(OPEN, reason, this.#clock.monotonicMs() + forMs);
  }

  #enter(to: BreakerState, reason: string, untilMs = 0): void {
    const from = this.#state;
    this.#state = to;
    this.#reason = reason;
    this.#failures = 0;
    this.#successes = 0;
    this.#untilMs = untilMs;
    this.#firstTicket = this.#tickets.draw();
    if (from === to) return;
    this.#since = this.#clock.now();
    this.#changed(from, to, reason);
  }
}

/** One breaker, for the API. */
export interface BreakerStatus {
  readonly state: (typeof breakerStates)[number];
  /** Epoch milliseconds. */
  readonly since: number;
  /** Failures in a row, while closed. */
  readonly failures: number;
  /** Why it is in this state; left out while nothing has happened. */
  readonly reason?: string;
  /** Left out where it was opened by hand for good. */
  readonly retryAfterMs?: number;
}

/** Nobody knows when a trial ends: most calls that end well do so within a second. */
const trialGuessMs = 1000;
