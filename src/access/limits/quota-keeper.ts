/**
 * How many calls there were in a day or a month, kept in a ledger that outlives the process. A gateway **reserves** calls in
 * the ledger before they are made and spends them in memory; it reserves more when half of a lease is spent, and gives back
 * what is left when it stops. A process that dies leaves what it had reserved counted as used: no call is ever forgotten.
 *
 * A caller of whom nothing is reserved yet is not kept waiting: up to one lease of calls is made on **debt**, which the next
 * reservation counts, whatever is left. So all gateways together make at most `quota + gateways x lease` calls, and exactly
 * the quota where none of them began on debt in the few milliseconds in which it ran out.
 * While the ledger is away, calls go on and are counted when it is back, or are refused, as configured.
 */
import type { Clock, Log } from "../../foundation/index.ts";
import { ledgerName } from "./ledger-name.ts";
import { periodAt, type Period } from "./periods.ts";
import { Settler } from "./settler.ts";

export interface QuotaAsk {
  /** Whose calls: "principal:<id>", "project:<name>", "server:<name>". */
  readonly subject: string;
  readonly period: Period;
  /** When the period began, epoch milliseconds. */
  readonly startsAt: number;
  /** Calls that were made and count in any case; below zero for those that are given back. */
  readonly used: number;
  /** Calls that are to be made; as many are granted as the quota leaves. */
  readonly wanted: number;
  readonly quota: number;
}

export interface QuotaAnswer {
  readonly granted: number;
  /** What is used and reserved now, by all. */
  readonly used: number;
}

/** Where calls are counted for good. */
export interface QuotaLedger {
  /** Reserves; the answers are in the order of what was asked. */
  reserve(asks: readonly QuotaAsk[]): Promise<readonly QuotaAnswer[]>;
}

/** The calls of one subject in the period of now, and how many there may be. */
export class QuotaCount {
  readonly subject: string;
  readonly period: Period;
  quota: number;
  startsAt = 0;
  endsAt = 0;
  /** Reserved and not yet spent. */
  held = 0;
  /** Spent, and not yet known to be in the ledger. */
  debt = 0;
  /** The part of the debt that the ledger is being told of. */
  telling = 0;
  /** What the ledger said is used and reserved by all; undefined before its first answer in this period. */
  used: number | undefined;
  quietUntilMs = 0;
  /** When the ledger may be asked again whether there is more after it had none, monotonic milliseconds. */
  askAgainMs = 0;

  constructor(subject: string, period: Period, quota: number) {
    this.subject = subject;
    this.period = period;
    this.quota = quota;
  }
}

export interface QuotaKeeperDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether calls go on while the ledger is away. */
  readonly allowUncounted: boolean;
  /** Counts made room for others: whoever holds any must ask for them anew. */
  readonly evicted: () => void;
}

/** Counts at once; where none makes room, the rest is counted as one. */
const COUNTS_MAX = 50_000;
const LEASE_SHARE = 0.05;
const LEASE_MAX = 1_000;
/** Of a quota that is so large that 1,000 calls are made before the ledger has answered. */
const LARGE_LEASE_SHARE = 0.0001;
/** As many calls may begin before the first answer of the ledger, or the whole quota where that is less. */
const DEBT_MIN = 50;
const ASK_AGAIN_MS = 5_000;

export class QuotaKeeper {
  readonly #deps: QuotaKeeperDeps;
  readonly #counts = new Map<string, QuotaCount>();
  /** Debts of periods that are over, for the ledger's next turn. */
  #owed: QuotaAsk[] = [];
  #shared: { readonly ledger: QuotaLedger; readonly settler: Settler<QuotaCount> } | undefined;
  #closing = false;

  constructor(deps: QuotaKeeperDeps) {
    this.#deps = deps;
  }

  /** Counts there from now on. */
  keepIn(ledger: QuotaLedger): void {
    const { clock, log } = this.#deps;
    const settle = (counts: readonly QuotaCount[]): Promise<void> => this.#settle(ledger, counts);
    const settler = new Settler<QuotaCount>({ clock, log, what: "quotas", settle });
    this.#shared = { ledger, settler };
    for (const count of this.#counts.values()) if (count.debt > 0) settler.add(count);
  }

  /** Whether the ledger is there. */
  get up(): boolean {
    return this.#shared !== undefined && !this.#shared.settler.away;
  }

  /** The count of a subject, made where there is none; its quota is what is given now. */
  count(whose: string, period: Period, quota: number): QuotaCount {
    const subject = ledgerName(whose);
    const name = `${period} ${subject}`;
    const known = this.#counts.get(name);
    if (known !== undefined) {
      known.quota = quota;
      return known;
    }
    if (this.#counts.size >= COUNTS_MAX) this.#makeRoom();
    if (this.#counts.size >= COUNTS_MAX && subject !== REST) return this.count(REST, period, quota);
    const count = new QuotaCount(subject, period, quota);
    this.#counts.set(name, count);
    return count;
  }

  /** Whether one more call may be made at `now`, epoch milliseconds. */
  has(count: QuotaCount, now: number): boolean {
    if (now >= count.endsAt) this.#begin(count, now);
    if (count.held > 0) return true;
    if (!this.up) return this.#deps.allowUncounted && (count.used ?? 0) + count.debt < count.quota;
    if (!isSpent(count)) return count.debt < leaseOf(count.quota, DEBT_MIN);
    this.#askAgain(count);
    return false;
  }

  /** Counts one; `has` has said that there may be. */
  take(count: QuotaCount): void {
    if (count.held > 0) count.held--;
    else count.debt++;
    const pressing = count.debt > 0;
    if (pressing || count.held * 2 < wantedOf(count)) this.#shared?.settler.add(count, pressing);
  }

  /** Settles debts and gives back what is reserved. */
  async close(): Promise<void> {
    if (this.#shared === undefined) return;
    const { settler } = this.#shared;
    await settler.close(() => {
      this.#closing = true;
      for (const count of this.#counts.values()) {
        if (count.held > 0 || count.debt > 0 || this.#owed.length > 0) settler.add(count);
      }
    });
  }

  // What the ledger knows all of needs no place here.
  #makeRoom(): void {
    const now = this.#deps.clock.now();
    for (const [name, { held, debt, endsAt }] of this.#counts) {
      if (debt === 0 && (held === 0 || endsAt <= now)) this.#counts.delete(name);
    }
    this.#deps.evicted();
  }

  // What was reserved for a period that is over is of no use any more; what was spent in it still counts there.
  #begin(count: QuotaCount, now: number): void {
    const owed = count.debt - count.telling;
    if (owed > 0 && this.#owed.length < COUNTS_MAX) this.#owed.push(askOf(count, owed, 0));
    const { startsAt, endsAt } = periodAt(count.period, now);
    const fresh = {
      startsAt,
      endsAt,
      held: 0,
      debt: 0,
      telling: 0,
      used: undefined,
      askAgainMs: 0,
    };
    Object.assign(count, fresh);
  }

  // Others may give back what they had reserved.
  #askAgain(count: QuotaCount): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs < count.askAgainMs) return;
    count.askAgainMs = nowMs + ASK_AGAIN_MS;
    this.#shared?.settler.add(count);
  }

  async #settle(ledger: QuotaLedger, counts: readonly QuotaCount[]): Promise<void> {
    const owed = this.#owed;
    this.#owed = [];
    const asks = counts.map((count) =>
      this.#closing
        ? askOf(count, count.debt - count.held, 0)
        : askOf(count, count.debt, Math.max(0, wantedOf(count) - count.held)),
    );
    for (const count of counts) {
      count.telling = count.debt;
      if (this.#closing) count.held = 0;
    }
    try {
      const answers = await ledger.reserve([...asks, ...owed]);
      for (const [place, count] of counts.entries()) settled(count, asks[place], answers[place]);
    } catch (error) {
      this.#owed.push(...owed);
      for (const [place, count] of counts.entries()) {
        const ask = asks[place];
        if (ask === undefined) continue;
        if (ask.startsAt === count.startsAt) count.telling = 0;
        else if (ask.used > 0) this.#owed.push({ ...ask, wanted: 0 });
      }
      throw error;
    }
  }
}

// An answer that comes after its period is over is about calls that are counted there, and reserves nothing.
function settled(
  count: QuotaCount,
  ask: QuotaAsk | undefined,
  answer: QuotaAnswer | undefined,
): void {
  if (ask === undefined || answer === undefined || ask.startsAt !== count.startsAt) return;
  count.debt -= count.telling;
  count.telling = 0;
  count.held += answer.granted;
  count.used = answer.used;
}

const REST = "rest";

/** Whether all of a quota is used or reserved, as far as this gateway knows. */
export function isSpent({ used, debt, quota }: QuotaCount): boolean {
  return used !== undefined && used + debt >= quota;
}

function askOf(count: QuotaCount, used: number, wanted: number): QuotaAsk {
  const { subject, period, startsAt, quota } = count;
  return { subject, period, startsAt, used, wanted, quota };
}

// The less is left, the less one gateway takes of it, so that little is stranded where another one needs it.
function wantedOf({ quota, used = 0, held }: QuotaCount): number {
  const left = quota - used + held;
  return Math.max(1, Math.min(leaseOf(quota), Math.floor(left / 4)));
}

/**
 * How many calls one gateway may reserve, or begin ahead of the ledger: a twentieth of the quota, `least`; at most 1,000, or
 * a ten-thousandth of the quota where that is more.
 */
export function leaseOf(quota: number, least = 1): number {
  const most = Math.max(LEASE_MAX, Math.floor(quota * LARGE_LEASE_SHARE));
  return Math.min(quota, most, Math.max(least, Math.ceil(quota * LEASE_SHARE)));
}
