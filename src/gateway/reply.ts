/**
 * How an answer goes back. A reply takes messages that precede the answer, then the answer, whole or streamed. Over a POST
 * it stays a plain JSON response until something precedes the answer; only then it becomes an event stream.
 */
import type { ServerResponse } from "node:http";
import type { Revision } from "../protocol/index.ts";
import { dropStalled, startEvents, type EventStream } from "./event-stream.ts";

/** Where streams that can be resumed come from: a legacy session. */
export interface StreamSource {
  readonly revision: Revision;
  openStream(): EventStream;
}

export interface Reply {
  /** Headers for the response, name and value in turn, where it is this reply's own and has not begun. */
  addHeaders(headers: readonly string[]): void;
  /** A notification or a server's request, ahead of the answer; false where the client takes no event stream for it. */
  message(json: string): boolean;
  /** The answer; `status` is the HTTP status where the answer is the whole response. */
  answer(json: Buffer | string, status: number): void;
  /** An answer too large to hold begins; the rest comes by `chunk`, which is false when the client reads too slowly. */
  begin(first: Buffer, length: number | undefined): boolean;
  chunk(bytes: Buffer): boolean;
  end(): void;
  /** The answer broke off: the client must see that it is not whole. `error` is for a client that has had none of it. */
  abort(error: string): void;
  /** The client gave the request up: `error` ends it where silence would leave something open. */
  cancel(error: string): void;
  /** Calls `resume` whenever a slow client has caught up, or has gone. */
  onDrain(resume: () => void): void;
  /** A comment against silence; opens the event stream where there is none yet. */
  keepAlive(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DATA = "data: ";
const END_OF_EVENT = "\n\n";

/** A reply to one request in one POST. */
export class PostReply implements Reply {
  readonly #res: ServerResponse;
  readonly #events: boolean;
  readonly #session: StreamSource | undefined;
  #stream: EventStream | undefined;
  #state: "open" | "json" | "events" | "ended" = "open";
  /** An answer is being streamed, and nothing may come between its pieces. */
  #streaming = false;
  #headers: readonly string[] = NO_HEADERS;

  /** `events`: whether the client takes an event stream. `session`: a legacy one, whose streams can be resumed. */
  constructor(res: ServerResponse, events: boolean, session?: StreamSource) {
    this.#res = res;
    this.#events = events;
    this.#session = session;
  }

  addHeaders(headers: readonly string[]): void {
    this.#headers = this.#headers === NO_HEADERS ? headers : [...this.#headers, ...headers];
  }

  message(json: string): boolean {
    if (!this.#openEvents()) return false;
    if (this.#stream !== undefined) this.#stream.send(json);
    else if (!dropStalled(this.#res)) this.#res.write(`${DATA}${json}${END_OF_EVENT}`);
    return true;
  }

  answer(json: Buffer | string, status: number): void {
    if (this.#state === "ended") return;
    if (this.#state === "open") endJson(this.#res, json, status, this.#headers);
    else {
      const line = oneLine(json.toString());
      if (this.#stream === undefined) this.#res.end(`${DATA}${line}${END_OF_EVENT}`);
      else {
        this.#stream.send(line);
        this.#stream.finish();
      }
    }
    this.#state = "ended";
  }

  begin(first: Buffer, length: number | undefined): boolean {
    if (this.#state === "ended") return true;
    this.#streaming = true;
    if (this.#state === "open") {
      this.#state = "json";
      this.#res.writeHead(200, [
        "content-type",
        "application/json",
        ...(length === undefined ? [] : ["content-length", String(length)]),
        ...this.#headers,
      ]);
      return this.#relay(first);
    }
    this.#relay(DATA);
    return this.#relay(oneLineBytes(first));
  }

  chunk(bytes: Buffer): boolean {
    if (this.#state === "ended") return true;
    return this.#relay(this.#state === "json" ? bytes : oneLineBytes(bytes));
  }

  end(): void {
    if (this.#state === "ended") return;
    if (this.#state === "events") this.#relay(END_OF_EVENT);
    this.#state = "ended";
    this.#res.end();
    this.#stream?.finish();
  }

  abort(error: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#res.destroy();
    this.#stream?.send(error);
    this.#stream?.finish();
  }

  cancel(error: string): void {
    if (this.#streaming) this.abort(error);
    else this.answer(error, 200);
  }

  onDrain(resume: () => void): void {
    this.#res.on("drain", resume);
    this.#res.once("close", resume);
  }

  keepAlive(): void {
    if (this.#streaming || !this.#openEvents()) return;
    if (this.#stream === undefined) this.#res.write(":\n\n");
    else this.#stream.keepAlive();
  }

  // A client that has gone takes everything at once.
  #relay(bytes: Buffer | string): boolean {
    return this.#res.destroyed || this.#res.writableEnded || this.#res.write(bytes);
  }

  #openEvents(): boolean {
    if (this.#state === "events") return true;
    if (this.#state !== "open" || !this.#events) return false;
    this.#state = "events";
    startEvents(this.#res, this.#headers);
    const session = this.#session;
    if (session !== undefined) {
      this.#stream = session.openStream();
      this.#stream.attach(this.#res);
      if (session.revision.primesStreams) this.#stream.prime();
    }
    return true;
  }
}

/** A reply that hands its messages and its whole answer to functions; streamed answers are gathered first. */
export class GatheringReply implements Reply {
  readonly #message: (json: string) => void;
  readonly #answer: (json: string) => void;
  readonly #cancel: (error: string) => void;
  #chunks: Buffer[] = [];
  #ended = false;

  /** `cancel` hears of a request that was given up. */
  constructor(
    message: (json: string) => void,
    answer: (json: string) => void,
    cancel: (error: string) => void,
  ) {
    this.#message = message;
    this.#answer = answer;
    this.#cancel = cancel;
  }

  addHeaders(_headers: readonly string[]): void {}

  message(json: string): boolean {
    if (!this.#ended) this.#message(json);
    return !this.#ended;
  }

  answer(json: Buffer | string, _status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#answer(oneLine(json.toString()));
  }

  begin(first: Buffer, _length: number | undefined): boolean {
    this.#chunks = [first];
    return true;
  }

  chunk(bytes: Buffer): boolean {
    this.#chunks.push(bytes);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks), 200);
  }

  abort(error: string): void {
    this.#chunks = [];
    this.answer(error, 200);
  }

  cancel(error: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks = [];
    this.#cancel(error);
  }

  onDrain(_resume: () => void): void {}

  keepAlive(): void {}
}

// Node writes a head and a string in one piece but a head and a buffer in two, which costs more than turning a small
// buffer into a string of the same bytes.
function endJson(
  res: ServerResponse,
  json: Buffer | string,
  status: number,
  headers: readonly string[],
): void {
  if (typeof json === "string") {
    res.writeHead(status, jsonHeaders(Buffer.byteLength(json), headers));
    res.end(json);
    return;
  }
  res.writeHead(status, jsonHeaders(json.length, headers));
  if (json.length <= ONE_WRITE_BYTES) res.end(json.toString("latin1"), "latin1");
  else res.end(json);
}

const ONE_WRITE_BYTES = 16 * 1024;

const NO_HEADERS: readonly string[] = [];

function jsonHeaders(length: number, more: readonly string[]): string[] {
  const headers = ["content-type", "application/json", "content-length", String(length)];
  if (more.length > 0) headers.push(...more);
  return headers;
}

// A line break in JSON can only be white space between tokens; an event's data cannot hold one.
function oneLine(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replaceAll(/[\r\n]/g, " ") : json;
}

function oneLineBytes(bytes: Buffer): Buffer {
  if (!bytes.includes(LF) && !bytes.includes(CR)) return bytes;
  return Buffer.from(bytes.map((byte) => (byte === LF || byte === CR ? SPACE : byte)));
}
