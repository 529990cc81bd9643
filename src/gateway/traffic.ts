/** Metrics of the data plane's HTTP requests, and of requests that were refused before they reached a server. */
import type { Counter, Histogram, HistogramSlot, Metrics } from "../foundation/index.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD"]);

export class Traffic {
  readonly #seconds: Histogram;
  readonly #refused: Counter;
  readonly #slots = new Map<string, HistogramSlot>();

  constructor(metrics: Metrics) {
    this.#seconds = metrics.histogram(
      "http_request_duration_seconds",
      "Duration of HTTP requests.",
      ["method", "route", "status"],
    );
    this.#refused = metrics.counter(
      "mcp_requests_refused_total",
      "Requests the gateway answered with an error of its own, by error code.",
      ["code"],
    );
  }

  /** A request was answered, or its client went; `route` is a template, never a path. */
  served(method: string, route: string, status: number, ms: number): void {
    const key = `${method} ${route} ${status}`;
    this.#slotOf(key, method, route, status).observe(ms / 1000);
  }

  /** `code` is one of the table of error codes. */
  refused(code: string): void {
    this.#refused.slot(code).inc();
  }

  #slotOf(key: string, method: string, route: string, status: number): HistogramSlot {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const verb = METHODS.has(method) ? method : "_other";
    const slot = this.#seconds.slot(verb, route, String(status));
    // Methods are few, but a client may make one up.
    if (verb === method) this.#slots.set(key, slot);
    return slot;
  }
}
