/**
 * How many requests there were in the last window, for each thing that has a limit. One gateway counts in memory alone.
 * Several tell a common ledger what they have admitted and are told what all of them have; nothing waits for that.
 *
 * What a gateway has admitted and not told is at most one **lease**. From the moment when the ledger holds as many as the
 * limit, each gateway hears of it with its next telling, so that all of them together admit at most
 * `max + gateways x lease` in a window; usually, what they admit in the few milliseconds of a telling.
 * While the ledger is away, each of the `n` gateways there were admits `max / n`.
 */
import { repeat, type Clock, type Log } from "../../foundation/index.ts";
import { ledgerName } from "./ledger-name.ts";
import { Settler } from "./settler.ts";
import { SLICES_COUNTED, SlidingWindow, sliceMsOf } from "./sliding-window.ts";

export interface RateTold {
  /** What is counted, with its window, since a ledger keeps windows of several lengths. */
  readonly name: string;
  readonly sliceMs: number;
  /** How many of the last slices, the one that is being filled included, are counted. */
  readonly slices: number;
  readonly admitted: number;
}

/** Where several gateways count together. */
export interface RateLedger {
  /** Adds what was admitted. For each in turn, what all gateways have admitted, by age in slices, the youngest first. */
  settle(told: readonly RateTold[]): Promise<readonly (readonly number[])[]>;
  /** Says that this gateway is there; how many there are. */
  beat(): Promise<number>;
}

/** One thing that is counted, and its limit. */
export class RateCount {
  readonly name: string;
  readonly window: SlidingWindow;
  max: number;
  lease: number;
  /** Admitted, and not yet known to be in the ledger. */
  untold = 0;
  /** Refusals before this are not announced, monotonic milliseconds. */
  quietUntilMs = 0;

  constructor(name: string, max: number, windowMs: number, lease: number) {
    this.name = name;
    this.max = max;
    this.window = new SlidingWindow(windowMs);
    this.lease = lease;
  }
}

export interface RateLimiterDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** The part of a limit that a gateway may admit ahead of telling, 0 to 1. */
  readonly leaseShare: number;
  /** Counts made room for others: whoever holds any must ask for them anew. */
  readonly evicted: () => void;
}

/** Things that are counted; what has been idle for a window makes room, and where nothing has, the rest is counted as one. */
const COUNTS_MAX = 50_000;
const LEASE_MIN = 20;
const LEASE_MAX = 1_000;
const BEAT_EVERY_MS = 5_000;

export class RateLimiter {
  readonly #deps: RateLimiterDeps;
  readonly #counts = new Map<string, RateCount>();
  #shared: { readonly ledger: RateLedger; readonly settler: Settler<RateCount> } | undefined;
  #gateways = 1;
  readonly #closing = new AbortController();

  constructor(deps: RateLimiterDeps) {
    this.#deps = deps;
  }

  /** Counts together with others from now on; what a ledger before this one was told stays there. */
  share(ledger: RateLedger): void {
    const { clock, log } = this.#deps;
    const settler = new Settler<RateCount>({
      clock,
      log,
      what: "rate limits",
      settle: (counts) => this.#settle(ledger, counts),
    });
    this.#shared = { ledger, settler };
    const beat = async (): Promise<void> => {
      this.#gateways = Math.max(1, await ledger.beat());
    };
    repeat(beat, {
      firstMs: 0,
      everyMs: BEAT_EVERY_MS,
      signal: this.#closing.signal,
      // Seen by the counts that cannot be told, which say it in the log.
      failed: () => undefined,
    });
  }

  get sharing(): { readonly up: boolean; readonly gateways: number } | undefined {
    if (this.#shared === undefined) return undefined;
    return { up: !this.#shared.settler.away, gateways: this.#gateways };
  }

  /** The count of that name, made where there is none; its limit is what is given now. */
  count(what: string, { max, windowMs }: { max: number; windowMs: number }): RateCount {
    const name = ledgerName(`${what}/${windowMs}`);
    const known = this.#counts.get(name);
    const lease = leaseOf(max, this.#deps.leaseShare);
    if (known !== undefined) {
      known.max = max;
      known.lease = lease;
      return known;
    }
    if (this.#counts.size >= COUNTS_MAX) this.#makeRoom();
    if (this.#counts.size >= COUNTS_MAX && what !== REST)
      return this.count(REST, { max, windowMs });
    const count = new RateCount(name, max, windowMs, lease);
    this.#counts.set(name, count);
    return count;
  }

  /** How many more there may be now. */
  left(count: RateCount, nowMs: number): number {
    const sum = count.window.sumAt(nowMs);
    if (this.#shared === undefined) return count.max - sum;
    if (this.#shared.settler.away) return Math.ceil(count.max / this.#gateways) - sum;
    return Math.min(count.max - sum, count.lease - count.untold);
  }

  /** Whether it may go on as soon as the others know what was admitted here. */
  waitsForTelling(count: RateCount): boolean {
    return this.sharing?.up === true && count.untold >= count.lease;
  }

  /** Counts one; `left` has said that there may be. */
  take(count: RateCount): void {
    count.window.add(1);
    if (this.#shared === undefined) return;
    count.untold++;
    this.#shared.settler.add(count, count.untold * 2 >= count.lease);
  }

  /** Tells what is left to tell. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#shared?.settler.close();
  }

  async #settle(ledger: RateLedger, counts: readonly RateCount[]): Promise<void> {
    const told = counts.map(({ name, window, untold }) => ({
      name,
      sliceMs: sliceMsOf(window.windowMs),
      slices: SLICES_COUNTED,
      admitted: untold,
    }));
    const answers = await ledger.settle(told);
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [place, count] of counts.entries()) {
      count.untold -= told[place]?.admitted ?? 0;
      count.window.sumAt(nowMs);
      count.window.replace(answers[place] ?? []);
      // What was admitted while the ledger answered is not in its answer.
      count.window.add(count.untold);
    }
  }

  #makeRoom(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [name, count] of this.#counts) {
      if (count.untold === 0 && count.window.sumAt(nowMs) === 0) this.#counts.delete(name);
    }
    this.#deps.evicted();
  }
}

const REST = "rest";

/** How many of a limit one gateway may admit ahead of telling the others: its share, 20 at least, 1,000 at most. */
export function leaseOf(max: number, share: number): number {
  const wanted = Math.min(LEASE_MAX, Math.max(LEASE_MIN, Math.ceil(max * share)));
  return Math.min(max, wanted);
}
