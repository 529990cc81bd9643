// Many exchanges over one child: newline-delimited JSON out and in.
//
// Every request goes out under an integer id of our own, and its progress token likewise: the ids of many
// callers would collide, and an integer is found in an answer without parsing it. Answers are passed on as
// the bytes they are with the caller's id put back, wherever the id stands where the SDKs write it: right
// after the opening (Python, Go, Rust) or at the very end (TypeScript). Anything else is parsed. Nothing is
// allocated per call but the exchange itself; one timer sweeps the deadlines of all.
import { SignalboxError, type Clock, type ErrorCode, type Log } from "../../foundation/index.ts";
import { META, isJsonObject, parseJson, stringify } from "../../protocol/index.ts";
import type {
  JsonObject,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
  RequestId,
} from "../../protocol/index.ts";
import type { ExchangeHandle, ExchangeSink, LaneListener, OutboundRequest } from "../lane.ts";
import { lastWords, type Child, type ChildEnd } from "./child-process.ts";
import { LineSplitter, lineMargin, type LineHandler } from "./line-splitter.ts";

/** What a channel saw that was no part of the conversation. */
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
}

/** The conversation with one child. */
export class StdioChannel implements LineHandler {
  readonly child: Child;
  readonly counts: ChannelCounts = {
    skippedLines: 0,
    lateAnswers: 0,
    unknownIds: 0,
    overlongLines: 0,
  };
  #listener: LaneListener = deaf;
  readonly #options: ChannelOptions;
  readonly #pending = new Map<number, Exchange>();
  #nextId = 1;
  #listens = 0;
  #out = "";
  #flushing = false;
  #sweeper: NodeJS.Timeout | undefined;
  #ended: SignalboxError | undefined;
  #overlongAttributed = false;

  constructor(child: Child, options: ChannelOptions) {
    this.child = child;
    this.#options = options;
    const splitter = new LineSplitter(this, options.lineBytesMax);
    child.stdout.on("data", (chunk: Buffer) => splitter.push(chunk));
    child.stdout.once("end", () => this.#onOutputEnd());
    void child.whenEnded.then((end) => this.#onChildEnd(end));
  }

  /** Why the channel is over; undefined while it is open. */
  get ended(): SignalboxError | undefined {
    return this.#ended;
  }

  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    const id = this.#nextId;
    this.#nextId = id + 1;
    const exchange = new Exchange(this, id, request, sink, this.#options.clock.monotonicMs());
    if (this.#ended !== undefined) return refused(exchange, this.#ended);
    if (this.#pending.size >= inFlightMax || this.#queuedBytes() > queueBytesMax) {
      return refused(exchange, this.#error("SERVER_REFUSED", "is busy: too much waits for it"));
    }
    this.#pending.set(id, exchange);
    if (exchange.listens) this.#listens += 1;
    this.#write(encode(request.message, exchange));
    this.#sweeper ??= this.#startSweeping();
    return exchange;
  }

  notify(message: JsonRpcNotification): void {
    if (this.#ended === undefined && this.#queuedBytes() <= queueBytesMax)
      this.#write(stringify(message));
  }

  respond(response: JsonRpcResponse): void {
    // A server that asks without ever reading the answers must not fill our memory.
    if (this.#ended === undefined && this.#queuedBytes() <= 2 * queueBytesMax)
      this.#write(stringify(response));
  }

  /** Ends the child; what is in flight fails with SERVER_CLOSED. */
  async close(graceMs?: number): Promise<void> {
    this.#end(this.#error("SERVER_CLOSED", "was closed"), false);
    await this.child.terminate(graceMs);
  }

  /** Gives an exchange up; the server is told unless it is a handshake. */
  cancel(exchange: Exchange, reason: string): void {
    if (!this.#pending.has(exchange.id)) return;
    this.#settle(exchange);
    this.#tellCancelled(exchange, reason);
  }

  /** The handshake is over: what belongs to no exchange goes to `listener`, late answers to the handshake nowhere. */
  begin(listener: LaneListener): void {
    this.#listener = listener;
    for (const exchange of this.#pending.values()) if (exchange.handshake) this.#settle(exchange);
  }

  // What comes in. The fast paths first.

  line(bytes: Buffer, start: number, lineEnd: number, owned: boolean): void {
    if (this.#ended !== undefined) return;
    const end = lineEnd > start && bytes[lineEnd - 1] === carriageReturn ? lineEnd - 1 : lineEnd;
    if (end - start > shortestAnswer && bytes[end - 1] === closeBrace) {
      if (findId(bytes, start, end)) {
        const exchange = this.#pending.get(found.id);
        if (exchange === undefined) {
          this.#countStray(found.id);
          return;
        }
        if (!exchange.listens) {
          this.#settle(exchange);
          exchange.sink.answer(splice(bytes, start, end, owned, idText(exchange.callerId)));
          return;
        }
      }
    }
    this.#slowLine(bytes, start, end);
  }

  overlongBegins(head: Buffer): void {
    this.counts.overlongLines += 1;
    this.#overlongAttributed = findIdAtHead(head, 0) && this.#failOverlong(found.id);
  }

  overlongEnds(tail: Buffer): void {
    if (this.#overlongAttributed) return;
    if (findIdAtTail(tail, 0, tail.length) && this.#failOverlong(found.id)) return;
    const only = this.#onlyCall();
    if (only !== undefined) this.#failOverlong(only.id);
  }

  endless(): void {
    if (this.#ended !== undefined) return;
    this.#end(this.#error("SERVER_TOO_LARGE", "sent a line without end and was stopped"), true);
    void this.child.terminate(0);
  }

  #slowLine(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && isBlank(bytes[at])) at += 1;
    if (at === end) return;
    if (bytes[at] !== openBrace && bytes[at] !== openBracket) {
      this.#skip(bytes, start, end);
      return;
    }
    let value: unknown;
    try {
      value = parseJson(bytes.toString("utf8", at, end));
    } catch {
      this.#skip(bytes, start, end);
      return;
    }
    if (!Array.isArray(value)) this.#receive(value);
    else for (const one of value) this.#receive(one); // batches of 2025-03-26
  }

  #receive(value: unknown): void {
    if (this.#ended !== undefined) return;
    if (!isJsonObject(value)) this.counts.skippedLines += 1;
    else if (typeof value["method"] === "string") this.#receiveCall(value, value["method"]);
    else if (isJsonObject(value["result"]) || isJsonObject(value["error"]))
      this.#receiveAnswer(value);
    else this.counts.skippedLines += 1;
  }

  #receiveAnswer(answer: JsonObject): void {
    const id = wireId(answer["id"]);
    const exchange = id === undefined ? this.#blamedFor(answer) : this.#pending.get(id);
    if (exchange === undefined) {
      this.#countStray(id);
      return;
    }
    this.#settle(exchange);
    answer["id"] = exchange.callerId;
    if (exchange.listens) restoreSubscription(answer["result"], exchange.callerId);
    exchange.sink.answer(Buffer.from(stringify(answer)));
  }

  /** An error without an id says that a request could not be read: with one in flight, that one. */
  #blamedFor(answer: JsonObject): Exchange | undefined {
    const anonymous = answer["id"] === null || answer["id"] === undefined;
    return anonymous && answer["error"] !== undefined ? this.#onlyCall() : undefined;
  }

  #receiveCall(message: JsonObject, method: string): void {
    const params = isJsonObject(message["params"]) ? message["params"] : undefined;
    const id = message["id"];
    if (typeof id === "string" || typeof id === "number") {
      if (method === "ping") this.respond({ jsonrpc: "2.0", id, result: {} });
      else this.#route(message as unknown as JsonRpcRequest);
      return;
    }
    const notification = message as unknown as JsonRpcNotification;
    const subscription = subscriptionOf(params);
    if (subscription !== undefined) this.#receiveSubscribed(notification, subscription);
    else if (method === "notifications/progress") this.#receiveProgress(notification, params);
    else if (method === "notifications/cancelled") this.#receiveCancelled(notification, params);
    else if (method === "notifications/message") this.#route(notification);
    else this.#listener.notification(notification);
  }

  #receiveProgress(message: JsonRpcNotification, params: JsonObject | undefined): void {
    const id = wireId(params?.["progressToken"]);
    const exchange = id === undefined ? undefined : this.#pending.get(id);
    if (params === undefined || exchange?.progressToken === undefined) {
      this.#countStray(id);
      return;
    }
    params["progressToken"] = exchange.progressToken;
    exchange.prolong(this.#options.clock.monotonicMs());
    exchange.sink.message(message);
  }

  #receiveSubscribed(message: JsonRpcNotification, subscription: unknown): void {
    const exchange = this.#pending.get(wireId(subscription) ?? 0);
    if (exchange === undefined) {
      this.counts.unknownIds += 1;
      return;
    }
    restoreSubscription(message.params, exchange.callerId);
    exchange.sink.message(message);
  }

  /** The server gives up one of our requests (a torn-down listen), or takes back one of its own. */
  #receiveCancelled(message: JsonRpcNotification, params: JsonObject | undefined): void {
    const id = wireId(params?.["requestId"]);
    const exchange = id === undefined ? undefined : this.#pending.get(id);
    if (exchange?.listens !== true) {
      this.#route(message);
      return;
    }
    this.#settle(exchange);
    exchange.sink.fail(this.#error("SERVER_CLOSED", "ended the subscription"));
  }

  /** What names no exchange belongs to the one in flight, where there is exactly one. */
  #route(message: JsonRpcNotification | JsonRpcRequest): void {
    const only = this.#onlyCall();
    if (only !== undefined) only.sink.message(message);
    else if ("id" in message) this.#listener.request(message);
    else this.#listener.notification(message);
  }

  #onlyCall(): Exchange | undefined {
    if (this.#pending.size - this.#listens !== 1) return undefined;
    for (const exchange of this.#pending.values()) if (!exchange.listens) return exchange;
    return undefined;
  }

  #skip(bytes: Buffer, start: number, end: number): void {
    this.counts.skippedLines += 1;
    if (!this.#options.log.enabled("debug")) return;
    const text = bytes.toString("utf8", start, Math.min(end, start + 200));
    this.#options.log.debug({ line: text }, "Skipped a line that is not JSON-RPC");
  }

  #countStray(id: number | undefined): void {
    if (id !== undefined && id > 0 && id < this.#nextId) this.counts.lateAnswers += 1;
    else this.counts.unknownIds += 1;
  }

  #failOverlong(id: number): boolean {
    const exchange = this.#pending.get(id);
    if (exchange === undefined) return false;
    this.#settle(exchange);
    const bound = `more than ${this.#options.lineBytesMax} bytes`;
    exchange.sink.fail(
      this.#error("SERVER_TOO_LARGE", `answered "${exchange.method}" with ${bound}`),
    );
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
    if (exchange.handshake || this.#ended !== undefined) return;
    this.notify({
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: exchange.id, reason },
    });
  }

  // Endings: one exchange, or all.

  #settle(exchange: Exchange): void {
    if (this.#pending.delete(exchange.id) && exchange.listens) this.#listens -= 1;
  }

  #startSweeping(): NodeJS.Timeout {
    return setInterval(this.#sweep, sweepMs).unref();
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
    this.#settle(exchange);
    this.#tellCancelled(exchange, "timeout");
    exchange.sink.fail(
      this.#error(
        "SERVER_TIMEOUT",
        `did not answer "${exchange.method}" within ${Math.round(exchange.waitedMs)} ms`,
      ),
    );
  }

  #onOutputEnd(): void {
    // Most often the child is ending; its exit tells more than the end of its output.
    setTimeout(() => {
      if (this.#ended !== undefined) return;
      this.#end(this.#error("SERVER_CLOSED", "closed its output"), true);
      void this.child.terminate();
    }, outputEndMs).unref();
  }

  #onChildEnd(end: ChildEnd): void {
    const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
    const words = lastWords(this.child.stderr);
    this.#end(this.#error("SERVER_CRASHED", `ended unexpectedly (${how})${words}`), true);
    void this.child.terminate(); // the rest of its group
  }

  #end(error: SignalboxError, tell: boolean): void {
    if (this.#ended !== undefined) return;
    this.#flush();
    this.#ended = error;
    clearInterval(this.#sweeper);
    const left = [...this.#pending.values()];
    this.#pending.clear();
    this.#listens = 0;
    for (const exchange of left) exchange.sink.fail(error);
    if (tell) this.#listener.closed(error);
  }

  #error(code: ErrorCode, what: string): SignalboxError {
    return new SignalboxError(code, `The server "${this.#options.serverName}" ${what}.`);
  }
}

/** One request and the way back to whoever sent it. */
export class Exchange implements ExchangeHandle {
  readonly id: number;
  readonly callerId: RequestId;
  readonly method: string;
  readonly sink: ExchangeSink;
  readonly progressToken: unknown;
  /** A `subscriptions/listen`: its answers carry its id a second time, inside. */
  readonly listens: boolean;
  deadlineMs: number;
  readonly #channel: StdioChannel;
  readonly #startedMs: number;
  readonly #timeoutMs: number;
  readonly #latestMs: number;

  constructor(
    channel: StdioChannel,
    id: number,
    request: OutboundRequest,
    sink: ExchangeSink,
    nowMs: number,
  ) {
    const message = request.message;
    this.id = id;
    this.callerId = message.id;
    this.method = message.method;
    this.sink = sink;
    this.progressToken = progressTokenOf(message);
    this.listens = message.method === "subscriptions/listen";
    this.deadlineMs = nowMs + request.timeoutMs;
    this.#channel = channel;
    this.#startedMs = nowMs;
    this.#timeoutMs = request.timeoutMs;
    this.#latestMs = nowMs + (request.timeoutMaxMs ?? timeoutMaxMs);
  }

  get handshake(): boolean {
    return this.method === "initialize" || this.method === "server/discover";
  }

  /** How long the server was given. */
  get waitedMs(): number {
    return this.deadlineMs - this.#startedMs;
  }

  cancel(reason: string): void {
    this.#channel.cancel(this, reason);
  }

  /** Answers come whole: nothing is ever paused. */
  resume(): void {}

  /** Progress grants the timeout anew, up to the most the request may take. */
  prolong(nowMs: number): void {
    this.deadlineMs = Math.max(this.deadlineMs, Math.min(nowMs + this.#timeoutMs, this.#latestMs));
  }
}

const inFlightMax = 10_000;
const queueBytesMax = 16 * 1024 * 1024;
const timeoutMaxMs = 600_000;
const sweepMs = 50;
const outputEndMs = 500;

const carriageReturn = 13;
const quote = 34;
const comma = 44;
const zero = 48;
const nine = 57;
const openBracket = 91;
const openBrace = 123;
const closeBrace = 125;
const idDigitsMax = 15;

const head = Buffer.from('{"jsonrpc":"2.0","id":');
const tail = Buffer.from(',"jsonrpc":"2.0","id":');
const resultKey = Buffer.from('"result":');
const errorKey = Buffer.from('"error":');
const shortestAnswer = head.length + resultKey.length;

const deaf: LaneListener = { notification() {}, request() {}, closed() {} };

/** The last id found: its value and where its digits stand. One, reused: the scan must not allocate. */
const found = { id: 0, from: 0, to: 0 };

/** Finds the id of an answer written the way the SDKs write it; false when it must be parsed to know. */
function findId(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start + 1] !== quote) return false;
  if (findIdAtHead(bytes, start)) return true;
  if (!has(bytes, start + 1, resultKey) && !has(bytes, start + 1, errorKey)) return false;
  return findIdAtTail(bytes, start, end);
}

function findIdAtHead(bytes: Buffer, start: number): boolean {
  if (!has(bytes, start, head)) return false;
  const from = start + head.length;
  let id = 0;
  let at = from;
  for (let byte = bytes[at]; isDigit(byte); byte = bytes[at]) {
    id = id * 10 + byte - zero;
    at += 1;
  }
  if (at === from || at - from > idDigitsMax || bytes[at] !== comma) return false;
  if (!has(bytes, at + 1, resultKey) && !has(bytes, at + 1, errorKey)) return false;
  found.id = id;
  found.from = from;
  found.to = at;
  return true;
}

function findIdAtTail(bytes: Buffer, start: number, end: number): boolean {
  const to = end - 1;
  let id = 0;
  let at = to;
  for (let unit = 1; ; unit *= 10) {
    const byte = bytes[at - 1];
    if (!isDigit(byte)) break;
    id += (byte - zero) * unit;
    at -= 1;
  }
  if (at === to || to - at > idDigitsMax) return false;
  if (at - tail.length < start || !has(bytes, at - tail.length, tail)) return false;
  found.id = id;
  found.from = at;
  found.to = to;
  return true;
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= zero && byte <= nine;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || byte === 9 || byte === carriageReturn;
}

function has(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}

/** The line with `id` where `found` says the wire's id stands; an owned line is changed in place. */
function splice(bytes: Buffer, start: number, end: number, owned: boolean, id: string): Buffer {
  const { from, to } = found;
  const idBytes = Buffer.byteLength(id);
  const grows = idBytes - (to - from);
  if (owned && grows <= lineMargin) {
    if (end - to < from - start) {
      bytes.copyWithin(to + grows, to, end);
      bytes.write(id, from);
      return bytes.subarray(start, end + grows);
    }
    bytes.copyWithin(start - grows, start, from);
    bytes.write(id, from - grows);
    return bytes.subarray(start - grows, end);
  }
  const answer = Buffer.allocUnsafe(end - start + grows);
  bytes.copy(answer, 0, start, from);
  answer.write(id, from - start);
  bytes.copy(answer, to - start + grows, to, end);
  return answer;
}

function idText(id: unknown): string {
  return typeof id === "number" ? String(id) : stringify(id);
}

/** The request as it goes out: the same but for id and progress token. */
function encode(message: JsonRpcRequest, exchange: Exchange): string {
  const id = exchange.id;
  if (exchange.progressToken === undefined) return stringify({ ...message, id });
  const params = message.params ?? {};
  const meta = { ...(params["_meta"] as JsonObject), progressToken: id };
  return stringify({ ...message, id, params: { ...params, _meta: meta } });
}

function progressTokenOf(message: JsonRpcRequest): unknown {
  const meta = message.params?.["_meta"];
  return isObject(meta) ? meta["progressToken"] : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null;
}

function wireId(id: unknown): number | undefined {
  if (typeof id === "number") return id;
  return typeof id === "string" && /^\d{1,15}$/.test(id) ? Number(id) : undefined;
}

function subscriptionOf(params: JsonObject | undefined): unknown {
  const meta = params?.["_meta"];
  return isJsonObject(meta) ? meta[META.subscriptionId] : undefined;
}

function restoreSubscription(holder: unknown, callerId: RequestId): void {
  const meta = isJsonObject(holder) ? holder["_meta"] : undefined;
  if (isJsonObject(meta) && META.subscriptionId in meta) meta[META.subscriptionId] = callerId;
}

function refused(exchange: Exchange, error: SignalboxError): ExchangeHandle {
  // Not at once: the caller does not hold the handle yet.
  queueMicrotask(() => exchange.sink.fail(error));
  return exchange;
}
