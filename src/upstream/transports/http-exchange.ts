// One request over streamable HTTP, from its POST to its answer. It is at once undici's handler, the
// caller's handle and the thing with a deadline, so that a call costs one object and no closures.
//
//   waiting ──200 application/json──▶ body ──larger than inspected──▶ relay ─┐
//      │  └───200 text/event-stream─▶ events ──answer──▶ lingering ──────────┼─▶ over
//      └──────any other status──────▶ refusal ───────────────────────────────┘
//
// Legacy event streams that break after an event id are resumed with a GET (Last-Event-ID): the same
// object handles that response too. A request is sent a second time only where the server said that it
// does not know the session (404), so that it has not processed it.
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { ErrorCode, SignalboxError } from "../../foundation/index.ts";
import {
  isNotification,
  isRequest,
  META,
  parseJson,
  readMessage,
  RPC,
  SseParser,
  stringify,
  type Era,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
  type SseEvent,
} from "../../protocol/index.ts";
import type { ExchangeHandle, ExchangeSink, OutboundRequest } from "../lane.ts";
import {
  headIdAt,
  idAtInBytes,
  idAtInText,
  mayEndWithId,
  tailIdFromEnd,
  windowOf,
  withIdBytes,
  withRequestId,
} from "./answer-id.ts";
import type { HttpEndpoint, Timed } from "./http-endpoint.ts";
import { connectionFailure, failureOf, statusFailure } from "./http-failure.ts";

/** What an exchange needs of its lane. */
export interface ExchangeHost {
  readonly endpoint: HttpEndpoint;
  readonly serverName: string;
  readonly era: Era;
  readonly shared: boolean;
  readonly responseBytesMax: number;
  readonly inspectBytesMax: number;
  /** The legacy session in use, if the server gave one. */
  readonly sessionId: string | undefined;
  nextId(): number;
  postHeaders(request: OutboundRequest): string[];
  resumeHeaders(lastEventId: string): string[];
  /** The headers of the answer to `initialize`. */
  opened(headers: IncomingHttpHeaders): void;
  /** Makes a new session in place of `stale`, one at a time; never rejects. */
  renew(stale: string): Promise<SignalboxError | undefined>;
  /** Whether the lane itself answered a request of the server (ping, roots). */
  answers(request: JsonRpcRequest): boolean;
  /** Tells a legacy server that the request is given up. */
  cancelUpstream(id: RequestId, reason: string): void;
  /** A message that nobody waits for was dropped. */
  ignored(): void;
  /** The server no longer speaks this lane's era. */
  doubtEra(error: SignalboxError): void;
}

/** A second answer and the end of the stream are awaited this long after the first answer. */
const lingerMs = 5000;
const refusalBytesMax = 64 * 1024;
const timeoutMaxMsDefault = 10 * 60_000;
const resumeDelayMsDefault = 1000;
const resumeDelayMsMin = 100;
const resumeDelayMsMax = 60_000;
/** Resumptions in a row that bring no event. */
const resumesMax = 5;

type Phase = "waiting" | "body" | "relay" | "events" | "lingering" | "refusal" | "over";

/** One request in flight over streamable HTTP. */
export class HttpExchange implements ExchangeHandle, Timed, Dispatcher.DispatchHandler {
  deadlineMs: number;
  readonly #host: ExchangeHost;
  readonly #request: OutboundRequest;
  readonly #sink: ExchangeSink;
  readonly #id: RequestId;
  readonly #idText: string;
  readonly #callerIdText: string;
  readonly #startedMs: number;
  readonly #body: string;
  #phase: Phase = "waiting";
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #first: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  #length: number | undefined;
  #held: Buffer | undefined;
  #parser: SseParser | undefined;
  #garbage = false;
  #sessionUsed: string | undefined;
  #resent = false;
  #lastEventId: string | undefined;
  #retryMs = resumeDelayMsDefault;
  #resumes = 0;
  #resuming: NodeJS.Timeout | undefined;
  #failureOnEnd: SignalboxError | undefined;

  constructor(host: ExchangeHost, request: OutboundRequest, sink: ExchangeSink) {
    this.#host = host;
    this.#request = request;
    this.#sink = sink;
    const { id } = request.message;
    this.#callerIdText = typeof id === "number" ? String(id) : JSON.stringify(id);
    if (host.shared) {
      const minted = host.nextId();
      this.#id = minted;
      this.#idText = String(minted);
      this.#body = mintedBody(request, minted, this.#callerIdText, this.#idText);
    } else {
      this.#id = id;
      this.#idText = this.#callerIdText;
      this.#body = request.text ?? stringify(request.message);
    }
    this.#startedMs = host.endpoint.clock.monotonicMs();
    this.deadlineMs = this.#startedMs + request.timeoutMs;
  }

  /** Sends the request. */
  start(): this {
    this.#host.endpoint.watch(this);
    this.#post();
    return this;
  }

  cancel(reason: string): void {
    if (this.#phase === "over" || this.#phase === "lingering") return;
    this.#leave();
    this.#tellCancelled(reason);
    this.#controller?.abort(given);
  }

  resume(): void {
    this.#controller?.resume();
  }

  expire(): void {
    if (this.#phase === "lingering") {
      this.#leave();
      this.#controller?.abort(given);
      return;
    }
    if (this.#phase === "over") return;
    const seconds = Math.round(this.#host.endpoint.clock.monotonicMs() - this.#startedMs) / 1000;
    this.#tellCancelled("timed out");
    this.#break("SERVER_TIMEOUT", `did not answer within ${seconds} s`);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#phase === "over") controller.abort(given);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (controller !== this.#controller || this.#phase === "over" || status < 200) return;
    this.#status = status;
    if (this.#lastEventId !== undefined) this.#resumed(status, headers);
    else if (status >= 300) this.#phase = "refusal";
    else this.#accepted(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (controller !== this.#controller) return;
    switch (this.#phase) {
      case "events":
      case "lingering":
        this.#events(chunk);
        return;
      case "body":
        this.#collect(controller, chunk);
        return;
      case "relay":
        this.#bytes += chunk.length;
        if (this.#bytes > this.#host.responseBytesMax) this.#tooLarge();
        else this.#relay(controller, chunk);
        return;
      case "refusal":
        this.#bytes += chunk.length;
        if (this.#bytes <= refusalBytesMax) (this.#chunks ??= []).push(chunk);
        else this.#refused(Buffer.alloc(0));
        return;
      case "waiting":
      case "over":
    }
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (controller !== this.#controller) return;
    switch (this.#phase) {
      case "body":
        this.#answerBody();
        return;
      case "relay":
        this.#endRelay();
        return;
      case "events":
        this.#endEvents(undefined);
        return;
      case "lingering":
        this.#leave();
        return;
      case "refusal":
        this.#refused(Buffer.concat(this.#chunks ?? []));
        return;
      case "waiting":
      case "over":
    }
  }

  onResponseError(controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#phase === "over" || (controller ?? undefined) !== this.#controller) return;
    if (this.#phase === "lingering") {
      this.#leave();
      return;
    }
    if (this.#phase === "events" || this.#lastEventId !== undefined) {
      this.#endEvents(error);
      return;
    }
    const phase = this.#phase === "waiting" ? "sending" : "answering";
    const { serverName, endpoint } = this.#host;
    this.#fail(connectionFailure(serverName, endpoint.origin, error, phase));
  }

  // --- sending

  #post(): void {
    const { endpoint } = this.#host;
    this.#sessionUsed = this.#host.sessionId;
    this.#controller = undefined;
    endpoint.pool.dispatch(
      {
        path: endpoint.path,
        method: "POST",
        headers: this.#host.postHeaders(this.#request),
        body: this.#body,
      },
      this,
    );
  }

  #accepted(status: number, headers: IncomingHttpHeaders): void {
    if (this.#request.message.method === "initialize") this.#host.opened(headers);
    const type = headers["content-type"] ?? "";
    if (status === 202 || status === 204) {
      this.#break("SERVER_GARBAGE", `accepted a request without answering it (HTTP ${status})`);
    } else if (type.startsWith("application/json")) {
      this.#phase = "body";
      const length = headers["content-length"];
      this.#length = length === undefined ? undefined : Number(length);
      if (this.#length !== undefined && this.#length > this.#host.responseBytesMax)
        this.#tooLarge();
    } else if (type.startsWith("text/event-stream")) {
      this.#phase = "events";
      this.#parser = new SseParser(this.#host.responseBytesMax);
    } else {
      this.#break(
        "SERVER_GARBAGE",
        type === ""
          ? "answered without saying what kind of content it sends"
          : `answered with ${type.slice(0, 60)} where JSON or an event stream belongs`,
      );
    }
  }

  // --- one JSON document

  #collect(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#host.responseBytesMax) {
      this.#tooLarge();
      return;
    }
    if (this.#first === undefined) {
      this.#first = chunk;
      if ((this.#length ?? 0) > this.#host.inspectBytesMax) this.#beginRelay(controller, [chunk]);
      return;
    }
    (this.#chunks ??= [this.#first]).push(chunk);
    // Past the inspected size the head decides once; a document that cannot be relayed is read whole.
    const before = this.#bytes - chunk.length;
    if (this.#bytes > this.#host.inspectBytesMax && before <= this.#host.inspectBytesMax)
      this.#beginRelay(controller, this.#chunks);
  }

  #answerBody(): void {
    if (this.#first === undefined) {
      this.#break("SERVER_GARBAGE", "sent an empty answer");
      return;
    }
    const body =
      this.#chunks === undefined ? this.#first : Buffer.concat(this.#chunks, this.#bytes);
    const at = this.#mustParse() ? -1 : idAtInBytes(body, this.#idText);
    if (at >= 0) {
      this.#leave();
      this.#sink.answer(
        this.#idText === this.#callerIdText
          ? body
          : withIdBytes(body, at, this.#idText.length, this.#callerIdText),
      );
      return;
    }
    this.#parsed(body.toString("utf8"));
    if (this.#phase === "lingering") this.#leave();
    else if (this.#phase === "body")
      this.#break("SERVER_GARBAGE", "sent something that is not the answer to the request");
  }

  // A listen's own id is inside its messages too, and an answer to `initialize` is read by us anyway.
  #mustParse(): boolean {
    return this.#host.shared && this.#request.message.method === "subscriptions/listen";
  }

  // --- a large JSON document, passed on as it comes

  #beginRelay(controller: Dispatcher.DispatchController, chunks: readonly Buffer[]): void {
    const [first, ...rest] = chunks;
    if (first === undefined) return;
    const window = windowOf(this.#idText.length);
    const head = first.toString("latin1", 0, Math.min(window, first.length));
    const at = headIdAt(head, this.#idText);
    if (at < 0 && !mayEndWithId(head)) return;
    this.#phase = "relay";
    this.#first = undefined;
    this.#chunks = undefined;
    const grows = Buffer.byteLength(this.#callerIdText) - Buffer.byteLength(this.#idText);
    const length = this.#length === undefined ? undefined : this.#length + grows;
    if (at < 0) {
      this.#held = Buffer.alloc(0);
      this.#sink.begin(this.#holdBack(first), length);
    } else {
      const bytes = withIdBytes(first, at, this.#idText.length, this.#callerIdText);
      this.#sink.begin(bytes, length);
    }
    for (const chunk of rest) this.#relay(controller, chunk);
  }

  #relay(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : this.#holdBack(chunk);
    if (bytes.length > 0 && !this.#sink.chunk(bytes)) controller.pause();
  }

  // The id may stand at the very end: so many bytes are kept that it can be checked and replaced there.
  #holdBack(chunk: Buffer): Buffer {
    const window = windowOf(this.#idText.length);
    const all = this.#held?.length === 0 ? chunk : Buffer.concat([this.#held ?? chunk, chunk]);
    const keep = Math.min(window, all.length);
    this.#held = all.subarray(all.length - keep);
    return all.subarray(0, all.length - keep);
  }

  #endRelay(): void {
    if (this.#held !== undefined) {
      const held = this.#held;
      const fromEnd = tailIdFromEnd(held.toString("latin1", 0, held.length), this.#idText);
      if (fromEnd < 0) {
        this.#break("SERVER_GARBAGE", "sent something that is not the answer to the request");
        return;
      }
      const at = held.length - fromEnd;
      this.#sink.chunk(withIdBytes(held, at, this.#idText.length, this.#callerIdText));
    }
    this.#leave();
    this.#sink.end();
  }

  // --- an event stream

  #events(chunk: Buffer): void {
    let events: SseEvent[];
    try {
      events = this.#parser?.push(chunk) ?? [];
    } catch {
      if (this.#phase === "lingering") this.expire();
      else this.#tooLarge();
      return;
    }
    for (const event of events) {
      this.#event(event);
      if (this.#isOver()) return;
    }
  }

  #isOver(): boolean {
    return this.#phase === "over";
  }

  #event(event: SseEvent): void {
    if (event.id !== undefined) this.#lastEventId = event.id;
    if (event.retry !== undefined) this.#retryMs = event.retry;
    if (event.data === "") return;
    this.#resumes = 0;
    if (this.#phase === "lingering" || (event.event ?? "message") !== "message") {
      this.#host.ignored();
      return;
    }
    const at = this.#mustParse() ? -1 : idAtInText(event.data, this.#idText);
    if (at < 0) this.#parsed(event.data);
    else this.#answered(Buffer.from(this.#withCallerId(event.data, at)));
  }

  #withCallerId(text: string, at: number): string {
    if (this.#idText === this.#callerIdText) return text;
    return text.slice(0, at) + this.#callerIdText + text.slice(at + this.#idText.length);
  }

  #answered(body: Buffer): void {
    this.#phase = "lingering";
    this.deadlineMs = this.#host.endpoint.clock.monotonicMs() + lingerMs;
    this.#sink.answer(body);
  }

  #parsed(text: string): void {
    let value: unknown;
    try {
      value = parseJson(text);
    } catch {
      this.#garbage = true;
      this.#host.ignored();
      return;
    }
    for (const one of Array.isArray(value) ? value : [value]) this.#message(one);
  }

  #message(value: unknown): void {
    const read = readMessage(value);
    if (this.#phase === "lingering" || this.#phase === "over" || !read.ok) {
      this.#garbage ||= !read.ok;
      this.#host.ignored();
      return;
    }
    const { message } = read;
    if (isNotification(message)) this.#notification(message);
    else if (isRequest(message)) this.#serverRequest(message);
    else if (this.#isOurs(message)) this.#answered(this.#callersAnswer(message));
    else {
      this.#garbage = true;
      this.#host.ignored();
    }
  }

  // A server that could not read an id answers without one; on this stream it can only mean us.
  #isOurs(response: JsonRpcResponse): boolean {
    if (response.id === undefined || response.id === null) return response.error !== undefined;
    return String(response.id) === String(this.#id);
  }

  #callersAnswer(response: JsonRpcResponse): Buffer {
    response.id = this.#request.message.id;
    const meta = response.result?.["_meta"];
    if (isObject(meta)) this.#restoreSubscription(meta);
    return Buffer.from(stringify(response));
  }

  #notification(message: JsonRpcNotification): void {
    const params = message.params;
    if (message.method === "notifications/progress") {
      this.#postpone();
      if (this.#host.shared && params?.["progressToken"] === this.#id)
        params["progressToken"] = callersToken(this.#request);
    }
    const meta = params?.["_meta"];
    if (isObject(meta)) this.#restoreSubscription(meta);
    this.#sink.message(message);
  }

  #restoreSubscription(meta: Record<string, unknown>): void {
    if (this.#host.shared && meta[META.subscriptionId] === this.#id)
      meta[META.subscriptionId] = this.#request.message.id;
  }

  #serverRequest(request: JsonRpcRequest): void {
    if (this.#host.era === "modern") this.#host.ignored();
    else if (!this.#host.answers(request)) this.#sink.message(request);
  }

  #postpone(): void {
    const { timeoutMs, timeoutMaxMs = timeoutMaxMsDefault } = this.#request;
    const latest = this.#startedMs + Math.max(timeoutMs, timeoutMaxMs);
    const next = this.#host.endpoint.clock.monotonicMs() + timeoutMs;
    this.deadlineMs = Math.min(next, latest);
  }

  #endEvents(error: Error | undefined): void {
    if (this.#canResume()) {
      this.#resumeLater();
      return;
    }
    if (this.#failureOnEnd !== undefined) this.#fail(this.#failureOnEnd);
    else if (error !== undefined) {
      const { serverName, endpoint } = this.#host;
      this.#fail(connectionFailure(serverName, endpoint.origin, error, "answering"));
    } else if (this.#garbage)
      this.#break("SERVER_GARBAGE", "sent something that is not the answer to the request");
    else this.#break("SERVER_CLOSED", "ended its event stream before it answered");
  }

  // --- resuming a legacy event stream

  #canResume(): boolean {
    return (
      this.#host.era === "legacy" && this.#lastEventId !== undefined && this.#resumes < resumesMax
    );
  }

  #resumeLater(): void {
    this.#phase = "waiting";
    this.#resumes++;
    const delayMs = Math.min(Math.max(this.#retryMs, resumeDelayMsMin), resumeDelayMsMax);
    this.#resuming = setTimeout(() => this.#get(), delayMs).unref();
  }

  #get(): void {
    const { endpoint } = this.#host;
    if (this.#phase === "over" || this.#lastEventId === undefined) return;
    this.#controller = undefined;
    endpoint.pool.dispatch(
      {
        path: endpoint.path,
        method: "GET",
        headers: this.#host.resumeHeaders(this.#lastEventId),
      },
      this,
    );
  }

  #resumed(status: number, headers: IncomingHttpHeaders): void {
    const type = headers["content-type"] ?? "";
    if (status === 200 && type.startsWith("text/event-stream")) {
      this.#phase = "events";
      this.#parser = new SseParser(this.#host.responseBytesMax);
      return;
    }
    if (status < 500) this.#resumes = resumesMax;
    this.#failureOnEnd = failureOf(
      this.#host.serverName,
      "SERVER_CLOSED",
      `broke its event stream and did not resume it (HTTP ${status})`,
    );
    this.#phase = "events";
    this.#parser = undefined;
  }

  // --- refusals

  #refused(body: Buffer): void {
    const status = this.#status;
    const reply = status < 500 && status !== 401 && status !== 403 ? errorIn(body) : undefined;
    const exact = reply?.id !== undefined && reply.id !== null && this.#isOurs(reply);
    if (this.#sessionUsed !== undefined && !exact && saysSessionIsGone(status, reply)) {
      this.#renewAndResend(this.#sessionUsed, status);
      return;
    }
    if (reply !== undefined && this.#isOurs(reply) && !this.#isHopError(reply, exact)) {
      const answer = this.#callersAnswer(reply);
      this.#leaveAndStop();
      this.#sink.answer(answer);
      return;
    }
    const failure = this.#refusal(status, reply);
    this.#fail(failure);
    if (this.#contradictsEra(status, reply)) this.#host.doubtEra(failure);
  }

  // Errors that speak about this hop, not about the caller's request, are not for the caller.
  #isHopError(reply: JsonRpcResponse, exact: boolean): boolean {
    const code = reply.error?.code ?? 0;
    if (code === RPC.headerMismatch || code === RPC.unsupportedProtocolVersion) return true;
    return this.#host.era === "modern" && !exact && code <= -32000 && code > -32020;
  }

  #refusal(status: number, reply: JsonRpcResponse | undefined): SignalboxError {
    if (reply?.error === undefined) return statusFailure(this.#host.serverName, status);
    const { code, message } = reply.error;
    return failureOf(
      this.#host.serverName,
      "SERVER_REFUSED",
      `refused what the gateway sent: ${message.slice(0, 200)} (${code}, HTTP ${status})`,
      { details: { status, rpcCode: code } },
    );
  }

  #contradictsEra(status: number, reply: JsonRpcResponse | undefined): boolean {
    const code = reply?.error?.code;
    if (code === RPC.unsupportedProtocolVersion) return true;
    if (this.#host.era === "legacy") return status === 405 && code === undefined;
    if (status !== 400 && status !== 404 && status !== 405) return false;
    return code === undefined || (code <= -32000 && code > -32020);
  }

  #renewAndResend(session: string, status: number): void {
    if (this.#resent || this.#request.message.method === "initialize") {
      this.#break("SERVER_CLOSED", `does not keep its sessions (HTTP ${status} for a new one)`);
      return;
    }
    this.#resent = true;
    this.#phase = "waiting";
    this.#controller?.abort(given);
    this.#controller = undefined;
    this.#bytes = 0;
    this.#chunks = undefined;
    void this.#resend(session);
  }

  async #resend(session: string): Promise<void> {
    const failure = await this.#host.renew(session);
    if (this.#isOver()) return;
    if (failure === undefined) this.#post();
    else this.#fail(failure);
  }

  // --- endings

  #tooLarge(): void {
    const limit = this.#host.responseBytesMax;
    this.#break("SERVER_TOO_LARGE", `sent an answer larger than ${limit} bytes`);
  }

  /** Fails the exchange and stops the server's answer. */
  #break(code: ErrorCode, sentence: string): void {
    this.#fail(failureOf(this.#host.serverName, code, sentence));
  }

  #fail(error: SignalboxError): void {
    this.#leaveAndStop();
    this.#sink.fail(error);
  }

  #leaveAndStop(): void {
    this.#leave();
    this.#controller?.abort(given); // does nothing where the response is complete
  }

  #leave(): void {
    this.#phase = "over";
    this.#host.endpoint.unwatch(this);
    if (this.#resuming !== undefined) clearTimeout(this.#resuming);
    this.#first = undefined;
    this.#chunks = undefined;
    this.#held = undefined;
    this.#parser = undefined;
  }

  #tellCancelled(reason: string): void {
    if (this.#host.era === "legacy" && this.#request.message.method !== "initialize")
      this.#host.cancelUpstream(this.#id, reason);
  }
}

/** The reason undici is given when we stop a response: our own doing, never shown. */
const given = new Error("the exchange is over");

/** The request's text with the minted id, also as progress token where the caller asked for progress. */
function mintedBody(
  request: OutboundRequest,
  id: number,
  callerIdText: string,
  idText: string,
): string {
  const { message, text } = request;
  const meta = message.params?.["_meta"];
  const hasToken = isObject(meta) && meta["progressToken"] !== undefined;
  if (text !== undefined && !hasToken) {
    const replaced = withRequestId(text, callerIdText, idText);
    if (replaced !== undefined) return replaced;
  }
  const callerId = message.id;
  const token = hasToken ? meta["progressToken"] : undefined;
  message.id = id;
  if (hasToken) meta["progressToken"] = id;
  try {
    return stringify(message);
  } finally {
    message.id = callerId;
    if (hasToken) meta["progressToken"] = token;
  }
}

function callersToken(request: OutboundRequest): unknown {
  const meta = request.message.params?.["_meta"];
  return isObject(meta) ? meta["progressToken"] : undefined;
}

function errorIn(body: Buffer): JsonRpcResponse | undefined {
  if (body.length === 0) return undefined;
  try {
    const read = readMessage(parseJson(body.toString("utf8")));
    if (!read.ok || !("error" in read.message)) return undefined;
    return read.message;
  } catch {
    return undefined;
  }
}

// The specification says 404. Many servers built on the SDK's examples say 400 with -32000 instead.
function saysSessionIsGone(status: number, reply: JsonRpcResponse | undefined): boolean {
  if (status === 404) return true;
  if (status !== 400 || reply?.error === undefined) return false;
  const { code, message } = reply.error;
  if (code === RPC.sessionNotFound) return true;
  return code === -32000 && /session|not initialized/i.test(message);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
