// Cuts a byte stream into lines with one scan for newlines. A line that lies within one chunk is handed
// over where it lies; one that spans chunks is joined once, with room on both sides, so that a few bytes
// of it can be replaced by longer ones without copying it again.

import { HeldShare, type HeldBytes } from "../../foundation/index.ts";

export interface LineHandler {
  /** One line, without its newline. `owned` bytes are the handler's to change and keep, the margin included. */
  line(bytes: Buffer, start: number, end: number, owned: boolean): void;
  /** A line has grown past the bound, or finds no room (`crowded`), and is being dropped; `head` is how it began. */
  overlongBegins(head: Buffer, crowded: boolean): void;
  /** The overlong line ended; `tail` is how. */
  overlongEnds(tail: Buffer): void;
  /** The overlong line does not end within `overlongFactor` times the bound. */
  endless(): void;
}

/** Free bytes on both sides of an owned line. */
export const lineMargin = 64;

/** How often the bound may pass by within one dropped line before the stream counts as broken. */
const overlongFactor = 16;
const sampleBytes = 96;
const newline = 10;

/**
 * Feeds complete lines of a stream to its handler; a line holds at most `lineBytesMax` bytes, and what it keeps of one takes
 * its room in `held`: whoever gives that must `close` the splitter.
 */
export class LineSplitter {
  readonly #handler: LineHandler;
  readonly #lineBytesMax: number;
  readonly #share: HeldShare | undefined;
  #closed = false;
  #parts: Buffer[] = [];
  #size = 0;
  #dropped = 0;
  #tail: Buffer = Buffer.alloc(0);

  constructor(handler: LineHandler, lineBytesMax: number, held?: HeldBytes) {
    this.#handler = handler;
    this.#lineBytesMax = lineBytesMax;
    this.#share = held && new HeldShare(held);
  }

  /** Lets go of what it holds, and takes nothing more. */
  close(): void {
    this.#closed = true;
    this.#forget();
  }

  push(chunk: Buffer): void {
    if (this.#closed) return;
    let from = 0;
    for (;;) {
      const to = chunk.indexOf(newline, from);
      if (to < 0) break;
      if (this.#dropped > 0) this.#endDropping(chunk, from, to);
      else if (this.#size > 0) this.#joined(chunk, from, to);
      else if (to - from > this.#lineBytesMax) this.#dropWhole(chunk, from, to);
      else this.#handler.line(chunk, from, to, false);
      from = to + 1;
    }
    if (from < chunk.length) this.#keep(from === 0 ? chunk : chunk.subarray(from));
  }

  #joined(chunk: Buffer, from: number, to: number): void {
    const size = this.#size + to - from;
    if (size > this.#lineBytesMax) {
      this.#beginDropping(chunk, false);
      this.#endDropping(chunk, from, to);
      return;
    }
    const line = Buffer.allocUnsafeSlow(size + 2 * lineMargin);
    let at = lineMargin;
    for (const part of this.#parts) at += part.copy(line, at);
    at += chunk.copy(line, at, from, to);
    this.#forget();
    this.#handler.line(line, lineMargin, at, true);
  }

  #keep(rest: Buffer): void {
    if (this.#closed) return;
    if (this.#dropped > 0) {
      this.#drop(rest);
      return;
    }
    const size = this.#size + rest.length;
    const crowded = size <= this.#lineBytesMax && this.#share?.fit(size) === false;
    if (crowded || size > this.#lineBytesMax) {
      this.#beginDropping(rest, crowded);
      this.#drop(rest);
      return;
    }
    this.#parts.push(rest);
    this.#size = size;
  }

  #dropWhole(chunk: Buffer, from: number, to: number): void {
    this.#handler.overlongBegins(chunk.subarray(from, from + sampleBytes), false);
    this.#handler.overlongEnds(chunk.subarray(Math.max(from, to - sampleBytes), to));
  }

  #beginDropping(rest: Buffer, crowded: boolean): void {
    const parts = this.#parts;
    this.#dropped = this.#size + 1;
    this.#parts = [];
    this.#size = 0;
    this.#share?.giveBack();
    this.#tail = endOf(parts);
    this.#handler.overlongBegins(beginningOf([...parts, rest]), crowded);
  }

  #drop(bytes: Buffer): void {
    this.#dropped += bytes.length;
    this.#tail = endOf([this.#tail, bytes]);
    if (this.#dropped > this.#lineBytesMax * overlongFactor) this.#handler.endless();
  }

  #endDropping(chunk: Buffer, from: number, to: number): void {
    const tail = endOf([this.#tail, chunk.subarray(from, to)]);
    this.#forget();
    this.#handler.overlongEnds(tail);
  }

  #forget(): void {
    this.#parts = [];
    this.#size = 0;
    this.#dropped = 0;
    this.#tail = Buffer.alloc(0);
    this.#share?.giveBack();
  }
}

function beginningOf(parts: readonly Buffer[]): Buffer {
  let beginning = Buffer.alloc(0);
  for (const part of parts) {
    beginning = Buffer.concat([beginning, part.subarray(0, sampleBytes - beginning.length)]);
    if (beginning.length === sampleBytes) break;
  }
  return beginning;
}

function endOf(parts: readonly Buffer[]): Buffer {
  let end = Buffer.alloc(0);
  for (const part of parts.toReversed()) {
    const missing = sampleBytes - end.length;
    if (missing === 0) break;
    end = Buffer.concat([part.subarray(Math.max(0, part.length - missing)), end]);
  }
  return end;
}
