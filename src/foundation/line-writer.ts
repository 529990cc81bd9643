// Writing to a pipe whose reader stalls either blocks the process or fails with EAGAIN. Neither may hold up a call, so
// lines wait in a bounded buffer and what does not fit is dropped and counted. The writes themselves are synchronous on
// a descriptor that does not block: an asynchronous one under way at exit would be lost or written twice.
import { writeSync } from "node:fs";

const RETRY_MS_MIN = 1;
const RETRY_MS_MAX = 50;

/** Writes lines to a file descriptor, a turn's lines together; `flushSync` at the process's end. */
export class LineWriter {
  readonly #fd: number;
  readonly #bufferCharsMax: number;
  readonly #droppedLine: (count: number) => string;
  #lines: string[] = [];
  #chars = 0;
  #rest: Buffer = Buffer.alloc(0); // taken from the lines, not yet written
  #scheduled = false;
  #retryMs = RETRY_MS_MIN;
  #dropped = 0;
  #broken = false;

  /** `droppedLine` makes the line that stands in place of so many dropped ones. */
  constructor(options: {
    fd: number;
    bufferCharsMax: number;
    droppedLine: (count: number) => string;
  }) {
    this.#fd = options.fd;
    this.#bufferCharsMax = options.bufferCharsMax;
    this.#droppedLine = options.droppedLine;
  }

  write(line: string): void {
    if (this.#broken) return;
    if (this.#chars + line.length > this.#bufferCharsMax) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#chars += line.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Writes what is left, waiting at most that long for a reader; what still does not fit is lost. */
  flushSync(withinMs: number): void {
    const deadlineMs = performance.now() + withinMs;
    while (!this.#writeAll() && performance.now() < deadlineMs) sleep(RETRY_MS_MIN);
  }

  #flush(): void {
    if (this.#writeAll()) {
      this.#scheduled = false;
      this.#retryMs = RETRY_MS_MIN;
      return;
    }
    setTimeout(() => this.#flush(), this.#retryMs).unref();
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  /** False when the reader has to catch up first. */
  #writeAll(): boolean {
    try {
      for (let bytes = this.#next(); bytes.length > 0; bytes = this.#next()) {
        this.#rest = bytes.subarray(writeSync(this.#fd, bytes));
      }
      return true;
    } catch (error) {
      if (isFull(error)) return false;
      this.#broken = true; // nobody reads any more; the program goes on without
      this.#lines = [];
      return true;
    }
  }

  #next(): Buffer {
    if (this.#rest.length > 0) return this.#rest;
    if (this.#dropped > 0) this.#lines.push(this.#droppedLine(this.#dropped));
    this.#rest = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    this.#chars = 0;
    this.#dropped = 0;
    return this.#rest;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === "EAGAIN";
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
