// What all lanes to one URL have in common: the connection pool, the configured headers, the sweep that
// ends overdue calls, and what is known about the server's era.
import { Pool } from "undici";
import type { Clock } from "../../foundation/index.ts";
import type { EraVerdict } from "../era-verdict.ts";

/** Connections for calls to one server at once; further calls wait in the pool until their deadline. */
const CONNECTIONS_MAX = 512;
/** Servers that close idle connections do so after 5 s or later; a reused connection must be younger. */
const IDLE_MS = 4000;
const headerBytesMax = 64 * 1024;
const sweepEveryMs = 100;

/** Something with a deadline in the clock's monotonic milliseconds. */
export interface Timed {
  readonly deadlineMs: number;
  /** Where it stands among what is watched; -1 at first, and the endpoint's to change. */
  place: number;
  /** Called once per sweep while the deadline has passed. */
  expire(): void;
}

export interface HttpEndpointOptions {
  url: string;
  headers?: Readonly<Record<string, string>> | undefined;
  clock: Clock;
  connectTimeoutMs: number;
  /** Connections for calls at once; further calls wait until their deadline. Default 512. */
  connectionsMax?: number;
  /** An unused connection is closed after this; default 4 s. */
  idleMs?: number;
  /**
   * Connections are replaced after this, default 0, which is never: further calls get new ones, and the old ones close when
   * their calls are over. Until then there may be twice `connectionsMax`.
   */
  ageMs?: number;
}

/** One remote URL: its pool of connections and the calls in flight over it. */
export class HttpEndpoint {
  readonly origin: string;
  readonly path: string;
  /** Configured headers as undici takes them: name, value, name, value; names in lower case. */
  readonly headers: readonly string[];
  readonly clock: Clock;
  /** What the last era probe found; absent until one succeeded. */
  verdict: EraVerdict | undefined;
  // An array, because a Set that is filled and emptied all the time leaves old tables behind, and each of them
  // keeps its dead entries from being collected young: that alone cost a fifth of a call.
  readonly #inFlight: Timed[] = [];
  readonly #options: HttpEndpointOptions;
  #pool: Pool | undefined;
  readonly #retired = new Set<Pool>();
  #aging: NodeJS.Timeout | undefined;
  #streams: Pool | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: HttpEndpointOptions) {
    const url = new URL(options.url);
    this.origin = url.origin;
    this.path = url.pathname + url.search;
    this.clock = options.clock;
    this.headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => [
      name.toLowerCase(),
      value,
    ]);
    this.#options = options;
  }

  /** Connections for calls, made when the first of them comes: a server that nobody calls costs little. */
  get pool(): Pool {
    return (this.#pool ??= this.#openPool());
  }

  /** Connections for streams that stay open: as many as there are lanes, so that none ever waits for a call. */
  get streams(): Pool {
    this.#streams ??= this.#newPool(null);
    return this.#streams;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Connections for calls: how many are open, how many of them in use, and how many calls wait for one. */
  get connections(): { open: number; busy: number; waiting: number; max: number } {
    const max = this.#options.connectionsMax ?? CONNECTIONS_MAX;
    const sum = { open: 0, busy: 0, waiting: 0, max };
    for (const pool of this.#pools()) {
      const { connected, free, pending } = pool.stats;
      sum.open += connected;
      sum.busy += Math.max(0, connected - free);
      sum.waiting += pending;
    }
    return sum;
  }

  /** Expires `call` when its deadline has passed, at most 100 ms late, until `unwatch`. */
  watch(call: Timed): void {
    if (call.place >= 0) return;
    call.place = this.#inFlight.push(call) - 1;
    this.#sweep ??= setInterval(() => this.#expireOverdue(), sweepEveryMs).unref();
  }

  unwatch(call: Timed): void {
    const { place } = call;
    if (place < 0) return;
    call.place = -1;
    const last = this.#inFlight.pop();
    if (last === undefined || last === call) return;
    this.#inFlight[place] = last;
    last.place = place;
  }

  /** Breaks what is in flight and closes the connections. */
  async close(): Promise<void> {
    if (this.#sweep !== undefined) clearInterval(this.#sweep);
    this.#sweep = undefined;
    clearTimeout(this.#aging);
    await Promise.all([...this.#pools().map((pool) => pool.destroy()), this.#streams?.destroy()]);
  }

  #pools(): Pool[] {
    return this.#pool === undefined ? [...this.#retired] : [this.#pool, ...this.#retired];
  }

  // undici's own limit of age asks for the time once per connection and call.
  #openPool(): Pool {
    const { connectionsMax = CONNECTIONS_MAX, ageMs = 0 } = this.#options;
    const pool = this.#newPool(connectionsMax);
    if (ageMs > 0) this.#aging = setTimeout(() => this.#retire(pool), ageMs).unref();
    return pool;
  }

  #retire(pool: Pool): void {
    this.#pool = undefined;
    this.#retired.add(pool);
    void pool.close().finally(() => this.#retired.delete(pool));
  }

  #newPool(connections: number | null): Pool {
    const { idleMs = IDLE_MS, connectTimeoutMs } = this.#options;
    const keptMs = Math.max(1, idleMs);
    return new Pool(this.origin, {
      connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keptMs,
      // What a server offers in `Keep-Alive` may make it shorter, never longer.
      keepAliveMaxTimeout: keptMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: headerBytesMax,
      connect: { timeout: connectTimeoutMs },
    });
  }

  #expireOverdue(): void {
    if (this.#inFlight.length === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
      return;
    }
    const now = this.clock.monotonicMs();
    // From the end: a call that expires leaves, and the last one, already seen, takes its place.
    for (let place = this.#inFlight.length - 1; place >= 0; place--) {
      const call = this.#inFlight[place];
      if (call !== undefined && call.deadlineMs <= now) call.expire();
    }
  }
}
