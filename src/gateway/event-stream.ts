/**
 * Event streams of a legacy session. Each event carries an id `{stream}.{sequence}`, so that a client whose connection
 * broke can name the last one it saw and get the rest (2025-11-25, transports, "Resumability and redelivery"). What is
 * kept for that is bounded per session: the oldest events go first.
 */
import type { ServerResponse } from "node:http";
import { RPC, errorResponse, sseEvent, stringify, type RequestId } from "../protocol/index.ts";

const SSE_HEADERS: readonly string[] = [
  "content-type",
  "text/event-stream",
  "cache-control",
  "no-cache, no-transform",
  "x-accel-buffering",
  "no",
];

const UNREAD_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Lets a reader go that leaves too much unread: it is taken for dead. True when it is gone. `largest` is what the largest
 * message so far was: that one alone proves nothing, however slowly it is read.
 */
export function dropStalled(res: ServerResponse, largest = 0): boolean {
  if (res.writableLength > UNREAD_BYTES_MAX + largest) res.destroy();
  return res.destroyed || res.writableEnded;
}

/** Starts an event-stream answer; more headers, name and value in turn, come on top. */
export function startEvents(res: ServerResponse, more: readonly string[] = []): void {
  res.writeHead(200, [...SSE_HEADERS, ...more]);
  res.flushHeaders();
}

interface KeptEvent {
  readonly stream: string;
  readonly sequence: number;
  readonly text: string;
}

/** The events a session keeps for streams that may be resumed. */
export class ReplayStore {
  readonly bytesMax: number;
  #kept: KeptEvent[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  keep(stream: string, sequence: number, text: string): void {
    if (text.length > this.bytesMax) return;
    this.#kept.push({ stream, sequence, text });
    this.#bytes += text.length;
    while (this.#bytes > this.bytesMax) this.#bytes -= this.#kept.shift()?.text.length ?? 0;
  }

  /** The kept events of a stream after a sequence number, in order. */
  after(stream: string, sequence: number): readonly KeptEvent[] {
    return this.#kept.filter((event) => event.stream === stream && event.sequence > sequence);
  }
}

export class EventStream {
  readonly id: string;
  readonly #store: ReplayStore;
  #sequence = 0;
  #delivered = 0;
  #largest = 0;
  #finished = false;
  /** The events that ended a request: who comes back for one that is not kept is told that it is lost. */
  readonly #answers: { readonly sequence: number; readonly id: RequestId }[] = [];
  /** An answer is being written piece by piece to the reader, and nothing may come between. */
  #held = false;
  #out: ServerResponse | undefined;

  constructor(id: string, store: ReplayStore) {
    this.id = id;
    this.#store = store;
  }

  get attached(): boolean {
    return this.#out !== undefined;
  }

  /** Sends an empty event that only carries an id, so that the client can resume before the first message. */
  prime(): void {
    this.#write(sseEvent("", this.#nextId()));
  }

  /** Sends one JSON-RPC message, and keeps it for a client that is not there or comes back. */
  send(json: string): void {
    const text = sseEvent(json, this.#nextId());
    this.#store.keep(this.id, this.#sequence, text);
    this.#write(text);
  }

  /** Sends the answer to the request `id`, as `send` does. */
  answer(json: string, id: RequestId): void {
    this.send(json);
    this.#answers.push({ sequence: this.#sequence, id });
  }

  /** Notes that the answer to the request `id` has been written to the held reader; it gets the event id returned. */
  answered(id: RequestId): string {
    const eventId = this.#nextId();
    this.#answers.push({ sequence: this.#sequence, id });
    this.#delivered = this.#sequence;
    return eventId;
  }

  /** Whether an answer of that many bytes would reach anyone: now, or when a reader comes back. */
  reaches(bytes: number): boolean {
    return this.attached || bytes <= this.#store.bytesMax;
  }

  /** A comment, against proxies that close silent connections. */
  keepAlive(): void {
    if (!this.#held) this.#out?.write(":\n\n");
  }

  /** Leaves `out` to whoever writes an answer to it piece by piece; false where `out` is not the reader any more. */
  hold(out: ServerResponse): boolean {
    this.#held = this.#out === out && !out.destroyed && !out.writableEnded;
    return this.#held;
  }

  /** Makes `out` the reader: it first gets what came after `after` (default: what no reader has got). */
  attach(out: ServerResponse, after = this.#delivered): void {
    this.#out?.end();
    this.#out = out;
    this.#held = false;
    out.once("close", () => {
      if (this.#out === out) this.#out = undefined;
    });
    for (const { text } of this.#missed(after)) out.write(text);
    this.#delivered = this.#sequence;
    if (this.#finished) this.#end();
  }

  /** Nothing more will come; the reader, if any, is let go. */
  finish(): void {
    this.#finished = true;
    this.#end();
  }

  #missed(after: number): readonly { readonly sequence: number; readonly text: string }[] {
    const kept = this.#store.after(this.id, after);
    const lost = this.#answers.filter(
      ({ sequence }) => sequence > after && !kept.some((event) => event.sequence === sequence),
    );
    if (lost.length === 0) return kept;
    const told = lost.map(({ sequence, id }) => ({
      sequence,
      text: sseEvent(answerLost(id), `${this.id}.${sequence}`),
    }));
    return [...kept, ...told].toSorted((one, other) => one.sequence - other.sequence);
  }

  #nextId(): string {
    return `${this.id}.${++this.#sequence}`;
  }

  #write(text: string): void {
    const out = this.#out;
    if (out === undefined) return;
    if (dropStalled(out, this.#largest)) {
      this.#out = undefined;
      return;
    }
    this.#largest = Math.max(this.#largest, text.length);
    out.write(text);
    this.#delivered = this.#sequence;
  }

  #end(): void {
    this.#out?.end();
    this.#out = undefined;
  }
}

/** The error that ends a request whose answer cannot be given any more. */
export function answerLost(id: RequestId): string {
  const sentence =
    "The connection broke while the answer was sent, and it is too large to be kept.";
  return stringify(errorResponse(id, RPC.internalError, sentence, { code: "ANSWER_LOST" }));
}

/** The stream and sequence number of a `Last-Event-ID`; undefined where it is not one of ours. */
export function readEventId(id: string): { stream: string; sequence: number } | undefined {
  const match = /^([0-9a-z]{1,12})\.(\d{1,12})$/.exec(id);
  return match?.[1] === undefined ? undefined : { stream: match[1], sequence: Number(match[2]) };
}
