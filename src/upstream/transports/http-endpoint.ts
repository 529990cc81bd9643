// What all lanes to one URL have in common: the connection pool, the configured headers, the sweep that
// ends overdue calls, and what is known about the server's era.
import { Pool } from "undici";
import type { Clock } from "../../foundation/index.ts";
import type { EraVerdict } from "../era-probe.ts";

/** Connections to one server at once; further calls wait in the pool until their deadline. */
const connectionsMax = 512;
/** Servers that close idle connections do so after 5 s or later; a reused connection must be younger. */
const keepAliveTimeoutMs = 4000;
const headerBytesMax = 64 * 1024;
const sweepEveryMs = 100;

/** Something with a deadline in the clock's monotonic milliseconds. */
export interface Timed {
  readonly deadlineMs: number;
  /** Called once per sweep while the deadline has passed. */
  expire(): void;
}

export interface HttpEndpointOptions {
  url: string;
  headers?: Readonly<Record<string, string>> | undefined;
  clock: Clock;
  connectTimeoutMs: number;
}

/** One remote URL: its pool of connections and the calls in flight over it. */
export class HttpEndpoint {
  readonly pool: Pool;
  readonly origin: string;
  readonly path: string;
  /** Configured headers as undici takes them: name, value, name, value; names in lower case. */
  readonly headers: readonly string[];
  readonly clock: Clock;
  /** What the last era probe found; absent until one succeeded. */
  verdict: EraVerdict | undefined;
  readonly #inFlight = new Set<Timed>();
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
    this.pool = new Pool(url.origin, {
      connections: connectionsMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveTimeoutMs,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: headerBytesMax,
      connect: { timeout: options.connectTimeoutMs },
    });
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Expires `call` when its deadline has passed, at most 100 ms late, until `unwatch`. */
  watch(call: Timed): void {
    this.#inFlight.add(call);
    this.#sweep ??= setInterval(() => this.#expireOverdue(), sweepEveryMs).unref();
  }

  unwatch(call: Timed): void {
    this.#inFlight.delete(call);
  }

  /** Breaks what is in flight and closes the connections. */
  async close(): Promise<void> {
    if (this.#sweep !== undefined) clearInterval(this.#sweep);
    this.#sweep = undefined;
    await this.pool.destroy();
  }

  #expireOverdue(): void {
    if (this.#inFlight.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
      return;
    }
    const now = this.clock.monotonicMs();
    for (const call of this.#inFlight) if (call.deadlineMs <= now) call.expire();
  }
}
