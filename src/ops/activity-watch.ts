/**
 * Notices callers who suddenly call far more than they used to (SM-75b). A call costs one look-up and one addition; whether
 * a minute was unusual is decided when it is over, by the mean of the caller's earlier minutes.
 */
import type { AuditSink } from "../foundation/index.ts";

/** A minute is unusual with more calls than this many times the mean before it ... */
const TIMES = 10;
/** ... and with no fewer than this. */
const CALLS_MIN = 300;
/** How much of the mean each minute is. */
const WEIGHT = 0.1;
/** Minutes before a caller is known well enough. */
const KNOWN_AFTER = 5;
/** Callers that are known; beyond it those that call least are forgotten. */
const CALLERS_MAX = 10_000;

interface Caller {
  name: string;
  calls: number;
  mean: number;
  minutes: number;
  /** It has been said of the spell it is in. */
  said: boolean;
}

export class ActivityWatch {
  readonly #audit: AuditSink;
  readonly #callers = new Map<string, Caller>();

  constructor(audit: AuditSink) {
    this.#audit = audit;
  }

  /** A call of a principal. */
  called(id: string, name: string): void {
    const caller = this.#callers.get(id);
    if (caller !== undefined) caller.calls++;
    else if (this.#callers.size < CALLERS_MAX)
      this.#callers.set(id, { name, calls: 1, mean: 0, minutes: 0, said: false });
  }

  /** A minute is over. */
  minute(): void {
    for (const [id, caller] of this.#callers) {
      const { calls, mean, minutes } = caller;
      const unusual = minutes >= KNOWN_AFTER && calls >= CALLS_MIN && calls > TIMES * mean;
      if (unusual && !caller.said) this.#say(id, caller);
      caller.said = unusual;
      // An unusual minute teaches little, or an attacker would soon be usual.
      const learned = unusual ? Math.min(calls, 2 * mean + 1) : calls;
      caller.mean = minutes === 0 ? learned : mean + WEIGHT * (learned - mean);
      caller.minutes++;
      caller.calls = 0;
      if (caller.mean < FORGOTTEN_BELOW) this.#callers.delete(id);
    }
  }

  #say(id: string, { name, calls, mean }: Caller): void {
    this.#audit({
      action: "activity.unusual",
      actor: { id, name, kind: "principal" },
      outcome: "ok",
      details: { callsInTheMinute: calls, usually: Math.round(mean * 10) / 10 },
    });
  }
}

/** A mean that is as good as none: the caller has been silent for hours. */
const FORGOTTEN_BELOW = 1e-6;
