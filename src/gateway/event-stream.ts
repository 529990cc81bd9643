/**
 * Event streams of a legacy session. Each event carries an id `{stream}.{sequence}`, so that a client whose connection
 * broke can name the last one it saw and get the rest (2025-11-25, transports, "Resumability and redelivery"). What is
 * kept for that is bounded per session: the oldest events go first.
 */
import type { ServerResponse } from "node:http";
import { sseEvent } from "../protocol/index.ts";

const SSE_HEADERS: readonly string[] = [
  "content-type",
  "text/event-stream",
  "cache-control",
  "no-cache, no-transform",
  "x-accel-buffering",
  "no",
];

const UNREAD_BYTES_MAX = 16 * 1024 * 1024;

/** Lets a reader go that leaves too much unread: it is taken for dead. True when it is gone. */
export function dropStalled(res: ServerResponse): boolean {
  if (res.writableLength > UNREAD_BYTES_MAX) res.destroy();
  return res.destroyed || res.writableEnded;
}

/** Starts an event-stream answer; more headers, name and value in turn, come on top. */
export function startEvents(res: ServerResponse, more: readonly string[] = []): void {
  res.writeHead(200, [...SSE_HEADERS, ...more]);
  res.flushHeaders();
}

/** The events a session keeps for streams that may be resumed. */
export class ReplayStore {
  readonly #bytesMax: number;
  #kept: { stream: string; sequence: number; text: string }[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  keep(stream: string, sequence: number, text: string): void {
    if (text.length > this.#bytesMax) return;
    this.#kept.push({ stream, sequence, text });
    this.#bytes += text.length;
    while (this.#bytes > this.#bytesMax) this.#bytes -= this.#kept.shift()?.text.length ?? 0;
  }

  /** The kept events of a stream after a sequence number, in order. */
  after(stream: string, sequence: number): readonly string[] {
    return this.#kept
      .filter((event) => event.stream === stream && event.sequence > sequence)
      .map((event) => event.text);
  }
}

export class EventStream {
  readonly id: string;
  readonly #store: ReplayStore;
  #sequence = 0;
  #delivered = 0;
  #finished = false;
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

  /** A comment, against proxies that close silent connections. */
  keepAlive(): void {
    this.#out?.write(":\n\n");
  }

  /** Makes `out` the reader: it first gets what came after `after` (default: what no reader has got). */
  attach(out: ServerResponse, after = this.#delivered): void {
    this.#out?.end();
    this.#out = out;
    out.once("close", () => {
      if (this.#out === out) this.#out = undefined;
    });
    for (const text of this.#store.after(this.id, after)) out.write(text);
    this.#delivered = this.#sequence;
    if (this.#finished) this.#end();
  }

  /** Nothing more will come; the reader, if any, is let go. */
  finish(): void {
    this.#finished = true;
    this.#end();
  }

  #nextId(): string {
    return `${this.id}.${++this.#sequence}`;
  }

  #write(text: string): void {
    const out = this.#out;
    if (out === undefined) return;
    if (dropStalled(out)) {
      this.#out = undefined;
      return;
    }
    out.write(text);
    this.#delivered = this.#sequence;
  }

  #end(): void {
    this.#out?.end();
    this.#out = undefined;
  }
}

/** The stream and sequence number of a `Last-Event-ID`; undefined where it is not one of ours. */
export function readEventId(id: string): { stream: string; sequence: number } | undefined {
  const match = /^([0-9a-z]{1,12})\.(\d{1,12})$/.exec(id);
  return match?.[1] === undefined ? undefined : { stream: match[1], sequence: Number(match[2]) };
}
