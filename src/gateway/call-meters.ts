/** Metrics of calls, in slots that a tool's first call binds, so that every further one only adds numbers. */
import {
  CONFIGURED_SERIES_MAX,
  gatewayBuckets,
  type Counter,
  type CounterSlot,
  type HistogramSlot,
  type Metrics,
} from "../foundation/index.ts";

/** How a call ended; `unknown` where it may have reached its server and must not be repeated to find out. */
export type CallOutcome =
  | "ok"
  | "tool_error"
  | "error"
  | "timeout"
  | "unknown"
  | "cancelled"
  | "refused";

/** A call that has ended, as the meters read it. */
export interface EndedCall {
  readonly outcome: CallOutcome;
  /** A code of ours, or the number of the server's own error. */
  readonly errorCode: string | undefined;
  readonly responseBytes: number;
  /** 0 where the server was not asked. */
  readonly upstreamMs: number;
}

/** The slots of one server's tool (or of a method that is no tool call). */
export interface CallMeter {
  ended(call: EndedCall, durationMs: number, requestBytes: number): void;
}

interface ToolSlots {
  readonly executions: (outcome: CallOutcome) => CounterSlot;
  readonly seconds: HistogramSlot;
  readonly upstreamSeconds: HistogramSlot;
  readonly bytes: CounterSlot;
  readonly size: HistogramSlot;
  readonly bytesIn: CounterSlot;
  readonly bytesOut: CounterSlot;
  readonly tokens: CounterSlot;
}

const BYTES_PER_TOKEN = 4;
const SIZE_BUCKETS = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 16_777_216];
/** Servers come and go, and some invent names: beyond this many the meters are bound anew. */
const METERS_MAX = 50_000;

export class CallMeters {
  readonly #executions;
  readonly #executionSeconds;
  readonly #responseBytes;
  readonly #tokens;
  readonly #errors;
  readonly #upstreamSeconds;
  readonly #responseSizes;
  readonly #linkBytes;
  /** All whose first label is the server. */
  readonly #families: readonly Pick<Counter, "removeAll">[];
  readonly #overhead;
  readonly #inflight;
  readonly #meters = new Map<string, CallMeter>();

  constructor(metrics: Metrics) {
    this.#executions = metrics.counter(
      "mcp_tool_executions_total",
      "Tool calls by server, tool and outcome.",
      ["server_id", "tool_name", "status"],
    );
    this.#executionSeconds = metrics.histogram(
      "mcp_tool_execution_duration_seconds",
      "Time from a tool call's arrival to its answer.",
      ["server_id", "tool_name"],
    );
    this.#responseBytes = metrics.counter("mcp_response_bytes_total", "Bytes of answers relayed.", [
      "server_id",
      "tool_name",
    ]);
    this.#tokens = metrics.counter(
      "mcp_token_usage_total",
      "Tokens that answers cost a model that reads them, estimated at four bytes each.",
      ["service", "operation"],
    );
    this.#errors = metrics.counter(
      "mcp_tool_execution_errors_total",
      "Calls that failed, by what failed: a code of the error table, tool_error, or rpc_error for the server's own.",
      ["server_id", "tool_name", "error_type"],
    );
    this.#upstreamSeconds = metrics.histogram(
      "mcp_upstream_request_duration_seconds",
      "Time from sending a request to its server to the end of the answer, repeats included.",
      ["server_id", "method"],
      gatewayBuckets,
      CONFIGURED_SERIES_MAX,
    );
    this.#responseSizes = metrics.histogram(
      "mcp_response_size_bytes",
      "Sizes of answers relayed, in bytes.",
      ["server_id"],
      SIZE_BUCKETS,
      CONFIGURED_SERIES_MAX,
    );
    this.#linkBytes = metrics.counter(
      "mcp_link_bytes_total",
      "Bytes of requests to a server (out) and of its answers (in).",
      ["server_id", "direction"],
      CONFIGURED_SERIES_MAX,
    );
    this.#families = [
      this.#executions,
      this.#executionSeconds,
      this.#responseBytes,
      this.#tokens,
      this.#errors,
      this.#upstreamSeconds,
      this.#responseSizes,
      this.#linkBytes,
    ];
    this.#addOlderNames(metrics);
    this.#overhead = metrics
      .histogram(
        "mcp_gateway_overhead_seconds",
        "A call's time less the time its server took: what the gateway itself costs.",
        [],
        [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 1],
      )
      .slot();
    this.#inflight = metrics
      .gauge("mcp_inflight_requests", "Requests that have been taken and not yet answered.")
      .slot();
  }

  started(): void {
    this.#inflight.inc();
  }

  finished(ownMs: number): void {
    this.#inflight.dec();
    this.#overhead.observe(ownMs / 1000);
  }

  /** The meter of a catalogued tool; names come from the catalog, never from a request. */
  of(server: string, tool: string): CallMeter {
    const key = `${server}\n${tool}`;
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    const meter = this.#create(server, tool);
    if (this.#meters.size >= METERS_MAX) this.#meters.clear();
    this.#meters.set(key, meter);
    return meter;
  }

  /** Forgets a server that is gone, so that its series make room for those of others. */
  forget(server: string): void {
    for (const key of this.#meters.keys())
      if (key.startsWith(`${server}\n`)) this.#meters.delete(key);
    for (const family of this.#families) family.removeAll(server);
  }

  // Bound by the first call: a catalog of thousands of tools, most of them never called, is not in every scrape.
  #create(server: string, tool: string): CallMeter {
    let slots: ToolSlots | undefined;
    return {
      ended: (call, durationMs, requestBytes) => {
        const { outcome, responseBytes, upstreamMs } = call;
        slots ??= this.#bind(server, tool);
        slots.executions(outcome).inc();
        slots.seconds.observe(durationMs / 1000);
        if (upstreamMs > 0) slots.upstreamSeconds.observe(upstreamMs / 1000);
        slots.bytes.inc(responseBytes);
        slots.size.observe(responseBytes);
        slots.bytesIn.inc(responseBytes);
        slots.bytesOut.inc(requestBytes);
        slots.tokens.inc(Math.ceil(responseBytes / BYTES_PER_TOKEN));
        if (outcome !== "ok") this.#failed(server, tool, call);
      },
    };
  }

  #failed(server: string, tool: string, { outcome, errorCode }: EndedCall): void {
    if (outcome === "cancelled") return;
    const type = outcome === "tool_error" ? outcome : errorTypeOf(errorCode);
    this.#errors.slot(server, tool, type).inc();
  }

  #bind(server: string, tool: string): ToolSlots {
    const outcomes = new Map<CallOutcome, CounterSlot>();
    const ok = this.#executions.slot(server, tool, "ok");
    const slotOf = (outcome: CallOutcome): CounterSlot => {
      const slot = this.#executions.slot(server, tool, outcome);
      outcomes.set(outcome, slot);
      return slot;
    };
    return {
      executions: (outcome) => (outcome === "ok" ? ok : (outcomes.get(outcome) ?? slotOf(outcome))),
      seconds: this.#executionSeconds.slot(server, tool),
      upstreamSeconds: this.#upstreamSeconds.slot(server, methodOf(tool)),
      bytes: this.#responseBytes.slot(server, tool),
      size: this.#responseSizes.slot(server),
      bytesIn: this.#linkBytes.slot(server, "in"),
      bytesOut: this.#linkBytes.slot(server, "out"),
      tokens: this.#tokens.slot(server, tool),
    };
  }

  // Names that dashboards of other gateways ask for. They are read off the counters above when scraped.
  #addOlderNames(metrics: Metrics): void {
    metrics.alias({
      name: "mcp_operation_total",
      help: "Operations by service, operation and status; the same calls as mcp_tool_executions_total.",
      labelNames: ["service", "operation", "status"],
      source: this.#executions,
      relabel: ([service = "", operation = "", status = ""]) => [
        service,
        operation,
        status === "ok" ? "success" : status,
      ],
    });
    metrics.alias({
      name: "mcp_operation_duration_seconds",
      help: "Time from an operation's arrival to its answer.",
      labelNames: ["service", "operation"],
      source: this.#executionSeconds,
      relabel: (values) => values,
    });
  }
}

// Numbers are the server's own, and as many as it likes to invent.
function errorTypeOf(code: string | undefined): string {
  return code === undefined || /^-?\d/.test(code) ? "rpc_error" : code;
}

// What is no tool call is metered under its method's name.
function methodOf(tool: string): string {
  if (tool === "resources/read") return tool;
  return tool.startsWith("prompts/get ") ? "prompts/get" : "tools/call";
}
