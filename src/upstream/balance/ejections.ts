// An endpoint is in one of three conditions:
//   standing  -> ejected    after a failure that is one too many, where the bounds below allow it
//   ejected   -> returning  when its time is over and somebody looks
//   returning -> standing   by itself, as its slow start ends
// A returning endpoint counts as standing for everything but its share. While ejected, failures change nothing.
import type { Clock } from "../../foundation/index.ts";
import type { BalanceOptions } from "./balance-options.ts";
import type { EndpointHealth } from "./endpoint-health.ts";
import type { Choice } from "./strategy.ts";

/** An endpoint with its place among those of its server. */
export interface Member extends Choice {
  /** 0 comes first; the next is used when no member of this one can take a call. */
  readonly priority: number;
  /** Whether its link can take a call. */
  readonly usable: boolean;
  /** Whether a call would not have to wait for a link that may not open at all: it is open, or nothing speaks against it. */
  readonly ready: boolean;
}

export type EjectionReason = "failures_in_a_row" | "failure_share";

/** Hears what happens to endpoints, while a call is being placed or has just failed. */
export interface EjectionListener<T extends Member> {
  /** `untilMs` is in epoch milliseconds. */
  onEjected?(member: T, untilMs: number, reason: EjectionReason): void;
  onReturned?(member: T): void;
}

/** An ejection is forgotten after so many ejection times in service without trouble. */
const CALM_TIMES = 3;
/** More than any two durations are apart that make sense. */
const DOUBLINGS_MAX = 20;

/** Takes failing endpoints out of service for a time that doubles with every ejection in a row. */
export class Ejections<T extends Member> {
  readonly #options: BalanceOptions;
  readonly #clock: Clock;
  readonly #listener: EjectionListener<T>;

  constructor(options: BalanceOptions, clock: Clock, listener: EjectionListener<T>) {
    this.#options = options;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** To be called after each failure of a member: ejects it if that was one too many. */
  consider(member: T, members: readonly T[]): void {
    const { health } = member;
    if (health.ejected) return;
    const reason = this.#reasonOf(health);
    if (reason === undefined || !this.#mayGo(member, members)) return;
    this.#eject(member, reason);
  }

  /** Lets a member come back whose time is over. */
  settle(member: T, nowMs: number): void {
    if (!member.health.returnIsDue(nowMs)) return;
    member.health.comeBack(this.#options.slow_start);
    this.#listener.onReturned?.(member);
  }

  #reasonOf(health: EndpointHealth): EjectionReason | undefined {
    const options = this.#options;
    if (health.failuresInARow >= options.ejection_failures) return "failures_in_a_row";
    const judged = health.recentOutcomes >= options.ejection_outcomes_min;
    if (judged && health.recentFailureShare >= options.ejection_failure_share)
      return "failure_share";
    return undefined;
  }

  /**
   * Whether its priority can spare it: there is room under the largest share, and another member stands. Where other
   * priorities have as many standing members as this one has members, they carry its load and it may go in any case.
   */
  #mayGo(member: T, members: readonly T[]): boolean {
    const { ejected_share_max, failover_enabled } = this.#options;
    if (ejected_share_max === 0) return false;
    let size = 0;
    let ejected = 0;
    let othersStand = 0;
    let replacements = 0;
    for (const each of members) {
      const stands = each.usable && each.ready && !each.health.ejected;
      if (each.priority !== member.priority) {
        if (stands) replacements++;
        continue;
      }
      size++;
      if (each.health.ejected) ejected++;
      else if (stands && each !== member) othersStand++;
    }
    if (failover_enabled && replacements >= size) return true;
    const ejectedMax = Math.max(1, Math.floor(size * ejected_share_max));
    return othersStand > 0 && ejected < ejectedMax;
  }

  #eject(member: T, reason: EjectionReason): void {
    const { ejection_time, ejection_time_max } = this.#options;
    const { health } = member;
    const longestMs = Math.max(ejection_time, ejection_time_max);
    const doublings = Math.min(health.ejectionsInARow, DOUBLINGS_MAX);
    const forMs = Math.min(ejection_time * 2 ** doublings, longestMs);
    health.eject(forMs, Math.max(1, ejection_time * CALM_TIMES));
    this.#listener.onEjected?.(member, health.ejectedUntil ?? this.#clock.now(), reason);
  }
}
