/**
 * One request on its way through the gateway to one server and back. The answer's bytes are passed on as they came unless
 * something in them must change: a resource's URI, or the shape of the other era.
 *
 * A call is at once the parcel its delivery carries, so that it costs few objects and no closures.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Principal } from "../access/index.ts";
import { SignalboxError, UNCOUNTED_BYTES, type Clock } from "../foundation/index.ts";
import {
  ERROR_RESULT,
  LOOK_CLOSER,
  META,
  RPC,
  answerKind,
  errorResponse,
  isJsonObject,
  isRequest,
  mcpNameOf,
  numberOf,
  modernStatusOf,
  paramHeaderValues,
  parseJson,
  stringify,
  toLegacyParams,
  toLegacyResult,
  toModernError,
  toModernParams,
  toModernResult,
  type Envelope,
  type Era,
  type JsonObject,
  type JsonRpcError,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type RequestId,
} from "../protocol/index.ts";
import type { ExchangeHandle, Lane, LaneKey, OutboundRequest, Parcel } from "../upstream/index.ts";
import type { CacheKey } from "./cache/cache-key.ts";
import { learn, type CachePolicy } from "./cache/cache-policy.ts";
import { consentAnswer, type ConsentPort } from "./consent.ts";
import { cachedResponse, conclude } from "./cache/cached-result.ts";
import type { CacheHit, CacheReader, Flight, Seat } from "./cache/flight.ts";
import type { ResultCache } from "./cache/result-cache.ts";
import type { CallOutcome } from "./call-meters.ts";
import { failureText, limitFailure, replyFailure, serverFailure, type Failure } from "./failure.ts";
import type { LegacySession } from "./legacy-session.ts";
import { reachesLevel } from "./log-levels.ts";
import { mayNameResource, rewriteResult } from "./resource-links.ts";
import type { OpenPost } from "./open-posts.ts";
import { GatheringReply, type Reply } from "./reply.ts";
import { retryHeaders, type Limit } from "./stages/limit.ts";
import type { Audience, Route, View } from "./view.ts";

/** One request of a client, as the data plane hands it on. */
export interface Incoming {
  readonly requestId: string;
  readonly era: Era;
  readonly principal: Principal;
  readonly view: View;
  readonly audience: Audience;
  readonly message: JsonRpcRequest;
  readonly bytes: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from. */
  readonly socket: Socket;
  readonly reply: Reply;
  readonly session: LegacySession | undefined;
  readonly envelope: Envelope;
  readonly traceparent: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Takes the call this request becomes, so that a client's going away can end it; none for legacy clients. */
  readonly open?: OpenPost;
}

/** Hears how a call ended, once. */
export interface CallEnd {
  ended(call: Call): void;
}

/** What calls need; the same for all of them. */
export interface CallDeps {
  readonly end: CallEnd;
  readonly clock: Clock;
  readonly limit: Limit;
  readonly cache: ResultCache | undefined;
  readonly consent: ConsentPort | undefined;
}

export interface CallTimes {
  readonly timeoutMs: number;
  readonly timeoutMaxMs: number;
}

const IS_ERROR_TRUE = Buffer.from('"isError":true');
const IS_ERROR = Buffer.from('"isError"');
const ERROR = Buffer.from('"error"');

export class Call implements Parcel, CacheReader {
  readonly start: Incoming;
  /** Replaced where its server's list turns out to be out of date. */
  route: Route;
  readonly #deps: CallDeps;
  /** What the client said when it was asked to connect its user. */
  consented: "accept" | "decline" | undefined;
  #waiting: AbortController | undefined;
  /** Its place among those who wait for an answer of the cache. */
  #seat: Seat | undefined;
  /** The equal calls that wait for this one's answer. */
  #flight: Flight | undefined;
  #key: LaneKey | undefined;
  #times: CallTimes | undefined;
  #lane: Lane | undefined;
  #handle: ExchangeHandle | undefined;
  /** When it was first sent; 0 before. */
  #sentAt = 0;
  #done = false;
  outcome: CallOutcome = "ok";
  errorCode: string | undefined;
  responseBytes = 0;
  /** Milliseconds from sending to the end of the answer. */
  upstreamMs = 0;

  constructor(start: Incoming, route: Route, deps: CallDeps) {
    this.start = start;
    this.route = route;
    this.#deps = deps;
  }

  get id(): RequestId {
    return this.start.message.id;
  }

  get principalId(): string {
    return this.start.principal.id;
  }

  get tool(): string | undefined {
    return this.start.message.method === "tools/call" ? this.route.original : undefined;
  }

  get method(): string {
    return this.start.message.method;
  }

  /** How long the caller says that it waits, in milliseconds. */
  get askedTimeoutMs(): number | undefined {
    const meta = this.start.message.params?.["_meta"];
    const asked = isJsonObject(meta) ? meta[META.timeoutMs] : undefined;
    return typeof asked === "number" && asked >= 1 ? asked : undefined;
  }

  /** Only a tool can do anything but tell; one that says it only reads, or that it may be called again, may be. */
  get safe(): boolean {
    if (this.start.message.method !== "tools/call") return true;
    const annotations = this.route.item["annotations"];
    if (!isJsonObject(annotations)) return false;
    return annotations["readOnlyHint"] === true || annotations["idempotentHint"] === true;
  }

  /** Sends the request on, where no limit of its server or its caller is in the way. */
  run(key: LaneKey, times: CallTimes): void {
    if (this.#done) return;
    const refused =
      this.#renewed || this.#waiting !== undefined
        ? undefined
        : this.#deps.limit.call(this.start, this.route.server.name, this.tool);
    if (refused !== undefined) {
      this.#refuse(refused);
      return;
    }
    this.#key = key;
    this.#times = times;
    const handle = this.route.server.deliver(this, key, this.start.startedAt + times.timeoutMs);
    if (!this.#done) this.#handle = handle;
  }

  /** Asks the cache first, and sends the request on where that knows nothing. */
  read(cacheKey: CacheKey, key: LaneKey, times: CallTimes): void {
    if (this.#done || this.#deps.cache === undefined) return;
    this.#key = key;
    this.#times = times;
    const { server, original } = this.route;
    // The wait for an equal call is not the gateway's own time.
    this.#sentAt = this.start.startedAt;
    const label = this.tool === undefined ? this.method : `${server.name}__${original}`;
    const seat = this.#deps.cache.read(cacheKey, label, this, times.timeoutMs);
    if (!this.#done) this.#seat = seat;
  }

  // --- the cache

  hit(hit: CacheHit): void {
    if (this.#done) return;
    const body = cachedResponse(this.id, hit);
    if (this.#seat !== undefined) this.#answered();
    this.responseBytes = body.length;
    this.#holdUntilSent();
    if (hit.body.includes(IS_ERROR_TRUE)) this.outcome = "tool_error";
    this.start.reply.answer(body, 200);
    this.#finish();
  }

  fetch(flight: Flight): void {
    if (this.#done || this.#key === undefined || this.#times === undefined) {
      flight.abandon();
      return;
    }
    this.#flight = flight;
    this.#sentAt = 0;
    this.run(this.#key, this.#times);
  }

  // Nobody waits for its answer but the cache, and no client is there to be asked anything.
  refresh(flight: Flight): void {
    const { open: _, ...start } = this.start;
    // What is too large to be kept is not gathered either.
    const bound = { room: { left: 0 }, id: this.id };
    const nobody = new GatheringReply(ignore, ignore, ignore, bound);
    const again = new Call(
      { ...start, reply: nobody, session: undefined, startedAt: this.#deps.clock.monotonicMs() },
      this.route,
      { ...this.#deps, end: UNHEARD },
    );
    again.#key = this.#key;
    again.#times = this.#times;
    again.fetch(flight);
  }

  refused(error: JsonRpcError): void {
    if (this.#done) return;
    this.outcome = "error";
    this.errorCode = String(error.code);
    const { reply, era } = this.start;
    const response = { jsonrpc: "2.0", id: this.id, error };
    reply.answer(stringify(response), era === "modern" ? modernStatusOf(error.code) : 200);
    this.#finish();
  }

  failed(error: SignalboxError): void {
    this.fail(error);
  }

  // What a call may have changed must be gone before its caller can ask for it again.
  #clearWritten(): void {
    if (this.route.cache?.writes === true)
      this.#deps.cache?.invalidateServer(this.route.server.name);
  }

  // --- its end

  cancel(reason: string): void {
    if (this.#done) return;
    this.outcome = "cancelled";
    this.#waiting?.abort();
    this.#seat?.leave();
    this.#flight?.abandon();
    this.#clearWritten();
    this.#answered();
    this.#handle?.cancel(reason);
    const { reply, message } = this.start;
    const error = errorResponse(message.id, RPC.internalError, `Request cancelled: ${reason}`);
    reply.cancel(stringify(error));
    this.#finish();
  }

  message(message: JsonRpcNotification | JsonRpcRequest): void {
    if (this.#done) return;
    try {
      this.#pass(message);
    } catch {
      // Parsed and yet not to be written: it nests too deeply for that.
      this.#handle?.cancel("a message of the server cannot be passed on");
      this.fail(
        new SignalboxError(
          "SERVER_GARBAGE",
          `Server "${this.route.server.name}" sent a message that cannot be passed on.`,
        ),
      );
    }
  }

  #pass(message: JsonRpcNotification | JsonRpcRequest): void {
    const { session, reply, era } = this.start;
    if (isRequest(message)) {
      this.#asked(message);
    } else if (message.method === "notifications/cancelled" && session !== undefined) {
      const withdrawn = session.withdraw(this.#lane, message);
      if (withdrawn !== undefined) reply.message(stringify(withdrawn));
    } else if (this.#wants(message)) {
      this.#noteChange(message.method);
      const passes =
        era === "modern"
          ? !ELSEWHERE.has(message.method)
          : message.method.startsWith("notifications/");
      if (passes) reply.message(stringify(this.#shown(message)));
    }
  }

  // Some servers tell of changed lists beside the call that changed them.
  #noteChange(method: string): void {
    const kind = CHANGES.get(method);
    if (kind !== undefined) this.route.server.events.emit("listChanged", { kind });
  }

  answer(body: Buffer): void {
    if (this.#done) return;
    this.#answered();
    const lane = this.#lane;
    if (lane === undefined) return;
    this.responseBytes = body.length;
    this.#holdUntilSent();
    this.#clearWritten();
    const bridged = lane.era !== this.start.era;
    const shared = this.#flight !== undefined;
    if (!bridged && !shared && this.route.server.definition.service !== undefined)
      this.#answerOwn(body);
    else if (!bridged && !shared && this.#isPlain(lane, body)) this.start.reply.answer(body, 200);
    else if (bridged || shared || body.length <= CHECKED_BYTES || this.#mustRead(lane, body)) {
      try {
        this.#answerParsed(body, bridged);
      } catch {
        this.#answerGarbage();
      }
    } else this.start.reply.answer(body, 200);
    if (!this.#renewing) this.#finish();
  }

  // Its bytes are in memory until its client has taken them.
  #holdUntilSent(): void {
    if (this.responseBytes <= UNCOUNTED_BYTES) return;
    this.start.reply.onSent(this.route.server.held.count(this.responseBytes));
  }

  // A small answer in which nothing is to be changed is only looked over.
  #isPlain(lane: Lane, body: Buffer): boolean {
    const { id } = this.start.message;
    if (body.length > CHECKED_BYTES || typeof id !== "number") return false;
    if (this.#mayLink(lane) || (this.route.cache?.hintTtlMsMax ?? 0) > 0) return false;
    const kind = answerKind(body, id);
    if (kind === ERROR_RESULT) this.outcome = "tool_error";
    return kind !== LOOK_CLOSER;
  }

  // What a service of this process wrote needs no checking.
  #answerOwn(body: Buffer): void {
    if (body.includes(IS_ERROR_TRUE)) this.outcome = "tool_error";
    this.start.reply.answer(body, 200);
  }

  #mustRead(lane: Lane, body: Buffer): boolean {
    if (body.includes(IS_ERROR) || body.includes(ERROR) || mayHaveSecondId(body)) return true;
    return this.#mayLink(lane) && mayNameResource(body);
  }

  // Only what can be read through the gateway needs a public URI, so a server without resources has nothing to rewrite.
  #mayLink(lane: Lane): boolean {
    return !this.start.view.bare && "resources" in lane.capabilities;
  }

  begin(firstBytes: Buffer, length: number | undefined): void {
    if (this.#done) return;
    this.#begun = true;
    this.#flight?.pass();
    this.#clearWritten();
    this.responseBytes = firstBytes.length;
    if (!this.start.reply.begin(firstBytes, length)) this.#pausedAtBegin = true;
    this.start.reply.onDrain(() => {
      this.#pausedAtBegin = false;
      this.#handle?.resume();
    });
  }

  #begun = false;
  #pausedAtBegin = false;

  chunk(bytes: Buffer): boolean {
    if (this.#done) return true;
    this.responseBytes += bytes.length;
    const more = this.start.reply.chunk(bytes) && !this.#pausedAtBegin;
    this.#pausedAtBegin = false;
    return more;
  }

  end(): void {
    if (this.#done) return;
    this.#answered();
    this.#clearWritten();
    this.start.reply.end();
    this.#finish();
  }

  fail(error: SignalboxError): void {
    if (this.#done || this.#sendAnew(error)) return;
    if (error.code === "CONSENT_NEEDED" && this.consented === "accept") {
      void this.#awaitConsent(error);
      return;
    }
    this.#failNow(error);
  }

  // Its user has agreed to connect, and may be doing so just now.
  async #awaitConsent(error: SignalboxError): Promise<void> {
    this.consented = undefined;
    const waiting = new AbortController();
    this.#waiting = waiting;
    const { principal, startedAt } = this.start;
    const { name } = this.route.server;
    const untilMs = startedAt + (this.#times?.timeoutMs ?? 0) - CONSENT_MARGIN_MS;
    const leftMs = untilMs - this.#deps.clock.monotonicMs();
    const { signal } = waiting;
    const connected = await this.#connectedWithin(principal, name, leftMs, signal);
    if (this.#done) return;
    if (connected && this.#key !== undefined && this.#times !== undefined)
      this.run(this.#key, this.#times);
    else this.#failNow(error);
  }

  async #connectedWithin(...wait: Parameters<ConsentPort["connectedWithin"]>): Promise<boolean> {
    try {
      return (await this.#deps.consent?.connectedWithin(...wait)) === true;
    } catch {
      return false;
    }
  }

  #failNow(error: SignalboxError): void {
    this.#answered();
    this.#clearWritten();
    const standIn = this.#flight?.fail(error);
    if (standIn !== undefined && !this.#begun) {
      this.hit(standIn);
      return;
    }
    this.outcome = outcomeOf(error);
    this.errorCode = error.code;
    const { reply, message, requestId } = this.start;
    const asked =
      error.code === "CONSENT_NEEDED"
        ? consentAnswer(this.start, error, this.#deps.consent, this.consented !== "decline")
        : undefined;
    if (asked !== undefined) {
      reply.answer(asked, 200);
      this.#finish();
      return;
    }
    const failure = serverFailure(error, this.route.server.name);
    if (this.#begun) reply.abort(failureText(message.id, failure, requestId));
    else replyFailure(reply, message.id, failure, requestId, 200);
    this.#finish();
  }

  #renewed = false;
  #renewing = false;

  // The server finds fault with headers that were made from its tool list: the list is out of date. It has not carried the
  // call out, so once the list is new it is asked again, one time.
  #sendAnew(refusal: SignalboxError): boolean {
    if (refusal.details?.["rpcCode"] !== RPC.headerMismatch) return false;
    if (this.#renewed || this.#begun || this.tool === undefined) return false;
    this.#renewed = true;
    this.#renewing = true;
    this.route.catalog.invalidate("tools");
    void this.#again(refusal);
    return true;
  }

  async #again(refusal: SignalboxError): Promise<void> {
    const { view, audience } = this.start;
    const route = await view.renewed(this.route, audience).catch(() => undefined);
    this.#renewing = false;
    if (route === undefined || this.#key === undefined || this.#times === undefined) {
      this.fail(refusal);
      return;
    }
    this.route = route;
    this.run(this.#key, this.#times);
  }

  // Those who wait for the same answer have limits of their own.
  #refuse(error: SignalboxError): void {
    this.#flight?.pass();
    this.outcome = "refused";
    this.errorCode = error.code;
    const { reply, message, requestId } = this.start;
    reply.addHeaders(retryHeaders(error));
    replyFailure(reply, message.id, limitFailure(error), requestId, error.status);
    this.#finish();
  }

  requestFor(lane: Lane, timeoutMs: number, nowMs: number): OutboundRequest {
    this.#lane = lane;
    if (this.#sentAt === 0) this.#sentAt = nowMs;
    const { message, era, traceparent, envelope } = this.start;
    let sent = message;
    if (lane.era !== era) {
      const params =
        lane.era === "modern"
          ? toModernParams(message.params, envelope)
          : toLegacyParams(message.params);
      sent = { jsonrpc: "2.0", id: message.id, method: message.method };
      if (params !== undefined) sent.params = params;
    }
    if (this.askedTimeoutMs !== undefined) sent = withTimeLeft(sent, timeoutMs);
    if (traceparent !== undefined)
      sent = withTrace(sent, traceparent, this.start.headers["tracestate"]);
    const outbound: OutboundRequest = {
      message: sent,
      timeoutMs,
      timeoutMaxMs: this.#times?.timeoutMaxMs ?? timeoutMs,
    };
    if (this.route.server.definition.service !== undefined) {
      outbound.caller = { principal: this.start.principal, requestId: this.start.requestId };
    }
    if (traceparent !== undefined) outbound.traceparent = traceparent;
    const inspected = this.#inspectedBytes(lane);
    if (inspected !== undefined) outbound.inspectBytesMax = inspected;
    if (lane.era === "modern") this.#addHeaders(outbound, sent);
    return outbound;
  }

  // An answer that changes eras is read whole, whatever its size. One in which nothing could change need not be held back
  // to be looked at. What lies between is the lane's default.
  #inspectedBytes(lane: Lane): number | undefined {
    if (lane.era !== this.start.era) return Number.POSITIVE_INFINITY;
    if (this.#flight !== undefined) return this.#deps.cache?.entryBytesMax;
    return this.#mayLink(lane) ? undefined : UNLINKED_INSPECTED_BYTES;
  }

  #addHeaders(outbound: OutboundRequest, sent: JsonRpcRequest): void {
    const name = mcpNameOf(sent.method, sent.params);
    if (typeof name === "string") outbound.name = name;
    const { paramHeaders } = this.route;
    if (paramHeaders.length > 0) {
      outbound.paramHeaders = paramHeaderValues(paramHeaders, sent.params?.["arguments"]);
    }
    if (this.start.era === "modern") this.#passUnknownParams(outbound);
  }

  // 2026-07-28, streamable HTTP, "Custom headers": an intermediary forwards `Mcp-Param-*` headers it does not know.
  #passUnknownParams(outbound: OutboundRequest): void {
    const { headers } = this.start;
    for (const name in headers) {
      const value = headers[name];
      if (!name.startsWith("mcp-param-") || typeof value !== "string") continue;
      if (this.route.paramHeaders.some(({ header }) => header === name)) continue;
      outbound.paramHeaders = { ...outbound.paramHeaders, [name]: value };
    }
  }

  // What a server asks during a call: its roots come from its configuration, all else from the client behind the call.
  #asked(request: JsonRpcRequest): void {
    const lane = this.#lane;
    if (lane === undefined) return;
    this.#flight?.pass();
    const { session, reply, era } = this.start;
    if (session !== undefined && era === lane.era) {
      session.ask(lane, request, reply);
      return;
    }
    const error = {
      code: RPC.methodNotFound,
      message: `The client cannot be asked for ${request.method} on this way.`,
    };
    lane.respond({ jsonrpc: "2.0", id: request.id, error });
  }

  #wants(message: JsonRpcNotification): boolean {
    if (message.method === "notifications/message") return this.#wantsLog(message);
    return message.method !== "notifications/progress" || this.#advances(message);
  }

  #progress = Number.NEGATIVE_INFINITY;

  // Progress under another token is another call's, and not this server's to tell.
  #advances({ params }: JsonRpcNotification): boolean {
    const meta = this.start.message.params?.["_meta"];
    const token = isJsonObject(meta) ? meta["progressToken"] : undefined;
    if (!isToken(token) || token !== params?.["progressToken"]) return false;
    const progress = numberOf(params["progress"]);
    if (progress === undefined || progress <= this.#progress) return false;
    this.#progress = progress;
    return true;
  }

  #wantsLog(message: JsonRpcNotification): boolean {
    const { session, envelope } = this.start;
    const level = message.params?.["level"];
    if (session !== undefined) return session.wantsLog(level);
    return envelope.logLevel !== undefined && reachesLevel(level, envelope.logLevel);
  }

  #shown(message: JsonRpcNotification): JsonRpcNotification {
    const uri = message.params?.["uri"];
    if (message.method !== "notifications/resources/updated" || typeof uri !== "string") {
      return message;
    }
    const shown = this.start.view.publicUri(this.route.server.name, uri);
    return { ...message, params: { ...message.params, uri: shown } };
  }

  #answerParsed(body: Buffer, bridged: boolean): void {
    const response = readObject(body);
    const { view, message, reply } = this.start;
    if (response?.["id"] !== message.id) {
      this.#answerGarbage();
      return;
    }
    if (isJsonObject(response["error"])) {
      this.#answerError(response["error"], body, bridged);
      return;
    }
    if (!isJsonObject(response["result"])) {
      this.#answerGarbage();
      return;
    }
    const written = response["result"];
    const result = bridged ? this.#bridge(written) : written;
    if (result === undefined) {
      this.#flight?.pass();
      this.outcome = "error";
      this.errorCode = "ELICITATION_UNBRIDGED";
      replyFailure(reply, message.id, UNBRIDGED, this.start.requestId, 200);
      return;
    }
    if (result["isError"] === true) this.outcome = "tool_error";
    const linked =
      this.#lane !== undefined &&
      this.#mayLink(this.#lane) &&
      rewriteResult(result, (uri) => view.publicUri(this.route.server.name, uri));
    if (this.route.cache !== undefined) this.#keep(this.route.cache, written, result);
    if (!linked && !bridged) reply.answer(body, 200);
    else {
      response["result"] = result;
      reply.answer(stringify(response), 200);
    }
  }

  #keep(policy: CachePolicy, written: JsonObject, given: JsonObject): void {
    if (this.#flight === undefined) learn(policy, written);
    else conclude(this.#flight, policy, written, given);
  }

  #answerGarbage(): void {
    const sentence = `Server "${this.route.server.name}" sent an answer that is not a JSON-RPC response.`;
    this.#answerFailure(new SignalboxError("SERVER_GARBAGE", sentence));
  }

  // What a server says of the way between it and the gateway is not for the caller, whose own way is another.
  #answerHopError(code: number, text: string): void {
    const sentence = `Server "${this.route.server.name}" refused what the gateway sent: ${text.slice(0, 200)} (${code})`;
    const error = new SignalboxError("SERVER_REFUSED", sentence, {
      details: { rpcCode: code, outcome: "not_executed" },
    });
    if (!this.#sendAnew(error)) this.#answerFailure(error);
  }

  #answerFailure(error: SignalboxError): void {
    this.outcome = "error";
    this.errorCode = error.code;
    this.#flight?.fail(error);
    const failure = serverFailure(error, this.route.server.name);
    replyFailure(this.start.reply, this.start.message.id, failure, this.start.requestId, 200);
  }

  #bridge(result: JsonObject): JsonObject | undefined {
    const { era, message } = this.start;
    return era === "modern"
      ? toModernResult(message.method, result, this.start.view.serverInfo)
      : toLegacyResult(message.method, result, this.route.item);
  }

  #answerError(error: JsonObject, body: Buffer, bridged: boolean): void {
    const { era, message, reply } = this.start;
    const code = typeof error["code"] === "number" ? error["code"] : RPC.internalError;
    const text = typeof error["message"] === "string" ? error["message"] : "";
    if (code === RPC.headerMismatch || code === RPC.unsupportedProtocolVersion) {
      this.#answerHopError(code, text);
      return;
    }
    this.outcome = "error";
    this.errorCode = String(code);
    this.#flight?.refuse(refusalOf(error, code));
    if (!bridged) {
      reply.answer(body, era === "modern" ? modernStatusOf(code) : 200);
      return;
    }
    const told =
      era === "modern"
        ? toModernError({ code, message: text, data: error["data"] })
        : {
            code: code === RPC.missingClientCapability ? RPC.internalError : code,
            message: text,
            data: error["data"],
          };
    const status = era === "modern" ? modernStatusOf(told.code) : 200;
    reply.answer(stringify(errorResponse(message.id, told.code, told.message, told.data)), status);
  }

  #answered(): void {
    if (this.#sentAt > 0) this.upstreamMs = this.#deps.clock.monotonicMs() - this.#sentAt;
  }

  #finish(): void {
    this.#done = true;
    this.#deps.end.ended(this);
  }
}

/** Answers in which no URI has to change stream from this size on. */
const UNLINKED_INSPECTED_BYTES = 64 * 1024;

/** Left of a call's time when its user has not connected after all, so that it is answered in time. */
const CONSENT_MARGIN_MS = 2_000;

/** Answers up to this size are read in full before they are passed on, so that garbage is never relayed. */
const CHECKED_BYTES = 8 * 1024;

// The lane has put the caller's id in one place. A second one, which a client would take for the id, may not follow: with it
// a server could answer a call that the same client has made to another.
function mayHaveSecondId(body: Buffer): boolean {
  if (ESCAPED_IDS.some((escaped) => body.includes(escaped))) return true;
  const first = body.indexOf(ID);
  return first >= 0 && body.includes(ID, first + ID.length);
}

function isToken(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

const ID = Buffer.from('"id"');
const ESCAPED_IDS = [String.raw`\u0069`, String.raw`\u0064`].map((text) => Buffer.from(text));

function readObject(body: Buffer): JsonObject | undefined {
  try {
    const value = parseJson(body.toString("utf8"));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const CHANGES: ReadonlyMap<string, "tools" | "prompts" | "resources"> = new Map([
  ["notifications/tools/list_changed", "tools"],
  ["notifications/prompts/list_changed", "prompts"],
  ["notifications/resources/list_changed", "resources"],
]);

/** What a modern client is told on a listen of its own, or not at all; never beside a call. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...CHANGES.keys(),
  "notifications/resources/updated",
  "notifications/subscriptions/acknowledged",
  "notifications/cancelled",
  "notifications/elicitation/complete",
]);

const UNBRIDGED: Failure = {
  rpcCode: RPC.internalError,
  message:
    "The server asks for input in a way that clients of this protocol revision cannot be asked yet; use a client of revision 2026-07-28 for this tool.",
  data: { code: "ELICITATION_UNBRIDGED" },
};

// A server that calls others knows then how long they may take.
function withTimeLeft(request: JsonRpcRequest, timeoutMs: number): JsonRpcRequest {
  const meta = request.params?.["_meta"];
  const left = { ...(isJsonObject(meta) ? meta : {}), [META.timeoutMs]: Math.floor(timeoutMs) };
  return { ...request, params: { ...request.params, _meta: left } };
}

const TRACESTATE_MAX = 512;

// A trace that came in headers goes on in the message, since not every server is reached over HTTP. `baggage` stays here: it
// may tell a stranger's server what was meant for one's own.
function withTrace(
  request: JsonRpcRequest,
  traceparent: string,
  tracestate: string | string[] | undefined,
): JsonRpcRequest {
  const given = request.params?.["_meta"];
  const meta = isJsonObject(given) ? given : {};
  if (meta["traceparent"] === traceparent) return request;
  const state = typeof tracestate === "string" && tracestate.length <= TRACESTATE_MAX;
  const _meta = { ...meta, traceparent, ...(state && { tracestate }) };
  return { ...request, params: { ...request.params, _meta } };
}

/** For calls that no client waits for. */
const UNHEARD: CallEnd = { ended() {} };

function ignore(): void {}

function refusalOf(error: JsonObject, code: number): JsonRpcError {
  const message = typeof error["message"] === "string" ? error["message"] : "";
  return { code, message, ...("data" in error && { data: error["data"] }) };
}

function outcomeOf({ code, details }: SignalboxError): CallOutcome {
  if (details?.["outcome"] === "unknown") return "unknown";
  return code === "SERVER_TIMEOUT" ? "timeout" : "error";
}
