// The audit trail sent on: its records go to a webhook in their order, a batch at a time, and the place of the last one that
// was taken is kept in the database. So each arrives at least once, whatever breaks, and after a restart it goes on there.
import { createHmac } from "node:crypto";
import {
  messageOf,
  repeat,
  type Clock,
  type Counter,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import { lineOf, type ExportedRecord } from "./audit-export.ts";

export interface AuditShippingDeps {
  readonly url: string;
  /** With it each batch carries its HMAC-SHA256 in `X-Signature-256`. */
  readonly secret: string | undefined;
  readonly page: (afterSeq: number, limit: number) => Promise<readonly ExportedRecord[]>;
  /** Where it stands; undefined before the first time. */
  readonly readPlace: () => Promise<number | undefined>;
  readonly writePlace: (seq: number) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  readonly everyMs?: number;
}

const BATCH = 200;
const EVERY_MS = 5_000;
const TIMEOUT_MS = 10_000;
/** Batches in a row before other work gets its turn. */
const BATCHES_AT_ONCE = 50;

/** Ships the audit trail until the signal aborts. */
export class AuditShipping {
  readonly #deps: AuditShippingDeps;
  readonly #deliveries: Counter;
  #failing = false;

  constructor(deps: AuditShippingDeps) {
    this.#deps = deps;
    this.#deliveries = deps.metrics.counter(
      "mcp_webhook_deliveries_total",
      "Batches sent to webhooks, by how that went.",
      ["webhook", "status"],
    );
  }

  start(): void {
    const { signal, everyMs = EVERY_MS } = this.#deps;
    repeat(() => this.#ship(), {
      firstMs: everyMs,
      everyMs,
      signal,
      failed: (error) => this.#failed(error),
    });
  }

  async #ship(): Promise<void> {
    const { page, readPlace, writePlace, signal } = this.#deps;
    let place = (await readPlace()) ?? 0;
    for (let batch = 0; batch < BATCHES_AT_ONCE && !signal.aborted; batch++) {
      const records = await page(place, BATCH);
      const last = records.at(-1);
      if (last === undefined) break;
      await this.#send(records.map((record) => lineOf(record, "ndjson")).join(""), place, last.seq);
      place = last.seq;
      await writePlace(place);
    }
    if (this.#failing) this.#deps.log.info({}, "The audit trail is shipped again");
    this.#failing = false;
  }

  async #send(body: string, after: number, seq: number): Promise<void> {
    const { url, secret, clock, signal } = this.#deps;
    const timestamp = String(Math.floor(clock.now() / 1000));
    const signature =
      secret === undefined
        ? {}
        : { "x-signature-256": `sha256=${signatureOf(secret, timestamp, body)}` };
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/x-ndjson",
        "x-timestamp": timestamp,
        "x-delivery-id": `audit-${after + 1}-${seq}`,
        ...signature,
      },
      body,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
    this.#deliveries.slot("audit", "ok").inc();
  }

  // Said once for each time that it begins to fail; it is tried again for ever.
  #failed(error: unknown): void {
    this.#deliveries.slot("audit", "error").inc();
    if (this.#failing || this.#deps.signal.aborted) return;
    this.#failing = true;
    this.#deps.log.warn(
      { error: messageOf(error) },
      "The audit trail could not be shipped; it is kept and tried again",
    );
  }
}

/** HMAC-SHA256 in hex over the timestamp and the body, so that neither an old nor a changed batch passes for a new one. */
export function signatureOf(secret: string, timestamp: string, body: string): string {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
}
