// Keeps requests within a vendor's limits before the vendor has to refuse them. Every limit is a bucket that fills evenly; it
// starts full, by the plan the vendor publishes, and is corrected by what answers say. A request takes its tokens at once and
// waits until they would be there, so that requests go out in the order in which they came and an aborted one gives its back.
import type { Clock } from "../clock.ts";
import { ServiceError } from "../service-error.ts";
import type { RateStatus } from "../service.ts";
import type { RateReading } from "./rate-headers.ts";

/** One of a vendor's limits. */
export interface RatePlan {
  /** "minute", "day", "points"; default "default". */
  readonly name?: string;
  /** Requests, or points, in a window. */
  readonly limit: number;
  readonly windowMs: number;
  /** At once after a pause; default the limit. */
  readonly burst?: number;
}

export interface RateLimiterOptions {
  readonly plans: readonly RatePlan[];
  readonly clock: Clock;
  /** Requests under way at once, for each key; default no bound. */
  readonly concurrentMax?: number;
  /** Keys that are remembered; the longest unused is forgotten. Default 1000. */
  readonly keysMax?: number;
  /** A request that would have to wait longer is refused; default 60 s. */
  readonly waitMsMax?: number;
  /** Requests that wait, for each key; more are refused. Default 1000. */
  readonly waitingMax?: number;
}

export interface TakeOptions {
  /** Tokens it costs; default 1. */
  readonly cost?: number;
  readonly signal: AbortSignal;
  /** No longer than this, whatever the limiter would wait. */
  readonly waitMsMax?: number;
}

/** Keeps to the limits of each key: an organisation, an operation, or "default". */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #keys = new Map<string, KeyLimits>();

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a request may go out; dispose what it gives when the request is over. Rejects with a ServiceError
   * (throttled) where that would take too long, and with the signal's reason.
   */
  async take(key: string, options: TakeOptions): Promise<Disposable> {
    return await this.#of(key).take(options);
  }

  /** Corrects a key's limits by what an answer said. */
  learn(key: string, readings: readonly RateReading[]): void {
    for (const reading of readings) this.#of(key).learn(reading);
  }

  /** Lets nothing of the key out for so long: the vendor refused a request. */
  pause(key: string, ms: number): void {
    this.#of(key).pause(ms);
  }

  status(): RateStatus[] {
    return [...this.#keys].flatMap(([key, limits]) => limits.status(key));
  }

  #of(key: string): KeyLimits {
    const known = this.#keys.get(key);
    if (known !== undefined) {
      this.#keys.delete(key);
      this.#keys.set(key, known);
      return known;
    }
    const { keysMax = 1000 } = this.#options;
    for (const [old, limits] of this.#keys) {
      if (this.#keys.size < keysMax) break;
      if (!limits.busy) this.#keys.delete(old);
    }
    const made = new KeyLimits(this.#options);
    this.#keys.set(key, made);
    return made;
  }
}

interface Bucket {
  readonly name: string;
  /** What the vendor calls it, where the plan does not say. */
  told: string | undefined;
  capacity: number;
  perMs: number;
  /** Below 0 while requests wait. */
  tokens: number;
  atMs: number;
  resetsAt: number | undefined;
}

class KeyLimits {
  readonly #options: RateLimiterOptions;
  readonly #buckets: Bucket[];
  readonly #queue: (() => void)[] = [];
  #pausedUntilMs = 0;
  #inFlight = 0;
  #waiting = 0;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    const atMs = options.clock.monotonicMs();
    this.#buckets = options.plans.map(({ name = "default", limit, windowMs, burst = limit }) => ({
      name,
      told: undefined,
      capacity: burst,
      perMs: limit / windowMs,
      tokens: burst,
      atMs,
      resetsAt: undefined,
    }));
  }

  get busy(): boolean {
    return this.#inFlight + this.#waiting > 0;
  }

  async take({ cost = 1, signal, waitMsMax = Infinity }: TakeOptions): Promise<Disposable> {
    signal.throwIfAborted();
    const { waitingMax = 1000, waitMsMax: ownMax = 60_000 } = this.#options;
    const waitMs = this.#waitMsFor(cost);
    if (waitMs > Math.min(ownMax, waitMsMax) || this.#waiting >= waitingMax)
      throw exhausted(Math.max(waitMs, 1));
    for (const bucket of this.#buckets) bucket.tokens -= cost;
    this.#waiting++;
    try {
      if (waitMs > 0) await this.#options.clock.wait(waitMs, signal);
      // What was learnt meanwhile may have put it off.
      for (let more = this.#pausedMs(); more > 0; more = this.#pausedMs())
        await this.#options.clock.wait(more, signal);
      await this.#place(signal);
    } catch (error) {
      for (const bucket of this.#buckets) bucket.tokens += cost;
      throw error;
    } finally {
      this.#waiting--;
    }
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#inFlight--;
        this.#queue.shift()?.();
      },
    };
  }

  learn({ name, limit, remaining, resetsAt, perSecond }: RateReading): void {
    const bucket = this.#bucketFor(name, limit ?? remaining);
    if (bucket === undefined) return;
    this.#fill(bucket);
    if (limit !== undefined && limit > 0) {
      // A window of the vendor's with another limit than planned is as long as the planned one.
      if (perSecond === undefined) bucket.perMs *= limit / bucket.capacity;
      bucket.capacity = limit;
    }
    if (perSecond !== undefined && perSecond > 0) bucket.perMs = perSecond / 1000;
    if (resetsAt !== undefined) bucket.resetsAt = resetsAt;
    if (remaining === undefined) return;
    // Those under way and waiting are not in the vendor's count yet; the one that told this is.
    const uncounted = this.#waiting + Math.max(0, this.#inFlight - 1);
    bucket.tokens = Math.min(bucket.capacity, remaining - uncounted);
    if (remaining <= 0 && resetsAt !== undefined) this.pause(resetsAt - this.#options.clock.now());
  }

  pause(ms: number): void {
    if (ms <= 0) return;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#options.clock.monotonicMs() + ms);
  }

  status(key: string): RateStatus[] {
    return this.#buckets.map((bucket) => {
      this.#fill(bucket);
      return {
        key,
        name: bucket.name,
        limit: bucket.capacity,
        remaining: Math.max(0, Math.floor(bucket.tokens)),
        ...(bucket.resetsAt !== undefined && { resetsAt: bucket.resetsAt }),
        inFlight: this.#inFlight,
        waiting: this.#waiting,
      };
    });
  }

  #waitMsFor(cost: number): number {
    const waits = this.#buckets.map((bucket) => {
      this.#fill(bucket);
      // What costs more than a full bucket goes out when it is full.
      const lacking = Math.min(cost, bucket.capacity) - bucket.tokens;
      return lacking <= 0 ? 0 : lacking / bucket.perMs;
    });
    return Math.ceil(Math.max(0, this.#pausedMs(), ...waits));
  }

  #pausedMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#options.clock.monotonicMs());
  }

  #fill(bucket: Bucket): void {
    const nowMs = this.#options.clock.monotonicMs();
    bucket.tokens = Math.min(bucket.capacity, bucket.tokens + (nowMs - bucket.atMs) * bucket.perMs);
    bucket.atMs = nowMs;
  }

  // A plan without a name is of the limit that is told of first; others that a vendor tells of (GitHub's for search beside that
  // for all else) are other keys'. Where there is no plan, what is told is kept as one.
  #bucketFor(name: string | undefined, size: number | undefined): Bucket | undefined {
    const [only, another] = this.#buckets;
    if (name === undefined) return only ?? this.#unplanned("default", size);
    const named = this.#buckets.find((one) => one.name === name);
    if (named !== undefined || only === undefined) return named ?? this.#unplanned(name, size);
    if (another !== undefined || only.name !== "default") return undefined;
    only.told ??= name;
    return only.told === name ? only : undefined;
  }

  #unplanned(name: string, size: number | undefined): Bucket | undefined {
    if (size === undefined || size <= 0) return undefined;
    const made: Bucket = {
      name,
      told: name,
      capacity: size,
      perMs: size / unplannedWindowMs,
      tokens: size,
      atMs: this.#options.clock.monotonicMs(),
      resetsAt: undefined,
    };
    this.#buckets.push(made);
    return made;
  }

  async #place(signal: AbortSignal): Promise<void> {
    const { concurrentMax = Infinity } = this.#options;
    while (this.#inFlight >= concurrentMax) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = (): void => {
        const at = this.#queue.indexOf(resolve);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(signal.reason);
      };
      this.#queue.push(resolve);
      signal.addEventListener("abort", abort, { once: true });
      try {
        await promise;
      } finally {
        signal.removeEventListener("abort", abort);
      }
    }
    this.#inFlight++;
  }
}

function exhausted(waitMs: number): ServiceError {
  const seconds = Math.ceil(waitMs / 1000);
  return new ServiceError(
    `The vendor's limit is used up; it has room again in about ${seconds} s. Try again then.`,
    { kind: "throttled", retryAfterMs: Math.ceil(waitMs) },
  );
}

/** A limit of which only the size is known is taken to be for an hour, as GitHub's are. */
const unplannedWindowMs = 3_600_000;
