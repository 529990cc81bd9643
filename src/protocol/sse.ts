import { HeldShare, type HeldBytes } from "../foundation/index.ts";

/** Server-sent events (WHATWG HTML, section 9.2), as far as MCP uses them. */
export interface SseEvent {
  /** The `event` field; absent means "message". */
  readonly event?: string;
  readonly data: string;
  readonly id?: string;
  /** Milliseconds, from a `retry` field of this event. */
  readonly retry?: number;
}

/** An event larger than the parser was told to hold, or, where it is `crowded`, one for which there is no room now. */
export class SseOverflowError extends Error {
  override readonly name = "SseOverflowError";
  readonly crowded: boolean;

  constructor(sentence: string, crowded: boolean) {
    super(sentence);
    this.crowded = crowded;
  }
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a byte stream into events, wherever the chunks break. Holds at most `eventBytesMax` bytes of one event and
 * throws SseOverflowError beyond that, and where what it holds finds no room in `held`. An event that is cut off by the end of
 * the stream is dropped, as the standard says; whoever gives `held` must `close` the parser.
 */
export class SseParser {
  readonly #eventBytesMax: number;
  readonly #share: HeldShare | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #data: string[] = [];
  #dataBytes = 0;
  #event: string | undefined;
  #id: string | undefined;
  #retry: number | undefined;
  #skipLf = false;
  #first = true;

  constructor(eventBytesMax = 64 * 1024 * 1024, held?: HeldBytes) {
    this.#eventBytesMax = eventBytesMax;
    this.#share = held && new HeldShare(held);
  }

  /** Lets go of what it holds; nothing may be pushed any more. */
  close(): void {
    this.#pending = [];
    this.#data = [];
    this.#share?.giveBack();
  }

  /** The events that `chunk` completes, in order. */
  push(chunk: Buffer): SseEvent[] {
    const events: SseEvent[] = [];
    let from = 0;
    if (this.#skipLf && chunk.length > 0) {
      if (chunk[0] === LF) from = 1;
      this.#skipLf = false;
    }
    let lf = chunk.indexOf(LF, from);
    while (from < chunk.length) {
      if (lf >= 0 && lf < from) lf = chunk.indexOf(LF, from);
      const end = endOfLine(chunk, from, lf);
      if (end < 0) break;
      this.#line(this.#takeLine(chunk.subarray(from, end)), events);
      from = end + 1;
      if (chunk[end] === CR) {
        if (from === chunk.length) this.#skipLf = true;
        else if (chunk[from] === LF) from++;
      }
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
    return events;
  }

  #takeLine(tail: Buffer): string {
    if (this.#pendingBytes === 0) return tail.toString("utf8");
    this.#pending.push(tail);
    const line = Buffer.concat(this.#pending).toString("utf8");
    this.#pending = [];
    this.#pendingBytes = 0;
    return line;
  }

  #hold(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#checkSize();
  }

  #checkSize(): void {
    const bytes = this.#pendingBytes + this.#dataBytes;
    if (bytes > this.#eventBytesMax)
      throw new SseOverflowError(`an event is larger than ${this.#eventBytesMax} bytes`, false);
    if (this.#share?.fit(bytes) === false)
      throw new SseOverflowError("there is no room for an event", true);
  }

  #line(text: string, events: SseEvent[]): void {
    const line = this.#first && text.startsWith("\uFEFF") ? text.slice(1) : text;
    this.#first = false;
    if (line === "") {
      this.#dispatch(events);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      this.#data.push(value);
      this.#dataBytes += value.length + 1;
      this.#checkSize();
    } else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.#retry = Number(value);
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data.length > 0 || this.#id !== undefined || this.#retry !== undefined) {
      events.push({
        data: this.#data.length === 1 ? (this.#data[0] ?? "") : this.#data.join("\n"),
        ...(this.#event === undefined ? {} : { event: this.#event }),
        ...(this.#id === undefined ? {} : { id: this.#id }),
        ...(this.#retry === undefined ? {} : { retry: this.#retry }),
      });
    }
    this.#data = [];
    this.#dataBytes = 0;
    this.#share?.giveBack();
    this.#event = undefined;
    this.#id = undefined;
    this.#retry = undefined;
  }
}

/** One event on the wire; line breaks in `data` become further data lines. */
export function sseEvent(data: string, id?: string, event?: string): string {
  let text = "";
  if (event !== undefined) text += `event: ${event}\n`;
  if (id !== undefined) text += `id: ${id}\n`;
  const body = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join("\ndata: ") : data;
  return `${text}data: ${body}\n\n`;
}

// `lf` is the first line feed from `from` on. It is handed in, so that a chunk of nothing but carriage returns is not
// searched to its end for each of them.
function endOfLine(chunk: Buffer, from: number, lf: number): number {
  const cr = chunk.subarray(from, lf < 0 ? chunk.length : lf).indexOf(CR);
  return cr < 0 ? lf : from + cr;
}
