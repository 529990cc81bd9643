/** What is remembered of a call: one record for the call log, and its metrics. Never throws, never waits. */
import { everyProject } from "../../access/index.ts";
import { parseTraceparent, type Clock, type Log } from "../../foundation/index.ts";
import type { Call, CallEnd } from "../call.ts";
import type { CallMeters, CallOutcome } from "../call-meters.ts";

/** One call as the call log keeps it. Times are milliseconds, sizes bytes. */
export interface CallRecord {
  readonly id: string;
  /** Epoch milliseconds of the call's arrival. */
  readonly at: number;
  readonly principalId: string;
  readonly principalName: string;
  /** Whose the call is: the server's project, or the caller's where the server belongs to all. */
  readonly project: string;
  readonly method: string;
  readonly server: string;
  readonly tool?: string;
  readonly publicName: string;
  readonly bundle?: string;
  readonly outcome: CallOutcome;
  readonly errorCode?: string;
  readonly durationMs: number;
  readonly upstreamMs: number;
  readonly ownMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly requestId: string;
  readonly traceId?: string;
  readonly era: "modern" | "legacy";
  /** Only where the configuration asks for it; not yet redacted. */
  readonly arguments?: unknown;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const UNHAPPY: ReadonlySet<CallOutcome> = new Set(["error", "timeout", "unknown"]);

export class Record implements CallEnd {
  readonly #clock: Clock;
  readonly #meters: CallMeters;
  readonly #write: (record: CallRecord) => void;
  readonly #withArguments: boolean;
  readonly #log: Log;

  constructor(options: {
    clock: Clock;
    log: Log;
    meters: CallMeters;
    write: (record: CallRecord) => void;
    withArguments: boolean;
  }) {
    this.#clock = options.clock;
    this.#log = options.log.child({ area: "calls" });
    this.#meters = options.meters;
    this.#write = options.write;
    this.#withArguments = options.withArguments;
  }

  started(call: Call): void {
    call.route.catalog.inflight++;
    this.#meters.started();
  }

  ended(call: Call): void {
    const { start, route } = call;
    const durationMs = this.#clock.monotonicMs() - start.startedAt;
    const ownMs = Math.max(0, durationMs - call.upstreamMs);
    route.catalog.inflight--;
    this.#meters.finished(ownMs);
    route.server.recordCall(UNHAPPY.has(call.outcome));
    route.meter.ended(call, durationMs, start.bytes);
    start.session?.untrack(call, start.reply);
    const record = this.#recordOf(call, durationMs, ownMs);
    this.#write(record);
    if (UNHAPPY.has(call.outcome)) this.#say(record);
  }

  // A line for each call that failed; the others are in the call log, which costs a call less than a line would.
  #say(record: CallRecord): void {
    this.#log.info(
      {
        method: record.method,
        serverId: record.server,
        tool: record.publicName,
        principal: record.principalName,
        duration: record.durationMs,
        requestId: record.requestId,
        traceId: record.traceId,
        code: record.errorCode,
      },
      `Call ended with ${record.outcome}`,
    );
  }

  #recordOf(call: Call, durationMs: number, ownMs: number): CallRecord {
    const { start, route } = call;
    const traceId =
      start.traceparent === undefined ? undefined : parseTraceparent(start.traceparent)?.traceId;
    // Written out, member by member: this runs for every call.
    const record: Writable<CallRecord> = {
      id: start.requestId,
      at: this.#clock.now() - durationMs,
      principalId: start.principal.id,
      principalName: start.principal.name,
      project:
        route.catalog.project === everyProject ? start.principal.project : route.catalog.project,
      method: start.message.method,
      server: route.server.name,
      publicName: route.publicName,
      outcome: call.outcome,
      durationMs,
      upstreamMs: call.upstreamMs,
      ownMs,
      requestBytes: start.bytes,
      responseBytes: call.responseBytes,
      requestId: start.requestId,
      era: start.era,
    };
    if (start.message.method === "tools/call") record.tool = route.original;
    if (start.view.name !== undefined) record.bundle = start.view.name;
    if (call.errorCode !== undefined) record.errorCode = call.errorCode;
    if (traceId !== undefined) record.traceId = traceId;
    if (this.#withArguments) record.arguments = start.message.params?.["arguments"];
    return record;
  }
}
