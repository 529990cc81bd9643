/** Metrics of calls, in slots that are bound once per server and tool so that a call only adds numbers. */
import type { Metrics } from "../foundation/index.ts";

export type CallOutcome = "ok" | "tool_error" | "error" | "timeout" | "cancelled" | "refused";

/** The slots of one server's tool (or of a method that is no tool call). */
export interface CallMeter {
  ended(outcome: CallOutcome, durationMs: number, responseBytes: number): void;
}

export class CallMeters {
  readonly #executions;
  readonly #executionSeconds;
  readonly #operations;
  readonly #operationSeconds;
  readonly #responseBytes;
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
    this.#operations = metrics.counter(
      "mcp_operation_total",
      "Operations by service, operation and status.",
      ["service", "operation", "status"],
    );
    this.#operationSeconds = metrics.histogram(
      "mcp_operation_duration_seconds",
      "Time from an operation's arrival to its answer.",
      ["service", "operation"],
    );
    this.#responseBytes = metrics.counter(
      "mcp_response_bytes_total",
      "Bytes of answers relayed, by server.",
      ["server_id"],
    );
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
    this.#meters.set(key, meter);
    return meter;
  }

  #create(server: string, tool: string): CallMeter {
    const slots = new Map<CallOutcome, { inc(): void }[]>();
    const seconds = this.#executionSeconds.slot(server, tool);
    const operationSeconds = this.#operationSeconds.slot(server, tool);
    const bytes = this.#responseBytes.slot(server);
    const slotsOf = (outcome: CallOutcome): { inc(): void }[] => {
      const bound = [
        this.#executions.slot(server, tool, outcome),
        this.#operations.slot(server, tool, outcome === "ok" ? "success" : outcome),
      ];
      slots.set(outcome, bound);
      return bound;
    };
    return {
      ended(outcome, durationMs, responseBytes) {
        for (const slot of slots.get(outcome) ?? slotsOf(outcome)) slot.inc();
        seconds.observe(durationMs / 1000);
        operationSeconds.observe(durationMs / 1000);
        bytes.inc(responseBytes);
      },
    };
  }
}
