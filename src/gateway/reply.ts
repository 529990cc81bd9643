/**
 * How an answer goes back. A reply takes messages that precede the answer, then the answer, whole or streamed. Over a POST
 * it stays a plain JSON response until something precedes the answer; only then it becomes an event stream.
 */
import type { ServerResponse } from "node:http";
import { HeldShare, type HeldBytes } from "../foundation/index.ts";
import { RPC, errorResponse, stringify, type RequestId, type Revision } from "../protocol/index.ts";
import { answerLost, dropStalled, startEvents, type EventStream } from "./event-stream.ts";

/** Where streams that can be resumed come from: a legacy session. */
export interface StreamSource {
  readonly revision: Revision;
  openStream(): EventStream;
}

export interface Reply {
  /** Whether the answer was given: nothing more goes out after it. */
  readonly ended: boolean;
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
  /** Calls `sent` once the client has all of the answer, or has gone. */
  onSent(sent: () => void): void;
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
  readonly #id: RequestId;
  #stream: EventStream | undefined;
  #state: "open" | "json" | "events" | "ended" = "open";
  /** An answer is being streamed, and nothing may come between its pieces. */
  #streaming = false;
  /** The pieces of an answer that cannot be streamed, because its client is away or goes on elsewhere; "lost" if too many. */
  #gathered: Buffer[] | "lost" | undefined;
  #gatheredBytes = 0;
  #headers: readonly string[] = NO_HEADERS;

  /**
   * `events`: whether the client takes an event stream. `session`: a legacy one, whose streams can be resumed; `id` is then
   * the request's.
   */
  constructor(res: ServerResponse, events: boolean, session?: StreamSource, id: RequestId = "") {
    this.#res = res;
    this.#events = events;
    this.#session = session;
    this.#id = id;
  }

  get ended(): boolean {
    return this.#state === "ended";
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
    if (this.#state === "open") answerSoon(this.#res, json, status, this.#headers);
    else {
      const line = oneLine(json.toString());
      if (this.#stream === undefined) this.#res.end(`${DATA}${line}${END_OF_EVENT}`);
      else {
        this.#stream.answer(line, this.#id);
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
    if (this.#stream?.hold(this.#res) === false) {
      this.#gathered = [];
      return this.#gather(first);
    }
    this.#relay(DATA);
    return this.#relay(oneLineBytes(first));
  }

  chunk(bytes: Buffer): boolean {
    if (this.#state === "ended") return true;
    if (this.#gathered !== undefined) return this.#gather(bytes);
    return this.#relay(this.#state === "json" ? bytes : oneLineBytes(bytes));
  }

  end(): void {
    if (this.#state === "ended") return;
    const events = this.#state === "events";
    this.#state = "ended";
    if (this.#stream !== undefined) this.#endStream(this.#stream);
    else {
      if (events) this.#relay(END_OF_EVENT);
      this.#res.end();
    }
  }

  // An event counts as received with its id: it comes last, so that a client that has missed a piece asks for it again.
  #endStream(stream: EventStream): void {
    const gathered = this.#gathered;
    if (gathered === undefined && !this.#isGone()) {
      this.#relay(`\nid: ${stream.answered(this.#id)}${END_OF_EVENT}`);
    } else if (gathered === undefined || gathered === "lost") {
      stream.answer(answerLost(this.#id), this.#id);
    } else stream.answer(oneLine(Buffer.concat(gathered).toString()), this.#id);
    stream.finish();
  }

  #gather(bytes: Buffer): boolean {
    if (this.#gathered === undefined || this.#gathered === "lost") return true;
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#stream?.reaches(this.#gatheredBytes) !== true) this.#gathered = "lost";
    return true;
  }

  abort(error: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#res.destroy();
    this.#stream?.answer(error, this.#id);
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

  onSent(sent: () => void): void {
    onceClosed(this.#res, sent);
  }

  keepAlive(): void {
    if (!this.#openEvents()) return;
    if (this.#stream === undefined) this.#res.write(":\n\n");
    else this.#stream.keepAlive();
  }

  // A client that has gone takes everything at once.
  #relay(bytes: Buffer | string): boolean {
    return this.#isGone() || this.#res.write(bytes);
  }

  #isGone(): boolean {
    return this.#res.destroyed || this.#res.writableEnded;
  }

  #openEvents(): boolean {
    if (this.#streaming) return false;
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

/** How many bytes of streamed answers may yet be gathered, by all replies that share it. */
export interface Room {
  left: number;
}

/** What a gathering reply may hold, and the `id` under which it answers with an error where there is no room. */
export interface Bound {
  readonly room: Room;
  readonly id: RequestId;
  /** What all answers that are held whole share. */
  readonly held?: HeldBytes;
  /** The response with which the answer goes to the client in the end; without one it has gone once it was handed on. */
  readonly res?: ServerResponse;
}

/** A reply that hands its messages and its whole answer to functions; streamed answers are gathered first. */
export class GatheringReply implements Reply {
  readonly #message: (json: string) => void;
  readonly #answer: (json: string) => void;
  readonly #cancel: (error: string) => void;
  readonly #bound: Bound | undefined;
  readonly #share: HeldShare | undefined;
  #chunks: Buffer[] = [];
  #gatheredBytes = 0;
  #ended = false;

  /** `cancel` hears of a request that was given up; one that finds no room is answered with an error under its `id`. */
  constructor(
    message: (json: string) => void,
    answer: (json: string) => void,
    cancel: (error: string) => void,
    bound?: Bound,
  ) {
    this.#message = message;
    this.#answer = answer;
    this.#cancel = cancel;
    this.#bound = bound;
    this.#share = bound?.held && new HeldShare(bound.held);
  }

  get ended(): boolean {
    return this.#ended;
  }

  addHeaders(_headers: readonly string[]): void {}

  message(json: string): boolean {
    if (!this.#ended) this.#message(json);
    return !this.#ended;
  }

  answer(json: Buffer | string, _status: number): void {
    if (this.#ended) return;
    this.#finish();
    this.#answer(oneLine(json.toString()));
  }

  begin(first: Buffer, _length: number | undefined): boolean {
    return this.chunk(first);
  }

  chunk(bytes: Buffer): boolean {
    if (this.#ended) return true;
    this.#chunks.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#bound === undefined) return true;
    this.#bound.room.left -= bytes.length;
    if (this.#bound.room.left < 0) this.#refuse("response_bytes_max");
    else if (this.#share?.fit(this.#gatheredBytes) === false) this.#refuse("held_bytes_max");
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks), 200);
  }

  abort(error: string): void {
    this.answer(error, 200);
  }

  cancel(error: string): void {
    if (this.#ended) return;
    this.#finish();
    this.#cancel(error);
  }

  #finish(): void {
    this.#ended = true;
    this.#chunks = [];
    this.#share?.giveBack();
    if (this.#bound !== undefined) this.#bound.room.left += this.#gatheredBytes;
  }

  #refuse(limit: string): void {
    if (this.#bound !== undefined) this.answer(noRoom(this.#bound.id, limit), 200);
  }

  onDrain(_resume: () => void): void {}

  onSent(sent: () => void): void {
    if (this.#bound?.res === undefined) sent();
    else onceClosed(this.#bound.res, sent);
  }

  keepAlive(): void {}
}

function noRoom(id: RequestId, limit: string): string {
  const sentence = `The answer is too large beside the others that are under way (limits.${limit}); ask for it alone.`;
  return stringify(errorResponse(id, RPC.internalError, sentence, { code: "SERVER_TOO_LARGE" }));
}

/** Calls `closed` when the response has gone to the client, or the client has gone. */
function onceClosed(res: ServerResponse, closed: () => void): void {
  if (res.closed || res.destroyed) closed();
  else res.once("close", closed);
}

interface WholeAnswer {
  readonly res: ServerResponse;
  readonly json: Buffer | string;
  readonly status: number;
  readonly headers: readonly string[];
}

let answers: WholeAnswer[] = [];

// Whole answers are written one after the other when everything that has arrived is dealt with. Written in between, each of
// them wakes its reader anew, which costs the writer more than anything else it does for a call.
function answerSoon(
  res: ServerResponse,
  json: Buffer | string,
  status: number,
  headers: readonly string[],
): void {
  if (answers.push({ res, json, status, headers }) === 1) setImmediate(writeAnswers);
}

function writeAnswers(): void {
  const due = answers;
  answers = [];
  for (const { res, json, status, headers } of due) {
    try {
      endJson(res, json, status, headers);
    } catch {
      res.destroy();
    }
  }
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
