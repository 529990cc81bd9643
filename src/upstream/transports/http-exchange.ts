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
import {
  HeldShare,
  SignalboxError,
  UNCOUNTED_BYTES,
  isSignalboxError,
  type ErrorCode,
  type HeldBytes,
} from "../../foundation/index.ts";
import {
  isJsonObject,
  isNotification,
  isRequest,
  META,
  parseJson,
  readMessage,
  RPC,
  SseOverflowError,
  SseParser,
  stringify,
  type Era,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
  type SseEvent,
} from "../../protocol/index.ts";
import { isAboutToken, REFUSALS_MAX, type LaneCredentials } from "../credentials.ts";
import type { ExchangeHandle, ExchangeSink, OutboundRequest } from "../lane.ts";
import { idAtInBytes, idAtInText, withIdBytes } from "./answer-id.ts";
import type { HttpEndpoint, Timed } from "./http-endpoint.ts";
import { connectionFailure, failureOf, notDelivered, retryAfterMsOf } from "./http-failure.ts";
import {
  contradictsEra,
  isAboutThisHop,
  refusalFailure,
  refusalOf,
  saysSessionIsGone,
} from "./http-refusal.ts";
import { LargeAnswer } from "./large-answer.ts";
import { lineMargin } from "./line-splitter.ts";
import { findId, found, withFoundId } from "./minted-id.ts";
import { callersToken, mintedBody } from "./minted-request.ts";
import { challengeIn } from "./once-authorized.ts";
import { WholeBody } from "./whole-body.ts";
import { serverWords } from "../server-words.ts";

/** What an exchange needs of its lane. */
export interface ExchangeHost {
  readonly endpoint: HttpEndpoint;
  readonly serverName: string;
  readonly era: Era;
  readonly shared: boolean;
  readonly responseBytesMax: number;
  readonly inspectBytesMax: number;
  /** Of a server that takes tokens. */
  readonly credentials: LaneCredentials | undefined;
  readonly held: HeldBytes | undefined;
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
/** A request whose session was forgotten is sent again in a new one, at most so often. */
const resendsMax = 3;
/** Resumptions in a row that bring no event. */
const resumesMax = 5;

type Phase = "waiting" | "body" | "relay" | "events" | "lingering" | "refusal" | "over";

/** One request in flight over streamable HTTP. */
export class HttpExchange implements ExchangeHandle, Timed, Dispatcher.DispatchHandler {
  deadlineMs: number;
  place = -1;
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
  #retryAfterMs: number | undefined;
  /** The value of `Authorization`; "" for none. */
  #authorization = "";
  #challenge: string | undefined;
  #refusals = 0;
  /** Credentials are being got. */
  #authorizing = false;
  #first: Buffer | undefined;
  #whole: WholeBody | undefined;
  #share: HeldShare | undefined;
  #large: LargeAnswer | undefined;
  #bytes = 0;
  #length: number | undefined;
  #parser: SseParser | undefined;
  #garbage = false;
  #sessionUsed: string | undefined;
  #resends = 0;
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
      this.#body = mintedBody(request, minted);
    } else {
      this.#id = id;
      this.#idText = this.#callerIdText;
      this.#body = stringify(request.message);
    }
    this.#startedMs = host.endpoint.clock.monotonicMs();
    this.deadlineMs = this.#startedMs + request.timeoutMs;
  }

  /** Sends the request. */
  start(): this {
    this.#host.endpoint.watch(this);
    const { credentials } = this.#host;
    if (credentials === undefined) this.#post();
    else this.#authorize(credentials);
    return this;
  }

  cancel(reason: string): void {
    if (this.#phase === "over" || this.#phase === "lingering") return;
    this.#leaveAndStop();
    this.#tellCancelled(reason);
  }

  resume(): void {
    this.#controller?.resume();
  }

  expire(): void {
    if (this.#phase === "lingering") {
      this.#leaveAndStop();
      return;
    }
    if (this.#phase === "over") return;
    const seconds = Math.round(this.#host.endpoint.clock.monotonicMs() - this.#startedMs) / 1000;
    if (this.#wasSent) {
      this.#tellCancelled("timed out");
      this.#break("SERVER_TIMEOUT", `did not answer within ${seconds} s`);
      return;
    }
    const sentence = this.#authorizing
      ? `was not asked: no token for it came within ${seconds} s`
      : `was not asked: no connection to it was free or could be made within ${seconds} s`;
    const details = { delivered: "no" };
    this.#fail(failureOf(this.#host.serverName, "SERVER_TIMEOUT", sentence, { details }));
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
    if (status === 429 || status === 503)
      this.#retryAfterMs = retryAfterMsOf(headers, this.#host.endpoint.clock.now());
    if (status === 401 || status === 403) this.#challenge = challengeIn(headers);
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
        else this.#large?.relay(controller, chunk);
        return;
      case "refusal":
        this.#bytes += chunk.length;
        if (this.#bytes > refusalBytesMax) this.#refused(Buffer.alloc(0));
        else (this.#whole ??= new WholeBody(undefined)).push(chunk);
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
        this.#refused(Buffer.concat(this.#whole?.chunks ?? []));
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
    const taken = this.#controller === undefined ? "connecting" : "sending";
    const phase = this.#phase === "waiting" ? taken : "answering";
    const { serverName, endpoint } = this.#host;
    this.#fail(connectionFailure(serverName, endpoint.origin, error, phase));
  }

  // --- sending

  #post(): void {
    const { endpoint } = this.#host;
    this.#sessionUsed = this.#host.sessionId;
    this.#controller = undefined;
    const pool = this.deadlineMs === Infinity ? endpoint.streams : endpoint.pool;
    pool.dispatch(
      {
        path: endpoint.path,
        method: "POST",
        headers: this.#authorized(this.#host.postHeaders(this.#request)),
        body: this.#body,
      },
      this,
    );
  }

  #authorize({ of, subject }: LaneCredentials): void {
    const whose = this.#request.subject ?? subject;
    const value = of.now(whose);
    if (value === undefined) void this.#postWith(of.get(whose));
    else {
      this.#authorization = value;
      this.#post();
    }
  }

  async #postWith(authorization: Promise<string>): Promise<void> {
    this.#authorizing = true;
    try {
      this.#authorization = await authorization;
    } catch (error) {
      if (!this.#isOver()) this.#fail(this.#notAuthorized(error));
      return;
    } finally {
      this.#authorizing = false;
    }
    if (!this.#isOver()) this.#post();
  }

  // Either nothing was sent, or the server refused to look at it.
  #notAuthorized(error: unknown): SignalboxError {
    if (!isSignalboxError(error)) {
      const more = { cause: error, details: { delivered: "no" } };
      return failureOf(this.#host.serverName, "OAUTH_FAILED", "was given no token", more);
    }
    const details = { ...error.details, delivered: "no" };
    return new SignalboxError(error.code, error.message, { cause: error, details });
  }

  // The lane's own headers are not to be added to.
  #authorized(headers: string[]): string[] {
    return this.#authorization === ""
      ? headers
      : [...headers, "authorization", this.#authorization];
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
      this.#parser = new SseParser(this.#host.responseBytesMax, this.#host.held);
    } else {
      this.#break(
        "SERVER_GARBAGE",
        type === ""
          ? "answered without saying what kind of content it sends"
          : `answered with ${serverWords(type, 60)} where JSON or an event stream belongs`,
      );
    }
  }

  // --- one JSON document

  #collect(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#host.responseBytesMax) {
      this.#tooLarge();
      return;
    }
    const inspectMax = this.#request.inspectBytesMax ?? this.#host.inspectBytesMax;
    if (this.#first === undefined) {
      this.#first = chunk;
      if ((this.#length ?? this.#bytes) > inspectMax) this.#beginRelay(controller, [chunk]);
      return;
    }
    if (!this.#fits(this.#length ?? this.#bytes)) {
      this.#noRoom();
      return;
    }
    if (this.#whole === undefined) {
      this.#whole = new WholeBody(this.#length);
      this.#whole.push(this.#first);
    }
    this.#whole.push(chunk);
    // The head decides once whether it can be relayed; what cannot is read whole.
    if (this.#length === undefined && this.#bytes > inspectMax && before <= inspectMax)
      this.#beginRelay(controller, this.#whole.chunks);
  }

  #fits(bytes: number): boolean {
    const { held } = this.#host;
    if (bytes <= UNCOUNTED_BYTES || held === undefined) return true;
    return (this.#share ??= new HeldShare(held)).fit(bytes);
  }

  #answerBody(): void {
    if (this.#first === undefined) {
      this.#break("SERVER_GARBAGE", "sent an empty answer");
      return;
    }
    const bytes = this.#whole?.take() ?? this.#first;
    const margin = this.#whole === undefined ? 0 : lineMargin;
    const answer = this.#callersBytes(bytes, margin, bytes.length - margin);
    if (answer !== undefined) {
      this.#leave();
      this.#sink.answer(answer);
      return;
    }
    this.#parsed(bytes.toString("utf8", margin, bytes.length - margin));
    if (this.#phase === "lingering") this.#leave();
    else if (this.#phase === "body")
      this.#break("SERVER_GARBAGE", "sent something that is not the answer to the request");
  }

  /** The answer under the caller's id, or undefined where it must be parsed to know whose it is. */
  #callersBytes(bytes: Buffer, start: number, end: number): Buffer | undefined {
    if (this.#mustParse()) return undefined;
    const body = bytes.subarray(start, end);
    if (this.#idText === this.#callerIdText)
      return idAtInBytes(body, this.#idText) < 0 ? undefined : body;
    if (findId(bytes, start, end)) {
      if (found.id !== this.#id) return undefined;
      // A shorter id is written in place: these bytes are nobody else's.
      const inPlace = start > 0 || Buffer.byteLength(this.#callerIdText) <= this.#idText.length;
      return withFoundId(bytes, start, end, inPlace, this.#callerIdText);
    }
    const at = idAtInBytes(body, this.#idText);
    return at < 0 ? undefined : withIdBytes(body, at, this.#idText.length, this.#callerIdText);
  }

  // A listen's id is inside its messages too.
  #mustParse(): boolean {
    return this.#host.shared && this.#request.message.method === "subscriptions/listen";
  }

  #beginRelay(controller: Dispatcher.DispatchController, chunks: readonly Buffer[]): void {
    const [first, ...rest] = chunks;
    if (first === undefined || this.#mustParse()) return;
    this.#phase = "relay";
    this.#large = LargeAnswer.begin(
      this.#sink,
      first,
      this.#length,
      this.#idText,
      this.#callerIdText,
    );
    if (this.#large === undefined) {
      this.#phase = "body";
      return;
    }
    this.#first = undefined;
    this.#whole = undefined;
    this.#share?.giveBack();
    for (const chunk of rest) this.#large?.relay(controller, chunk);
  }

  #endRelay(): void {
    if (this.#large?.end() === false) {
      this.#break("SERVER_GARBAGE", "sent something that is not the answer to the request");
      return;
    }
    this.#leave();
    this.#sink.end();
  }

  // --- an event stream

  #events(chunk: Buffer): void {
    let events: SseEvent[];
    try {
      events = this.#parser?.push(chunk) ?? [];
    } catch (error) {
      if (this.#phase === "lingering") this.expire();
      else if (error instanceof SseOverflowError && error.crowded) this.#noRoom();
      else this.#tooLarge();
      return;
    }
    for (const event of events) {
      this.#event(event);
      if (this.#isOver()) return;
    }
  }

  // A request starts when a connection takes it; until then nothing of it has left.
  get #wasSent(): boolean {
    return this.#controller !== undefined || this.#lastEventId !== undefined || this.#resends > 0;
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
    if (isJsonObject(meta)) this.#restoreSubscription(meta);
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
    if (isJsonObject(meta)) this.#restoreSubscription(meta);
    this.#sink.message(message);
  }

  #restoreSubscription(meta: JsonObject): void {
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
        headers: this.#authorized(this.#host.resumeHeaders(this.#lastEventId)),
      },
      this,
    );
  }

  #resumed(status: number, headers: IncomingHttpHeaders): void {
    const type = headers["content-type"] ?? "";
    this.#parser?.close();
    if (status === 200 && type.startsWith("text/event-stream")) {
      this.#phase = "events";
      this.#parser = new SseParser(this.#host.responseBytesMax, this.#host.held);
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
    const { era, serverName, credentials } = this.#host;
    if (credentials !== undefined && isAboutToken(this.#status, this.#challenge)) {
      if (this.#refusals++ < REFUSALS_MAX) {
        this.#resendAuthorized(credentials);
        return;
      }
    }
    const asksForOAuth = this.#challenge?.includes("resource_metadata") === true;
    const refusal = { ...refusalOf(this.#status, body, this.#retryAfterMs), asksForOAuth };
    const { reply } = refusal;
    const ours = reply !== undefined && this.#isOurs(reply);
    const exact = ours && reply.id !== undefined && reply.id !== null;
    // Some servers that forgot a session give the request's id back, others none.
    const mayEcho =
      !exact || (refusal.status === 404 && reply?.error?.code === RPC.sessionNotFound);
    if (this.#sessionUsed !== undefined && mayEcho && saysSessionIsGone(refusal)) {
      this.#renewAndResend(this.#sessionUsed, refusal.status);
      return;
    }
    if (ours && !isAboutThisHop(reply, era, exact)) {
      const answer = this.#callersAnswer(reply);
      this.#leaveAndStop();
      this.#sink.answer(answer);
      return;
    }
    const failure = refusalFailure(serverName, refusal);
    this.#fail(failure);
    if (contradictsEra(refusal, era)) this.#host.doubtEra(failure);
  }

  #renewAndResend(session: string, status: number): void {
    if (this.#resends >= resendsMax || this.#request.message.method === "initialize") {
      // Who does not know the session has not looked at the request.
      const sentence = `does not keep its sessions (HTTP ${status} for a new one)`;
      const details = { delivered: "no" };
      this.#fail(failureOf(this.#host.serverName, "SERVER_CLOSED", sentence, { details }));
      return;
    }
    this.#resends++;
    this.#beginAnew();
    void this.#resend(session);
  }

  #beginAnew(): void {
    this.#phase = "waiting";
    this.#controller?.abort(given);
    this.#controller = undefined;
    this.#bytes = 0;
    this.#whole = undefined;
  }

  // Who refuses a token has not looked at the request.
  #resendAuthorized({ of, subject }: LaneCredentials): void {
    this.#beginAnew();
    const refusal = {
      subject: this.#request.subject ?? subject,
      used: this.#authorization,
      status: this.#status,
      challenge: this.#challenge,
    };
    this.#challenge = undefined;
    void this.#postWith(of.refused(refusal));
  }

  async #resend(session: string): Promise<void> {
    const failure = await this.#host.renew(session);
    if (this.#isOver()) return;
    if (failure === undefined) this.#post();
    else this.#fail(notDelivered(failure));
  }

  // --- endings

  #tooLarge(): void {
    const limit = this.#host.responseBytesMax;
    this.#break("SERVER_TOO_LARGE", `sent an answer larger than ${limit} bytes`);
  }

  #noRoom(): void {
    this.#break("SERVER_TOO_LARGE", `sent ${this.#host.held?.refusal}`);
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
    const controller = this.#controller;
    this.#leave();
    controller?.abort(given); // does nothing where the response is complete
  }

  #leave(): void {
    this.#phase = "over";
    this.#host.endpoint.unwatch(this);
    // What is over must not hold on to what can be collected.
    this.#controller = undefined;
    if (this.#resuming !== undefined) clearTimeout(this.#resuming);
    this.#first = undefined;
    this.#whole = undefined;
    this.#share?.giveBack();
    this.#large = undefined;
    this.#parser?.close();
    this.#parser = undefined;
  }

  #tellCancelled(reason: string): void {
    if (this.#host.era === "legacy" && this.#request.message.method !== "initialize")
      this.#host.cancelUpstream(this.#id, reason);
  }
}

/** The reason undici is given when we stop a response: our own doing, never shown. */
const given = new Error("the exchange is over");
