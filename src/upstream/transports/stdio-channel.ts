// Many exchanges over one child: newline-delimited JSON out and in.
//
// Every request goes out under an integer id of our own, and its progress token likewise: the ids of many
// callers would collide, and an integer is found in an answer without parsing it. Requests are always
// written anew from the parsed message, never relayed as text: what a caller sent may hold line breaks or a
// second "id". Answers are passed on as the bytes they are, with the caller's id put back. Nothing is
// allocated per call but the exchange itself; one timer sweeps the deadlines of all.
import {
  SignalboxError,
  type Clock,
  type ErrorCode,
  type HeldBytes,
  type Log,
} from "../../foundation/index.ts";
import {
  META,
  isJsonObject,
  isRequest,
  isResponse,
  parseJson,
  readMessage,
  stringify,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
} from "../../protocol/index.ts";
import type { ExchangeHandle, ExchangeSink, LaneListener, OutboundRequest } from "../lane.ts";
import { lastWords, type Child, type ChildEnd } from "./child-process.ts";
import { notDelivered } from "./http-failure.ts";
import { InFlight } from "./in-flight.ts";
import { LineSplitter, type LineHandler } from "./line-splitter.ts";
import { findId, findIdAtHead, findIdAtTail, found, withFoundId } from "./minted-id.ts";
import { Exchange, type ExchangeOwner } from "./stdio-exchange.ts";

/** What a channel heard that was no part of the conversation. */
export interface ChannelCounts {
  /** Lines that are not JSON-RPC: a server printing to its standard output. */
  skippedLines: number;
  /** Answers to what was already answered, cancelled or timed out. */
  lateAnswers: number;
  /** Answers and progress for ids we never sent. */
  unknownIds: number;
  /** Lines over the size bound. */
  overlongLines: number;
}

export interface ChannelOptions {
  serverName: string;
  log: Log;
  clock: Clock;
  /** Longest line accepted from the server. */
  lineBytesMax: number;
  /** What lines that come in pieces may take together with all other answers. */
  held?: HeldBytes | undefined;
  /** How gently the child is ended; default 2 s a step. */
  closeGraceMs?: number | undefined;
  /** A child that let a call time out is killed when it says nothing at all for so long; default 30 s. */
  hungAfterMs?: number | undefined;
}

/** The conversation with one child. */
export class StdioChannel implements LineHandler, ExchangeOwner {
  readonly child: Child;
  readonly counts: ChannelCounts = {
    skippedLines: 0,
    lateAnswers: 0,
    unknownIds: 0,
    overlongLines: 0,
  };
  readonly #options: ChannelOptions;
  readonly #pending = new InFlight<Exchange>();
  readonly #splitter: LineSplitter;
  #listener: LaneListener = deaf;
  #listens = 0;
  #out = "";
  #flushing = false;
  #sweeper: NodeJS.Timeout | undefined;
  #ended: SignalboxError | undefined;
  #overlongBlamed = false;
  #overlongIsCrowded = false;
  /** Asked of the child when it let a call time out; undefined until the handshake is over. */
  #aliveQuestion: JsonRpcRequest | undefined;
  #aliveCheck: Exchange | undefined;
  /** Whether the child has said anything since it was asked. */
  #heard = false;

  constructor(child: Child, options: ChannelOptions) {
    this.child = child;
    this.#options = options;
    this.#splitter = new LineSplitter(this, options.lineBytesMax, options.held);
    child.stdout.on("data", (chunk: Buffer) => {
      this.#heard = true;
      this.#splitter.push(chunk);
    });
    child.stdout.once("end", () => this.#onOutputEnd());
    void child.whenEnded.then((end) => this.#onChildEnd(end));
  }

  /** Why the channel is over; undefined while it is open. */
  get ended(): SignalboxError | undefined {
    return this.#ended;
  }

  /**
   * The handshake is over: what belongs to no exchange goes to `listener`, late answers to the handshake nowhere.
   * `aliveQuestion` is what every server of its era answers: whoever lets a call time out is asked it.
   */
  begin(listener: LaneListener, aliveQuestion?: JsonRpcRequest): void {
    this.#listener = listener;
    this.#aliveQuestion = aliveQuestion;
    for (const exchange of this.#pending.values()) if (exchange.handshake) this.#settle(exchange);
  }

  /** Whether a request is under way; one that listens for reports is not counted. */
  get busy(): boolean {
    return this.#pending.size > this.#listens;
  }

  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    const now = this.#options.clock.monotonicMs();
    const refusal = this.#refusal();
    if (refusal !== undefined) return refused(new Exchange(this, 0, request, sink, now), refusal);
    const exchange = new Exchange(this, this.#pending.nextId(), request, sink, now);
    this.#pending.add(exchange);
    if (exchange.listens) this.#listens += 1;
    this.#write(exchange.encode(request.message));
    this.#sweeper ??= setInterval(this.#sweep, sweepMs).unref();
    return exchange;
  }

  #refusal(): SignalboxError | undefined {
    if (this.#ended !== undefined) return notDelivered(this.#ended);
    return this.#pending.size >= inFlightMax || this.#queuedBytes() > queueBytesMax
      ? this.#error("SERVER_REFUSED", "is busy: too much waits for it", { delivered: "no" })
      : undefined;
  }

  /** Dropped where the server does not keep up with its input. */
  notify(message: JsonRpcNotification): void {
    if (this.#ended === undefined && this.#queuedBytes() <= queueBytesMax)
      this.#write(stringify(message));
  }

  /** Dropped where the server asks without reading the answers. */
  respond(response: JsonRpcResponse): void {
    if (this.#ended === undefined && this.#queuedBytes() <= 2 * queueBytesMax)
      this.#write(stringify(response));
  }

  cancel(exchange: Exchange, reason: string): void {
    if (this.#pending.get(exchange.id) !== exchange) return;
    this.#settle(exchange);
    this.#tellCancelled(exchange, reason);
  }

  /** Ends the child; what is in flight fails with SERVER_CLOSED. */
  async close(graceMs: number | undefined = this.#options.closeGraceMs): Promise<void> {
    this.#end(this.#error("SERVER_CLOSED", "was closed"), "quietly");
    await this.child.terminate(graceMs);
  }

  // What comes in.

  line(bytes: Buffer, start: number, lineEnd: number, owned: boolean): void {
    if (this.#ended !== undefined) return;
    const end = lineEnd > start && bytes[lineEnd - 1] === carriageReturn ? lineEnd - 1 : lineEnd;
    if (!findId(bytes, start, end)) {
      this.#otherLine(bytes, start, end);
      return;
    }
    const exchange = this.#pending.get(found.id);
    if (exchange === undefined) {
      this.#countStray(found.id);
    } else if (exchange.listens) {
      this.#otherLine(bytes, start, end);
    } else {
      this.#pending.remove(exchange);
      exchange.sink.answer(withFoundId(bytes, start, end, owned, exchange.callerIdText));
    }
  }

  overlongBegins(head: Buffer, crowded: boolean): void {
    this.#overlongIsCrowded = crowded;
    this.counts.overlongLines += 1;
    this.#overlongBlamed = findIdAtHead(head, 0) && this.#failOverlong(found.id);
  }

  overlongEnds(tail: Buffer): void {
    if (this.#overlongBlamed) return;
    if (findIdAtTail(tail, 0, tail.length) && this.#failOverlong(found.id)) return;
    const only = this.#onlyCall();
    if (only !== undefined) this.#failOverlong(only.id);
  }

  endless(): void {
    if (this.#ended !== undefined) return;
    this.#end(this.#error("SERVER_TOO_LARGE", "sent a line without end and was stopped"), "tell");
    void this.child.terminate(0);
  }

  #otherLine(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && isBlank(bytes[at])) at += 1;
    if (at === end) return;
    const value = mayBeMessage(bytes[at]) ? parsed(bytes.toString("utf8", at, end)) : undefined;
    if (value === undefined) this.#skip(bytes, start, end);
    else if (!Array.isArray(value)) this.#receive(value);
    else for (const one of value) this.#receive(one); // batches of 2025-03-26
  }

  #receive(value: unknown): void {
    if (this.#ended !== undefined) return;
    const outcome = readMessage(value);
    if (!outcome.ok) this.#receiveGarbage(value, outcome.reason);
    else if (isResponse(outcome.message)) this.#receiveAnswer(outcome.message);
    else if (isRequest(outcome.message)) this.#receiveRequest(outcome.message);
    else this.#receiveNotification(outcome.message);
  }

  #receiveAnswer(answer: JsonRpcResponse): void {
    const id = mintedId(answer.id);
    const exchange = isAnonymous(answer) ? this.#blamedFor(answer) : this.#pending.get(id);
    if (exchange === undefined) {
      this.#countStray(id);
      return;
    }
    this.#settle(exchange);
    if (exchange.listens) restoreSubscription(answer.result, exchange.callerId);
    exchange.sink.answer(Buffer.from(stringify({ ...answer, id: exchange.callerId })));
  }

  /** An error without an id says that a request could not be read: with one in flight, that one. */
  #blamedFor(answer: JsonRpcResponse): Exchange | undefined {
    return answer.error === undefined ? undefined : this.#onlyCall();
  }

  /** JSON that is no message fails the exchange whose answer it pretends to be. */
  #receiveGarbage(value: unknown, reason: string): void {
    const answers = isJsonObject(value) && !("method" in value);
    const exchange = answers ? this.#pending.get(mintedId(value["id"])) : undefined;
    if (exchange === undefined) {
      this.counts.skippedLines += 1;
      return;
    }
    this.#settle(exchange);
    const what = `answered "${exchange.method}" with what is no JSON-RPC answer: ${reason}`;
    exchange.sink.fail(this.#error("SERVER_GARBAGE", what));
  }

  #receiveRequest(request: JsonRpcRequest): void {
    if (request.method === "ping") {
      this.respond({ jsonrpc: "2.0", id: request.id, result: {} });
      return;
    }
    const only = this.#onlyCall();
    if (only !== undefined && mayAsk.has(only.method)) only.sink.message(request);
    else this.#listener.request(request);
  }

  #receiveNotification(notification: JsonRpcNotification): void {
    const subscription = subscriptionOf(notification.params);
    if (subscription !== undefined) {
      this.#receiveSubscribed(notification, subscription);
      return;
    }
    switch (notification.method) {
      case "notifications/progress":
        this.#receiveProgress(notification, notification.params);
        return;
      case "notifications/cancelled":
        this.#receiveCancelled(notification);
        return;
      case "notifications/message":
        this.#route(notification);
        return;
      default:
        this.#listener.notification(notification);
    }
  }

  #receiveProgress(message: JsonRpcNotification, params: JsonObject | undefined): void {
    const id = mintedId(params?.["progressToken"]);
    const exchange = this.#pending.get(id);
    if (params === undefined || exchange?.progressToken === undefined) {
      this.#countStray(id);
      return;
    }
    params["progressToken"] = exchange.progressToken;
    exchange.prolong(this.#options.clock.monotonicMs());
    exchange.sink.message(message);
  }

  #receiveSubscribed(message: JsonRpcNotification, subscription: unknown): void {
    const id = mintedId(subscription);
    const exchange = this.#pending.get(id);
    if (exchange === undefined) {
      this.#countStray(id);
      return;
    }
    restoreSubscription(message.params, exchange.callerId);
    exchange.sink.message(message);
  }

  /** The server ends one of our subscriptions, or takes back a request of its own. */
  #receiveCancelled(message: JsonRpcNotification): void {
    const exchange = this.#pending.get(mintedId(message.params?.["requestId"]));
    if (exchange?.listens !== true) {
      this.#route(message);
      return;
    }
    this.#settle(exchange);
    exchange.sink.fail(this.#error("SERVER_CLOSED", "ended the subscription"));
  }

  /** What names no exchange belongs to the one in flight, where there is exactly one. */
  #route(message: JsonRpcNotification): void {
    const only = this.#onlyCall();
    if (only === undefined) this.#listener.notification(message);
    else only.sink.message(message);
  }

  #onlyCall(): Exchange | undefined {
    const aside = this.#listens + (this.#aliveCheck === undefined ? 0 : 1);
    if (this.#pending.size - aside !== 1) return undefined;
    for (const exchange of this.#pending.values())
      if (!exchange.listens && exchange !== this.#aliveCheck) return exchange;
    return undefined;
  }

  #skip(bytes: Buffer, start: number, end: number): void {
    this.counts.skippedLines += 1;
    if (!this.#options.log.enabled("debug")) return;
    const line = bytes.toString("utf8", start, Math.min(end, start + loggedBytes));
    const server = this.#options.serverName;
    this.#options.log.debug({ serverId: server, line }, "Skipped a line that is not JSON-RPC");
  }

  #countStray(id: number): void {
    if (this.#pending.gaveOut(id)) this.counts.lateAnswers += 1;
    else this.counts.unknownIds += 1;
  }

  #failOverlong(id: number): boolean {
    const exchange = this.#pending.get(id);
    if (exchange === undefined) return false;
    this.#settle(exchange);
    const { held, lineBytesMax } = this.#options;
    const what =
      held !== undefined && this.#overlongIsCrowded
        ? `sent ${held.refusal}`
        : `answered "${exchange.method}" with more than ${lineBytesMax} bytes`;
    exchange.sink.fail(this.#error("SERVER_TOO_LARGE", what));
    return true;
  }

  // What goes out: one write per turn of the event loop.

  #write(text: string): void {
    this.#out += `${text}\n`;
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    const text = this.#out;
    this.#out = "";
    if (text !== "" && this.child.stdin.writable) this.child.stdin.write(text);
  };

  #queuedBytes(): number {
    return this.#out.length + this.child.stdin.writableLength;
  }

  #tellCancelled(exchange: Exchange, reason: string): void {
    if (exchange.handshake) return;
    const params = { requestId: exchange.id, reason };
    this.notify({ jsonrpc: "2.0", method: "notifications/cancelled", params });
  }

  // Endings: of one exchange, of those that wait too long, of all.

  #settle(exchange: Exchange): void {
    if (this.#pending.remove(exchange) && exchange.listens) this.#listens -= 1;
  }

  readonly #sweep = (): void => {
    if (this.#pending.size === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      return;
    }
    const now = this.#options.clock.monotonicMs();
    for (const exchange of this.#pending.values()) {
      if (exchange.deadlineMs <= now) this.#timeOut(exchange);
    }
  };

  #timeOut(exchange: Exchange): void {
    const ofACaller = exchange !== this.#aliveCheck;
    this.#settle(exchange);
    if (ofACaller) this.#tellCancelled(exchange, "timeout");
    const what = `did not answer "${exchange.method}" within ${Math.round(exchange.allowedMs)} ms`;
    exchange.sink.fail(this.#error("SERVER_TIMEOUT", what));
    if (ofACaller && !exchange.listens) this.#checkAlive();
  }

  // Is it frozen, or only slow with one call? A child that answers nothing any more would let every further call
  // time out, and it would not end when its input does.

  #checkAlive(): void {
    const question = this.#aliveQuestion;
    if (question === undefined || this.#ended !== undefined) return;
    if (this.#aliveCheck !== undefined) return;
    const timeoutMs = this.#options.hungAfterMs ?? defaultHungAfterMs;
    const sink = new AliveSink((answered) => this.#onAliveCheck(answered));
    const now = this.#options.clock.monotonicMs();
    const asked = { message: question, timeoutMs, timeoutMaxMs: timeoutMs };
    const check = new Exchange(this, this.#pending.nextId(), asked, sink, now);
    this.#aliveCheck = check;
    this.#heard = false;
    // Past the bounds of `send`: those are full where a child has stopped to read, and this is one line.
    this.#pending.add(check);
    this.#write(check.encode(question));
    this.#sweeper ??= setInterval(this.#sweep, sweepMs).unref();
  }

  #onAliveCheck(answered: boolean): void {
    this.#aliveCheck = undefined;
    // Where we were held up ourselves, what it said waits to be read: that comes before the immediates.
    if (!answered) setImmediate(() => this.#hung());
  }

  #hung(): void {
    if (this.#heard || this.#ended !== undefined) return;
    const silentMs = this.#options.hungAfterMs ?? defaultHungAfterMs;
    const what = `let a call time out, said nothing for ${silentMs} ms more, and was killed`;
    this.#end(this.#error("SERVER_CRASHED", what, { reason: "hung" }), "tell");
    this.child.kill();
    void this.child.terminate(0);
  }

  #onOutputEnd(): void {
    // Most often the child is ending, and its exit tells more than the end of its output.
    setTimeout(() => {
      if (this.#ended !== undefined) return;
      this.#end(this.#error("SERVER_CLOSED", "closed its output"), "tell");
      void this.child.terminate(this.#options.closeGraceMs);
    }, outputEndMs).unref();
  }

  #onChildEnd(end: ChildEnd): void {
    const ended = howItEnded(end);
    const forCallers = `The server "${this.#options.serverName}" ${ended}.`;
    const what = `${ended}${lastWords(this.child.stderr)}`;
    this.#end(this.#error("SERVER_CRASHED", what, { ...endDetails(end), forCallers }), "tell");
    void this.child.terminate(this.#options.closeGraceMs); // what is left of its group
  }

  #end(error: SignalboxError, how: "tell" | "quietly"): void {
    if (this.#ended !== undefined) return;
    this.#flush();
    this.#ended = error;
    this.#splitter.close();
    clearInterval(this.#sweeper);
    const left = this.#pending.values();
    for (const exchange of left) this.#settle(exchange);
    for (const exchange of left) exchange.sink.fail(error);
    if (how === "tell") this.#listener.closed(error);
  }

  #error(code: ErrorCode, what: string, details?: Record<string, unknown>): SignalboxError {
    const sentence = `The server "${this.#options.serverName}" ${what}.`;
    return new SignalboxError(code, sentence, details && { details });
  }
}

/** Hears whether a child still answers: any answer says so, an error too. */
class AliveSink implements ExchangeSink {
  readonly #settled: (answered: boolean) => void;

  constructor(settled: (answered: boolean) => void) {
    this.#settled = settled;
  }

  answer(): void {
    this.#settled(true);
  }

  /** An answer that is garbage or too long is one as well, and whoever has ended is not asked any more. */
  fail(error: SignalboxError): void {
    this.#settled(error.code !== "SERVER_TIMEOUT");
  }

  message(): void {}
  begin(): void {}
  chunk(): boolean {
    return true;
  }
  end(): void {}
}

/** What a server does on behalf of a user, so that it may have to ask the user something. */
const mayAsk = new Set(["tools/call", "prompts/get", "resources/read", "completion/complete"]);

const inFlightMax = 10_000;
const queueBytesMax = 16 * 1024 * 1024;
const sweepMs = 50;
const outputEndMs = 500;
const defaultHungAfterMs = 30_000;
const loggedBytes = 200;

const carriageReturn = 13;
const openBracket = 91;
const openBrace = 123;

const deaf: LaneListener = { notification() {}, request() {}, closed() {} };

function howItEnded({ code, signal, limit }: ChildEnd): string {
  if (limit !== undefined) return limit.what;
  return `ended unexpectedly (${signal === null ? `exit code ${code}` : `signal ${signal}`})`;
}

/** `reason` is "memory", "cpu", "signal" or "exit"; "hung" where we gave it up ourselves. */
function endDetails({ code, signal, limit }: ChildEnd): Record<string, unknown> {
  return {
    reason: limit?.reason ?? (signal === null ? "exit" : "signal"),
    ...(signal === null ? { exitCode: code } : { signal }),
  };
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || byte === 9 || byte === carriageReturn;
}

function mayBeMessage(first: number | undefined): boolean {
  return first === openBrace || first === openBracket;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function isAnonymous(answer: JsonRpcResponse): boolean {
  return answer.id === undefined || answer.id === null;
}

/** The id as the integer we sent, also where the server made text of it; 0, which is never sent, for anything else. */
function mintedId(id: unknown): number {
  if (typeof id === "number") return id;
  return typeof id === "string" && /^\d{1,15}$/.test(id) ? Number(id) : 0;
}

function subscriptionOf(params: JsonObject | undefined): unknown {
  const meta = params?.["_meta"];
  return isJsonObject(meta) ? meta[META.subscriptionId] : undefined;
}

function restoreSubscription(holder: JsonObject | undefined, callerId: RequestId): void {
  const meta = holder?.["_meta"];
  if (isJsonObject(meta) && META.subscriptionId in meta) meta[META.subscriptionId] = callerId;
}

function refused(exchange: Exchange, error: SignalboxError): ExchangeHandle {
  // Not at once: the caller does not hold the handle yet.
  queueMicrotask(() => exchange.sink.fail(error));
  return exchange;
}
