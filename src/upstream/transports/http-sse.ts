// HTTP+SSE, the transport of 2024-11-05: one GET stream carries everything the server says, and each
// message of ours is a POST to the address that the stream's first event names. All exchanges share the
// stream, so ids and progress tokens are always minted here. A lost stream loses the session.
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { isSignalboxError, type SignalboxError } from "../../foundation/index.ts";
import {
  isJsonObject,
  isNotification,
  isRequest,
  LEGACY_REVISIONS,
  parseJson,
  readMessage,
  SseOverflowError,
  SseParser,
  stringify,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type SseEvent,
} from "../../protocol/index.ts";
import { ask, resultOf } from "../ask.ts";
import { isAboutToken, REFUSALS_MAX } from "../credentials.ts";
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
import { HttpEndpoint, type Timed } from "./http-endpoint.ts";
import { connectionFailure, failureOf, statusFailure } from "./http-failure.ts";
import type { OnceRequest } from "./http-once.ts";
import { findId, found, withFoundId } from "./minted-id.ts";
import { challengeIn, onceAuthorized } from "./once-authorized.ts";
import { Exchange, type ExchangeOwner } from "./stdio-exchange.ts";

const newestRevision = LEGACY_REVISIONS[0] ?? "2025-11-25";
const postTimeoutMs = 30_000;
const exchangesMax = 10_000;

type RemoteOptions = Pick<ServerOptions, "url" | "headers" | "roots">;

/** Connects to the event stream at `options.url` and opens a session over it. */
export async function open(
  options: RemoteOptions,
  context: LaneContext,
  listener: LaneListener,
  deps: TransportDeps,
): Promise<Lane> {
  const endpoint =
    deps.endpoint ??
    new HttpEndpoint({
      url: options.url ?? "",
      headers: options.headers,
      clock: deps.clock,
      connectTimeoutMs: deps.connectTimeoutMs,
    });
  const { credentials } = context;
  let authorization = credentials && (await credentials.of.get(credentials.subject));
  for (let refusals = 0; ; refusals++) {
    const lane = new HttpSseLane({ endpoint, options, context, listener, deps });
    try {
      await lane.open(authorization ?? "");
      return lane;
    } catch (error) {
      const { refused } = lane;
      if (credentials === undefined || refused === undefined || refusals === REFUSALS_MAX) {
        await lane.close();
        throw error;
      }
      const { of, subject } = credentials;
      authorization = await of.refused({ subject, used: authorization ?? "", ...refused });
    }
  }
}

interface LaneParts {
  endpoint: HttpEndpoint;
  options: RemoteOptions;
  context: LaneContext;
  listener: LaneListener;
  deps: TransportDeps;
}

class HttpSseLane implements Lane, ExchangeOwner, Timed, Dispatcher.DispatchHandler {
  readonly era = "legacy";
  readonly shared: boolean;
  revision = newestRevision;
  capabilities: JsonObject = {};
  serverInfo: JsonObject = {};
  declare instructions?: string;
  closed = false;
  /** What the server said where it wants another token. */
  refused: { status: number; challenge: string | undefined } | undefined;
  /** As a thing with deadlines it is always due: it looks through its exchanges itself. */
  readonly deadlineMs = -1;
  place = -1;
  readonly #parts: LaneParts;
  readonly #serverName: string;
  readonly #pending = new Map<number, Exchange>();
  readonly #parser: SseParser;
  readonly #headers: string[];
  readonly #ready = Promise.withResolvers<void>();
  #controller: Dispatcher.DispatchController | undefined;
  #answering = false;
  #postPath: string | undefined;
  #opened = false;
  #lastId = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#serverName = parts.deps.serverName ?? "server";
    this.shared = parts.context.shared;
    this.#parser = new SseParser(parts.deps.responseBytesMax, parts.deps.held);
    this.#headers = [...parts.endpoint.headers, "content-type", "application/json"];
    this.#ready.promise.catch(() => undefined); // awaited later, or not at all
  }

  /** Waits for the stream's address and opens the session. */
  async open(authorization: string): Promise<void> {
    const { context, deps } = this.#parts;
    const signal = context.signal;
    await this.#connect(authorization, signal);
    const response = await ask(
      this,
      "initialize",
      {
        protocolVersion: context.revision ?? newestRevision,
        capabilities: offeredCapabilities(context.capabilities, this.#parts.options),
        clientInfo: context.clientInfo,
      },
      { timeoutMs: deps.connectTimeoutMs, ...(signal && { signal }) },
    );
    this.#describe(resultOf(response, this.#serverName, "initialize"));
    this.notify({ jsonrpc: "2.0", method: "notifications/initialized" });
    this.#opened = true;
  }

  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    const { clock } = this.#parts.deps;
    const exchange = new Exchange(this, ++this.#lastId, request, sink, clock.monotonicMs());
    if (this.closed || this.#pending.size >= exchangesMax) {
      sink.fail(
        this.closed
          ? this.#failure("SERVER_CLOSED", "was disconnected", { delivered: "no" })
          : this.#failure("SERVER_REFUSED", "is busy: too much waits for it", { delivered: "no" }),
      );
      return exchange;
    }
    this.#pending.set(exchange.id, exchange);
    this.#parts.endpoint.watch(this);
    void this.#post(exchange.encode(request.message), exchange);
    return exchange;
  }

  notify(message: JsonRpcNotification): void {
    void this.#post(stringify(message), undefined);
  }

  respond(response: JsonRpcResponse): void {
    void this.#post(stringify(response), undefined);
  }

  async close(): Promise<void> {
    this.#end(this.#failure("SERVER_CLOSED", "was disconnected by the gateway"), false);
    if (this.#parts.endpoint !== this.#parts.deps.endpoint) await this.#parts.endpoint.close();
  }

  cancel(exchange: Exchange, reason: string): void {
    if (!this.#settle(exchange) || exchange.handshake) return;
    this.notify({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: exchange.id, reason },
    });
  }

  expire(): void {
    const now = this.#parts.deps.clock.monotonicMs();
    for (const exchange of this.#pending.values()) {
      if (exchange.deadlineMs > now) continue;
      const seconds = Math.round(exchange.allowedMs) / 1000;
      this.cancel(exchange, "timed out");
      exchange.sink.fail(this.#failure("SERVER_TIMEOUT", `did not answer within ${seconds} s`));
    }
  }

  // --- the stream

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.closed) controller.abort(given);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.closed || status < 200) return;
    this.#answering = true;
    if (status === 200 && headers["content-type"]?.startsWith("text/event-stream")) return;
    const challenge = challengeIn(headers);
    if (isAboutToken(status, challenge)) this.refused = { status, challenge };
    this.#end(
      status === 200
        ? this.#failure("SERVER_REFUSED", "does not answer a GET with an event stream")
        : statusFailure(this.#serverName, status),
      true,
    );
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.closed) return;
    let events: SseEvent[];
    try {
      events = this.#parser.push(chunk);
    } catch (error) {
      const { responseBytesMax, held } = this.#parts.deps;
      const crowded = error instanceof SseOverflowError && error.crowded;
      const what = crowded ? held?.refusal : `an event larger than ${responseBytesMax} bytes`;
      this.#end(this.#failure("SERVER_TOO_LARGE", `sent ${what}`), true);
      return;
    }
    for (const event of events) if (!this.closed) this.#event(event);
  }

  onResponseEnd(): void {
    this.#end(this.#failure("SERVER_CLOSED", "ended its event stream"), true);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const taken = this.#controller === undefined ? "connecting" : "sending";
    const phase = this.#answering ? "answering" : taken;
    const { origin } = this.#parts.endpoint;
    this.#end(connectionFailure(this.#serverName, origin, error, phase), true);
  }

  async #connect(authorization: string, signal: AbortSignal | undefined): Promise<void> {
    const { endpoint, deps } = this.#parts;
    signal?.throwIfAborted();
    const abort = (): void => this.#ready.reject(signal?.reason);
    const late = (): void =>
      this.#ready.reject(this.#failure("SERVER_TIMEOUT", "named no address for messages in time"));
    signal?.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(late, deps.connectTimeoutMs);
    const headers = [...endpoint.headers, "accept", "text/event-stream"];
    if (authorization !== "") headers.push("authorization", authorization);
    endpoint.streams.dispatch({ path: endpoint.path, method: "GET", headers }, this);
    try {
      await this.#ready.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  #event(event: SseEvent): void {
    if (event.event === "endpoint") this.#takeAddress(event.data);
    else if (event.data !== "" && (event.event ?? "message") === "message") this.#take(event.data);
  }

  // A server that could name another origin could make the gateway send its credentials there.
  #takeAddress(address: string): void {
    const { endpoint } = this.#parts;
    const url = URL.parse(address.trim(), endpoint.origin + endpoint.path);
    if (url === null || url.origin !== endpoint.origin) {
      this.#end(this.#failure("SERVER_REFUSED", "wants messages sent to another origin"), true);
      return;
    }
    this.#postPath = url.pathname + url.search;
    this.#ready.resolve();
  }

  #take(text: string): void {
    const bytes = Buffer.from(text);
    if (findId(bytes, 0, bytes.length)) {
      const exchange = this.#pending.get(found.id);
      if (exchange === undefined) return;
      this.#settle(exchange);
      exchange.sink.answer(withFoundId(bytes, 0, bytes.length, false, exchange.callerIdText));
      return;
    }
    let value: unknown;
    try {
      value = parseJson(text);
    } catch {
      return;
    }
    for (const one of Array.isArray(value) ? value : [value]) this.#message(one);
  }

  #message(value: unknown): void {
    const read = readMessage(value);
    if (!read.ok) return;
    const { message } = read;
    if (isNotification(message)) this.#notification(message);
    else if (isRequest(message)) this.#serverRequest(message);
    else this.#response(message);
  }

  #response(response: JsonRpcResponse): void {
    const { id } = response;
    const exchange =
      id === undefined || id === null
        ? response.error && this.#only()
        : this.#pending.get(Number(id));
    if (exchange === undefined || !this.#settle(exchange)) return;
    response.id = exchange.callerId;
    exchange.sink.answer(Buffer.from(stringify(response)));
  }

  #notification(message: JsonRpcNotification): void {
    const { method, params } = message;
    if (method !== "notifications/progress") {
      const only = method === "notifications/message" ? this.#only() : undefined;
      if (only === undefined) this.#parts.listener.notification(message);
      else only.sink.message(message);
      return;
    }
    const exchange = this.#pending.get(Number(params?.["progressToken"]));
    if (params === undefined || exchange?.progressToken === undefined) return;
    params["progressToken"] = exchange.progressToken;
    exchange.prolong(this.#parts.deps.clock.monotonicMs());
    exchange.sink.message(message);
  }

  /** What names no exchange belongs to the one in flight, where there is exactly one. */
  #serverRequest(request: JsonRpcRequest): void {
    const answer = localAnswer(request, this.#parts.options);
    const only = this.#only();
    if (answer !== undefined) this.respond(answer);
    else if (only === undefined) this.#parts.listener.request(request);
    else only.sink.message(request);
  }

  #only(): Exchange | undefined {
    if (this.#pending.size !== 1) return undefined;
    for (const exchange of this.#pending.values()) return exchange;
    return undefined;
  }

  // --- messages out

  async #post(body: string, exchange: Exchange | undefined): Promise<void> {
    const { endpoint, deps } = this.#parts;
    if (this.closed || this.#postPath === undefined) return;
    try {
      const request: OnceRequest = {
        server: this.#serverName,
        method: "POST",
        path: this.#postPath,
        headers: this.#headers,
        body,
        timeoutMs: postTimeoutMs,
      };
      const reply = await onceAuthorized(endpoint, request, this.#parts.context.credentials);
      if (reply.response !== undefined) this.#response(reply.response);
      else if (reply.status === 404 && this.#opened) this.#forgotten(exchange);
      else if (reply.status >= 300) throw statusFailure(this.#serverName, reply.status);
    } catch (error) {
      if (exchange !== undefined && isSignalboxError(error)) this.#fail(exchange, error);
      else deps.log.debug({ err: error }, "a message did not reach the server");
    }
  }

  // The server does not know the session any more: it has not looked at the message, and will not at the next.
  #forgotten(exchange: Exchange | undefined): void {
    const sentence = "does not know the session any more (HTTP 404)";
    if (exchange !== undefined)
      this.#fail(exchange, this.#failure("SERVER_CLOSED", sentence, { delivered: "no" }));
    this.#end(this.#failure("SERVER_CLOSED", sentence), true);
  }

  #fail(exchange: Exchange, error: SignalboxError): void {
    if (this.#settle(exchange)) exchange.sink.fail(error);
  }

  #settle(exchange: Exchange): boolean {
    const was = this.#pending.delete(exchange.id);
    if (this.#pending.size === 0) this.#parts.endpoint.unwatch(this);
    return was;
  }

  /** The stream is over, and the session with it. */
  #end(error: SignalboxError, tell: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.#ready.reject(error);
    this.#controller?.abort(given);
    this.#parser.close();
    for (const exchange of Array.from(this.#pending.values())) this.#fail(exchange, error);
    if (tell && this.#opened) this.#parts.listener.closed(error);
  }

  #describe(result: JsonObject): void {
    const { protocolVersion, capabilities, serverInfo, instructions } = result;
    if (typeof protocolVersion !== "string" || !LEGACY_REVISIONS.includes(protocolVersion))
      throw this.#failure("SERVER_REFUSED", "answered initialize with an unknown revision");
    this.revision = protocolVersion;
    this.capabilities = isJsonObject(capabilities) ? capabilities : {};
    this.serverInfo = isJsonObject(serverInfo) ? serverInfo : {};
    if (typeof instructions === "string") this.instructions = instructions;
  }

  #failure(
    code: Parameters<typeof failureOf>[1],
    sentence: string,
    details: Record<string, unknown> = {},
  ): SignalboxError {
    return failureOf(this.#serverName, code, sentence, { details });
  }
}

const given = new Error("the stream is no longer needed");
