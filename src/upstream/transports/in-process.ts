// A built-in service as a lane: no bytes travel, no process, no session. It speaks as a modern server does.
// What never changes is written once when the lane opens, and a handler that returns a plain value is
// answered before `send` returns. One object per call is the handler's context and the caller's handle.
import { hash } from "node:crypto";
import type { Service, ServiceLog, Tool, ToolContext, ToolResult } from "@signalbox/kit";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import {
  META,
  MODERN_REVISION,
  RPC,
  isJsonObject,
  stringify,
  type JsonObject,
  type RequestId,
} from "../../protocol/index.ts";
import type {
  ExchangeHandle,
  ExchangeSink,
  Lane,
  LaneCaller,
  LaneContext,
  LaneListener,
  OutboundRequest,
  TransportDeps,
} from "../lane.ts";

/** Opens a lane to a service of this process; it cannot fail. */
export function open(
  service: Service,
  context: LaneContext,
  _listener: LaneListener,
  deps: TransportDeps,
): Promise<InProcessLane> {
  return Promise.resolve(new InProcessLane(service, context.shared, deps));
}

/** A service's tools, called directly. */
export class InProcessLane implements Lane {
  readonly era = "modern";
  readonly revision: string = MODERN_REVISION;
  readonly capabilities: JsonObject = { tools: {} };
  readonly serverInfo: JsonObject;
  readonly instructions: string;
  readonly shared: boolean;
  readonly #service: Service;
  readonly #deps: TransportDeps;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #discoverResult: string;
  readonly #listResult: string;
  /** The end of every tool's result: what a modern server stamps on it. */
  readonly #resultEnd: string;
  readonly #running = new Set<Call>();
  #sweeper: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(service: Service, shared: boolean, deps: TransportDeps) {
    this.#service = service;
    this.#deps = deps;
    this.shared = shared;
    this.instructions = service.description;
    this.serverInfo = {
      name: service.name,
      ...(service.title === undefined ? {} : { title: service.title }),
      version: service.version,
    };
    this.#tools = new Map(service.tools.map((tool) => [tool.name, tool]));
    const stamp = { resultType: "complete", _meta: { [META.serverInfo]: this.serverInfo } };
    const cacheable = { ...stamp, ttlMs: listTtlMs, cacheScope: "public" };
    this.#resultEnd = `,${stringify(stamp).slice(1)}`;
    this.#listResult = stringify({ tools: service.tools.map(listed), ...cacheable });
    this.#discoverResult = stringify({
      supportedVersions: [MODERN_REVISION],
      capabilities: this.capabilities,
      instructions: this.instructions,
      ...cacheable,
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Answers before it returns, unless the tool returns a promise. */
  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    const { id, method, params } = request.message;
    if (this.#closed) {
      sink.fail(this.#closedError());
      return nothingToCancel;
    }
    switch (method) {
      case "tools/call":
        return this.#call(request, sink);
      case "tools/list":
        if (params?.["cursor"] === undefined) answer(sink, id, this.#listResult);
        else refuse(sink, id, RPC.invalidParams, "There are no further pages: unknown cursor");
        return nothingToCancel;
      case "server/discover":
        answer(sink, id, this.#discoverResult);
        return nothingToCancel;
      default:
        refuse(sink, id, RPC.methodNotFound, `Method not found: ${method}`);
        return nothingToCancel;
    }
  }

  /** A service takes no notifications: cancellation reaches it through the handle. */
  notify(): void {}

  /** A service asks nothing. */
  respond(): void {}

  close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const call of this.#running) this.#give(call, this.#closedError());
    return Promise.resolve();
  }

  #call(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    const { id, params } = request.message;
    const name = params?.["name"];
    const tool = typeof name === "string" ? this.#tools.get(name) : undefined;
    if (tool === undefined) {
      refuse(sink, id, RPC.invalidParams, `Unknown tool: ${String(name).slice(0, 100)}`);
      return nothingToCancel;
    }
    const call = new Call(this, tool, id, sink, request);
    let result: ToolResult | Promise<ToolResult>;
    try {
      result = tool.run(params?.["arguments"], call);
    } catch (error) {
      this.#answerFailed(call, error);
      return call;
    }
    if (result instanceof Promise) this.#await(call, result, request.timeoutMs);
    else this.#answer(call, result);
    return call;
  }

  /** Takes a call off those that run; false where it was none. */
  forget(call: Call): boolean {
    return this.#running.delete(call);
  }

  /** For one call's lines. */
  logOf({ tool, requestId }: Call): ServiceLog {
    return this.#deps.log.child({ serverId: this.#service.name, tool: tool.name, requestId });
  }

  /** The same for every attempt at one call; a key that the caller gives stands for all calls of its own with it. */
  keyOf({ tool, principal, requestId }: Call, params: JsonObject | undefined): string {
    const meta = params?.["_meta"];
    const given = isJsonObject(meta) ? meta[IDEMPOTENCY_KEY] : undefined;
    const what = typeof given === "string" ? [given] : [requestId, params?.["arguments"]];
    return hash(
      "sha256",
      stringify([this.#service.name, tool.name, principal.id, ...what]),
      "base64url",
    );
  }

  /** Puts off the end of a call that still runs. */
  extend(call: Call, { timeoutMs, timeoutMaxMs = progressMaxMs }: OutboundRequest): void {
    const now = this.#deps.clock.monotonicMs();
    call.lastDeadlineMs ??= now + timeoutMaxMs;
    call.deadlineMs = Math.min(now + timeoutMs, call.lastDeadlineMs);
  }

  #await(call: Call, result: Promise<ToolResult>, timeoutMs: number): void {
    call.deadlineMs = this.#deps.clock.monotonicMs() + timeoutMs;
    this.#running.add(call);
    if (this.#running.size > runningMax) this.#give(call, this.#busyError());
    this.#sweeper ??= setInterval(this.#sweep, sweepMs).unref();
    void this.#answerLater(call, result);
  }

  async #answerLater(call: Call, result: Promise<ToolResult>): Promise<void> {
    try {
      const value = await result;
      if (this.#running.delete(call)) this.#answer(call, value);
    } catch (error) {
      if (this.#running.delete(call)) this.#answerFailed(call, error);
    }
  }

  #answer(call: Call, result: ToolResult): void {
    call.over = true;
    let text: string;
    try {
      text =
        "_meta" in result
          ? this.#withBothMetas(result)
          : stringify(result).slice(0, -1) + this.#resultEnd;
    } catch (error) {
      this.#answerFailed(call, error);
      return;
    }
    answer(call.sink, call.id, text);
  }

  #withBothMetas(result: ToolResult): string {
    const parts: JsonObject = Object.fromEntries(Object.entries(result));
    const meta = parts["_meta"];
    const both = { ...(isJsonObject(meta) ? meta : {}), [META.serverInfo]: this.serverInfo };
    return stringify({ ...parts, resultType: "complete", _meta: both });
  }

  /** What went wrong inside stays in the log: its message may name what the caller must not see. */
  #answerFailed(call: Call, error: unknown): void {
    call.over = true;
    const { requestId, tool } = call;
    this.#deps.log.error(
      { serverId: this.#service.name, tool: tool.name, requestId, err: error },
      `A built-in tool failed: ${messageOf(error)}`,
    );
    const text = `The tool "${tool.name}" failed inside the gateway; its log says why (request ${requestId}).`;
    const result = stringify({ content: [{ type: "text", text }], isError: true });
    answer(call.sink, call.id, result.slice(0, -1) + this.#resultEnd);
  }

  /** Ends a running call without its result. */
  #give(call: Call, error: SignalboxError): void {
    this.#running.delete(call);
    call.abort(error);
    call.sink.fail(error);
  }

  readonly #sweep = (): void => {
    if (this.#running.size === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      return;
    }
    const now = this.#deps.clock.monotonicMs();
    for (const call of this.#running) {
      if (call.deadlineMs <= now) this.#give(call, this.#timeoutError(call));
    }
  };

  #timeoutError(call: Call): SignalboxError {
    return new SignalboxError(
      "SERVER_TIMEOUT",
      `The tool "${call.tool.name}" of the service "${this.#service.name}" did not answer in time.`,
    );
  }

  #busyError(): SignalboxError {
    return new SignalboxError(
      "SERVER_REFUSED",
      `The service "${this.#service.name}" is busy: ${runningMax} calls are running.`,
    );
  }

  #closedError(): SignalboxError {
    return new SignalboxError("SERVER_CLOSED", `The service "${this.#service.name}" was closed.`);
  }
}

/** One call: what its handler sees and what its caller holds. What few handlers ask for is made when they do. */
class Call implements ToolContext, ExchangeHandle {
  readonly tool: Tool;
  readonly id: RequestId;
  readonly sink: ExchangeSink;
  readonly runtime = undefined;
  deadlineMs = Number.POSITIVE_INFINITY;
  /** Answered, or given up. */
  over = false;
  /** Progress does not put the deadline off beyond this. */
  lastDeadlineMs: number | undefined;
  readonly #lane: InProcessLane;
  readonly #request: OutboundRequest;
  #controller: AbortController | undefined;
  #progress = 0;

  constructor(
    lane: InProcessLane,
    tool: Tool,
    id: RequestId,
    sink: ExchangeSink,
    request: OutboundRequest,
  ) {
    this.#lane = lane;
    this.tool = tool;
    this.id = id;
    this.sink = sink;
    this.#request = request;
  }

  get principal(): LaneCaller["principal"] {
    return (this.#request.caller ?? nobody).principal;
  }

  get requestId(): string {
    return (this.#request.caller ?? nobody).requestId;
  }

  get idempotencyKey(): string {
    return this.#lane.keyOf(this, this.#request.message.params);
  }

  get log(): ServiceLog {
    return this.#lane.logOf(this);
  }

  /** Told only while the call runs, and only forward, as the protocol has it. */
  progress(done: number, total?: number, message?: string): void {
    if (this.over) return;
    this.#lane.extend(this, this.#request);
    const meta = this.#request.message.params?.["_meta"];
    const progressToken = isJsonObject(meta) ? meta["progressToken"] : undefined;
    if (progressToken === undefined || done <= this.#progress) return;
    this.#progress = done;
    const params = {
      progressToken,
      progress: done,
      ...(total !== undefined && { total }),
      ...(message !== undefined && { message }),
    };
    this.sink.message({ jsonrpc: "2.0", method: "notifications/progress", params });
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  cancel(reason: string): void {
    if (this.#lane.forget(this)) this.abort(new SignalboxError("SERVER_CLOSED", reason));
  }

  abort(reason: SignalboxError): void {
    this.over = true;
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }

  /** Answers come whole: nothing is ever paused. */
  resume(): void {}
}

const IDEMPOTENCY_KEY = "signalbox/idempotencyKey";
const listTtlMs = 3_600_000;
const progressMaxMs = 600_000;
const runningMax = 10_000;
const sweepMs = 50;

const nobody: LaneCaller = {
  principal: { id: "gateway", name: "gateway", role: "caller", bundles: [] },
  requestId: "internal",
};

const nothingToCancel: ExchangeHandle = { cancel() {}, resume() {} };

function listed(tool: Tool): JsonObject {
  const { name, title, description, inputSchema, outputSchema, annotations, scope, cost } = tool;
  const meta = {
    ...(scope === "manage" && { "signalbox/scope": scope }),
    ...(cost !== undefined && { "signalbox/cost": cost }),
  };
  const _meta = Object.keys(meta).length === 0 ? undefined : meta;
  return { name, title, description, inputSchema, outputSchema, annotations, _meta };
}

function answer(sink: ExchangeSink, id: RequestId, result: string): void {
  sink.answer(Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},"result":${result}}`));
}

function refuse(sink: ExchangeSink, id: RequestId, code: number, message: string): void {
  const error = stringify({ code, message });
  sink.answer(Buffer.from(`{"jsonrpc":"2.0","id":${idText(id)},"error":${error}}`));
}

function idText(id: unknown): string {
  return typeof id === "number" ? String(id) : stringify(id);
}
