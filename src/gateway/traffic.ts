/** Metrics of the data plane's HTTP requests, and of requests that were refused before they reached a server. */
import type { Counter, Histogram, HistogramSlot, Metrics } from "../foundation/index.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD"]);

export class Traffic {
  readonly #seconds: Histogram;
  readonly #refused: Counter;
  /** Most requests are like the one before. */
  #last: { method: string; route: string; status: number; slot: HistogramSlot };

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
    this.#last = {
      method: "POST",
      route: "/mcp",
      status: 200,
      slot: this.#slotOf("POST", "/mcp", 200),
    };
  }

  /** A request was answered, or its client went; `route` is a template, never a path. */
  served(method: string, route: string, status: number, ms: number): void {
    const last = this.#last;
    const same = last.method === method && last.route === route && last.status === status;
    if (!same) this.#last = { method, route, status, slot: this.#slotOf(method, route, status) };
    this.#last.slot.observe(ms / 1000);
  }

  /** `code` is one of the table of error codes. */
  refused(code: string): void {
    this.#refused.slot(code).inc();
  }

  #slotOf(method: string, route: string, status: number): HistogramSlot {
    return this.#seconds.slot(METHODS.has(method) ? method : "_other", route, String(status));
  }
}
