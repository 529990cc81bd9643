// Streamable HTTP, both eras: 2026-07-28 (stateless) and 2025-03-26 to 2025-11-25 (sessions).
import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import {
  isSignalboxError,
  type CounterSlot,
  type HeldBytes,
  type SignalboxError,
} from "../../foundation/index.ts";
import {
  encodeHeaderValue,
  isJsonObject,
  LEGACY_REVISIONS,
  mcpNameOf,
  META,
  MODERN_REVISION,
  stringify,
  type Era,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
} from "../../protocol/index.ts";
import { ask, resultOf } from "../ask.ts";
import { probeEra } from "../era-probe.ts";
import { authorized, type LaneCredentials } from "../credentials.ts";
import { isFresh } from "../era-verdict.ts";
import type {
  ExchangeHandle,
  ExchangeSink,
  Lane,
  LaneContext,
  LaneListener,
  OutboundRequest,
  TransportDeps,
} from "../lane.ts";
import { localAnswer, offeredCapabilities } from "../local-answers.ts";
import type { ServerOptions } from "../server-options.ts";
import { HttpEndpoint } from "./http-endpoint.ts";
import { HttpExchange, type ExchangeHost } from "./http-exchange.ts";
import { failureOf } from "./http-failure.ts";
import { once, type OnceRequest } from "./http-once.ts";
import { open as openHttpSse } from "./http-sse.ts";
import { onceAuthorized } from "./once-authorized.ts";
import { ServerStream, type ServerStreamHost } from "./server-stream.ts";
import { serverWords } from "../server-words.ts";

const closeTimeoutMs = 2000;
const streamWaitMs = 300;
const messageTimeoutMs = 10_000;
/** Names of a method whose headers are kept; none that is longer. */
const NAMED_MAX = 1_000;
const NAME_LENGTH_MAX = 128;

type RemoteOptions = Pick<
  ServerOptions,
  "url" | "headers" | "protocol_era" | "transport" | "roots"
>;

/**
 * Opens a lane to the server at `options.url` in the era it speaks. Where it accepts neither era's first
 * request, the older HTTP+SSE transport is tried, unless `transport` says otherwise.
 */
export async function open(
  options: RemoteOptions,
  context: LaneContext,
  listener: LaneListener,
  deps: TransportDeps,
): Promise<Lane> {
  const endpoint = deps.endpoint ?? ownEndpoint(options, deps);
  try {
    return await openAt(endpoint, options, context, listener, deps);
  } catch (error) {
    if (endpoint !== deps.endpoint) await endpoint.close();
    throw error;
  }
}

async function openAt(
  endpoint: HttpEndpoint,
  options: RemoteOptions,
  context: LaneContext,
  listener: LaneListener,
  deps: TransportDeps,
): Promise<Lane> {
  const setting = options.protocol_era ?? "auto";
  const parts: LaneParts = { endpoint, options, context, listener, deps };
  if (setting === "legacy") return openLegacy(parts, "yes");
  if (setting === "auto" && isFresh(endpoint.verdict, deps.clock.now())) {
    return endpoint.verdict.era === "modern"
      ? new StreamableHttpLane(parts, "modern", endpoint.verdict.discover)
      : openLegacy(parts, endpoint.verdict.provisional ? "perhaps" : "yes");
  }
  const server = nameOf(deps);
  const finding = await probeEra(endpoint, {
    serverName: server,
    context: presented(parts),
    timeoutMs: deps.connectTimeoutMs,
    signal: context.signal,
  });
  if (finding.kind === "modern") {
    endpoint.verdict = { era: "modern", at: deps.clock.now(), discover: finding.discover };
    return new StreamableHttpLane(parts, "modern", finding.discover);
  }
  if (setting === "modern") {
    if (finding.kind === "unproven") throw finding.error;
    throw failureOf(
      server,
      "SERVER_REFUSED",
      `does not speak ${MODERN_REVISION}, which protocol_era = "modern" asks for`,
    );
  }
  const lane = await openLegacy(parts, finding.kind === "legacy" ? "yes" : "perhaps");
  const provisional = finding.kind === "unproven";
  endpoint.verdict = { era: "legacy", at: deps.clock.now(), provisional };
  return lane;
}

async function openLegacy(parts: LaneParts, legacy: "yes" | "perhaps"): Promise<Lane> {
  const { endpoint, options, context, listener, deps } = parts;
  const lane = new StreamableHttpLane(parts, "legacy", {});
  try {
    await lane.initialize(context.signal);
    return lane;
  } catch (error) {
    endpoint.verdict = undefined;
    if (options.transport === "streamable-http" || !mayBeHttpSse(error)) throw error;
    try {
      return await openHttpSse(options, context, listener, { ...deps, endpoint });
    } catch (second) {
      throw legacy === "yes" && isRefusal(second) ? error : second;
    }
  }
}

// An HTTP+SSE server refuses the POST; anything that failed otherwise would fail there as well.
function mayBeHttpSse(error: unknown): boolean {
  return (
    isSignalboxError(error) && (error.code === "SERVER_REFUSED" || error.code === "SERVER_GARBAGE")
  );
}

function isRefusal(error: unknown): boolean {
  return isSignalboxError(error) && error.code !== "SERVER_UNAUTHORIZED";
}

interface LaneParts {
  endpoint: HttpEndpoint;
  options: RemoteOptions;
  context: LaneContext;
  listener: LaneListener;
  deps: TransportDeps;
}

class StreamableHttpLane implements Lane, ExchangeHost, ServerStreamHost {
  readonly era: Era;
  readonly shared: boolean;
  readonly endpoint: HttpEndpoint;
  readonly serverName: string;
  readonly responseBytesMax: number;
  readonly inspectBytesMax: number;
  readonly credentials: LaneCredentials | undefined;
  readonly held: HeldBytes | undefined;
  revision: string;
  capabilities: JsonObject = {};
  serverInfo: JsonObject = {};
  instructions?: string;
  sessionId: string | undefined;
  closed = false;
  readonly #parts: LaneParts;
  readonly #ignored: CounterSlot | undefined;
  readonly #initializeHeaders: string[];
  #headers: string[];
  /** Of a modern lane, by method and name; methods are those that have names. */
  readonly #named = new Map<string, Map<string, string[]>>();
  /** What the last `initialize` was given. */
  #given: string | undefined;
  #lastId = 0;
  #renewing: Promise<SignalboxError | undefined> | undefined;
  #stream: ServerStream | undefined;

  constructor(parts: LaneParts, era: Era, discover: JsonObject) {
    const { endpoint, context, deps } = parts;
    this.#parts = parts;
    this.era = era;
    this.shared = context.shared;
    this.endpoint = endpoint;
    this.serverName = nameOf(deps);
    this.responseBytesMax = deps.responseBytesMax;
    this.inspectBytesMax = deps.inspectBytesMax;
    this.credentials = context.credentials;
    this.held = deps.held;
    this.#ignored = deps.metrics
      ?.counter(
        "mcp_upstream_ignored_messages_total",
        "Messages of servers that nobody waited for, or that were not MCP.",
        ["server_id"],
      )
      .slot(this.serverName);
    this.#initializeHeaders = [
      ...endpoint.headers,
      "content-type",
      "application/json",
      "accept",
      "application/json, text/event-stream",
    ];
    this.#headers = this.#initializeHeaders;
    this.revision = MODERN_REVISION;
    if (era === "modern") {
      this.#headers = [...this.#initializeHeaders, "mcp-protocol-version", MODERN_REVISION];
      this.#describe(discover);
    }
  }

  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    return new HttpExchange(this, request, sink).start();
  }

  notify(message: JsonRpcNotification): void {
    this.#tell(stringify(message), message.method);
  }

  respond(response: JsonRpcResponse): void {
    this.#tell(stringify(response), undefined);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.#stream?.stop();
    if (this.sessionId !== undefined) await this.#deleteSession();
    if (this.endpoint !== this.#parts.deps.endpoint) await this.endpoint.close();
  }

  /** Opens the legacy session: initialize, initialized, and the server's own stream in the background. */
  async initialize(signal: AbortSignal | undefined): Promise<void> {
    const { context, deps } = this.#parts;
    this.#given = undefined;
    const response = await ask(
      this,
      "initialize",
      {
        protocolVersion: context.revision ?? newestLegacy,
        capabilities: presented(this.#parts).capabilities,
        clientInfo: context.clientInfo,
      },
      { timeoutMs: deps.connectTimeoutMs, ...(signal && { signal }) },
    );
    const result = resultOf(response, this.serverName, "initialize");
    const revision = result["protocolVersion"];
    if (typeof revision !== "string" || !LEGACY_REVISIONS.includes(revision)) {
      throw failureOf(
        this.serverName,
        "SERVER_REFUSED",
        `answered initialize with revision ${serverWords(JSON.stringify(revision) ?? "none", 40)}, which the gateway does not speak`,
      );
    }
    this.revision = revision;
    this.#describe(result);
    this.#useSession();
    await this.#announce(signal);
    this.#stream?.stop();
    this.#stream = new ServerStream(this).start();
    // What the server asks before its stream is there, many servers drop; some open it only with their first word.
    await Promise.race([this.#stream.answered, delay(streamWaitMs, undefined, { ref: false })]);
  }

  // --- for its exchanges

  nextId(): number {
    return ++this.#lastId;
  }

  postHeaders(request: OutboundRequest): string[] {
    const { message, traceparent } = request;
    if (this.era === "legacy") {
      if (message.method === "initialize") return this.#initializeHeaders;
      return traceparent === undefined
        ? this.#headers
        : this.#headers.concat("traceparent", traceparent);
    }
    const name = request.name ?? mcpNameOf(message.method, message.params);
    const headers = this.#headersFor(message.method, typeof name === "string" ? name : undefined);
    const { paramHeaders } = request;
    if (paramHeaders === undefined && traceparent === undefined) return headers;
    const more = headers.slice();
    for (const header in paramHeaders) {
      const value = paramHeaders[header];
      if (value !== undefined) more.push(header, value);
    }
    if (traceparent !== undefined) more.push("traceparent", traceparent);
    return more;
  }

  // Few names make most of the calls, so theirs are kept; nobody adds to them.
  #headersFor(method: string, name: string | undefined): string[] {
    if (name === undefined) return [...this.#headers, "mcp-method", method];
    let ofMethod = this.#named.get(method);
    if (ofMethod === undefined) this.#named.set(method, (ofMethod = new Map()));
    const known = ofMethod.get(name);
    if (known !== undefined) return known;
    if (ofMethod.size >= NAMED_MAX) ofMethod.clear();
    const headers = [...this.#headers, "mcp-method", method, "mcp-name", encodeHeaderValue(name)];
    if (name.length <= NAME_LENGTH_MAX) ofMethod.set(name, headers);
    return headers;
  }

  resumeHeaders(lastEventId: string): string[] {
    return this.#streamHeaders(lastEventId);
  }

  opened(headers: IncomingHttpHeaders): void {
    const session = headers["mcp-session-id"];
    this.#given = typeof session === "string" && session !== "" ? session : undefined;
  }

  async renew(stale: string): Promise<SignalboxError | undefined> {
    if (this.closed) return this.#goneError();
    if (this.sessionId !== stale && this.#renewing === undefined) return undefined;
    this.#renewing ??= this.#renew();
    const failure = await this.#renewing;
    this.#renewing = undefined;
    return failure;
  }

  answers(request: JsonRpcRequest): boolean {
    const answer = localAnswer(request, this.#parts.options);
    if (answer !== undefined) this.respond(answer);
    return answer !== undefined;
  }

  cancelUpstream(requestId: RequestId, reason: string): void {
    this.notify({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId, reason },
    });
  }

  ignored(): void {
    this.#ignored?.inc();
  }

  doubtEra(error: SignalboxError): void {
    this.endpoint.verdict = undefined;
    this.#die(error);
  }

  // --- for its stream

  streamHeaders(lastEventId: string | undefined): string[] {
    return authorized(this.#streamHeaders(lastEventId), this.credentials);
  }

  #streamHeaders(lastEventId: string | undefined): string[] {
    const headers = [...this.endpoint.headers, "accept", "text/event-stream"];
    if (this.sessionId !== undefined) headers.push("mcp-session-id", this.sessionId);
    if (this.revision !== "2025-03-26") headers.push("mcp-protocol-version", this.revision);
    if (lastEventId !== undefined) headers.push("last-event-id", lastEventId);
    return headers;
  }

  streamMessage(message: JsonRpcNotification | JsonRpcRequest): void {
    if (!("id" in message)) this.#parts.listener.notification(message);
    else if (!this.answers(message)) this.#parts.listener.request(message);
  }

  streamLostSession(): void {
    if (this.sessionId !== undefined) void this.#renewOrDie(this.sessionId);
  }

  // ---

  #describe(result: JsonObject): void {
    const meta = result["_meta"];
    const info = (isJsonObject(meta) ? meta[META.serverInfo] : undefined) ?? result["serverInfo"];
    this.serverInfo = isJsonObject(info) ? info : {};
    this.capabilities = isJsonObject(result["capabilities"]) ? result["capabilities"] : {};
    const { instructions } = result;
    if (typeof instructions === "string") this.instructions = instructions;
  }

  // The id and the headers that carry it change together: by it an exchange knows which session it was refused for.
  #useSession(): void {
    this.sessionId = this.#given;
    this.#headers = this.#initializeHeaders.slice();
    if (this.sessionId !== undefined) this.#headers.push("mcp-session-id", this.sessionId);
    if (this.revision !== "2025-03-26") this.#headers.push("mcp-protocol-version", this.revision);
  }

  async #announce(signal: AbortSignal | undefined): Promise<void> {
    const announcement: OnceRequest = {
      server: this.serverName,
      method: "POST",
      headers: this.#headers,
      body: stringify({ jsonrpc: "2.0", method: "notifications/initialized" }),
      timeoutMs: this.#parts.deps.connectTimeoutMs,
      signal,
    };
    await onceAuthorized(this.endpoint, announcement, this.credentials);
  }

  async #renew(): Promise<SignalboxError | undefined> {
    this.#parts.deps.log.info({ serverId: this.serverName }, "the server forgot its session");
    try {
      await this.initialize(undefined);
    } catch (error) {
      return isSignalboxError(error)
        ? error
        : failureOf(this.serverName, "SERVER_CLOSED", "could not be given a new session", {
            cause: error,
          });
    }
    this.#parts.listener.renewed?.();
    return undefined;
  }

  async #renewOrDie(session: string): Promise<void> {
    const failure = await this.renew(session);
    if (failure !== undefined) this.#die(failure);
  }

  #tell(body: string, method: string | undefined): void {
    const headers =
      this.era === "modern" && method !== undefined
        ? [...this.#headers, "mcp-method", method]
        : this.#headers;
    const request: OnceRequest = {
      server: this.serverName,
      method: "POST",
      headers,
      body,
      timeoutMs: messageTimeoutMs,
    };
    onceAuthorized(this.endpoint, request, this.credentials).catch((error: unknown) => {
      const { log } = this.#parts.deps;
      log.debug({ serverId: this.serverName, err: error }, "a message did not reach the server");
    });
  }

  async #deleteSession(): Promise<void> {
    try {
      await once(this.endpoint, {
        server: this.serverName,
        method: "DELETE",
        headers: authorized(this.#headers, this.credentials),
        timeoutMs: closeTimeoutMs,
      });
    } catch {
      // The server forgets the session by itself.
    }
  }

  #die(error: SignalboxError): void {
    if (this.closed) return;
    this.closed = true;
    this.#stream?.stop();
    this.#parts.listener.closed(error);
  }

  #goneError(): SignalboxError {
    return failureOf(this.serverName, "SERVER_CLOSED", "was disconnected by the gateway");
  }
}

const newestLegacy = LEGACY_REVISIONS[0] ?? "2025-11-25";

function nameOf(deps: TransportDeps): string {
  return deps.serverName ?? "server";
}

function presented(parts: LaneParts): LaneContext {
  const capabilities = offeredCapabilities(parts.context.capabilities, parts.options);
  return { ...parts.context, capabilities };
}

function ownEndpoint(options: RemoteOptions, deps: TransportDeps): HttpEndpoint {
  return new HttpEndpoint({
    url: options.url ?? "",
    headers: options.headers,
    clock: deps.clock,
    connectTimeoutMs: deps.connectTimeoutMs,
  });
}
