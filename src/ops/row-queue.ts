/**
 * Rows that wait to be written, as lines in buffers outside the heap. As objects they would live just long enough to be moved
 * by the garbage collector several times, which for the call log costs a call more than everything else it does here.
 *
 * A segment is one buffer of lines, so that any run of rows is one slice of it. Rows leave from the front; a segment that
 * is being written takes no more.
 */

/** Rows of one segment: the most that is written at once. */
export const SEGMENT_ROWS_MAX = 4000;
const SEGMENT_BYTES = 1024 * 1024;
const LINE_BREAK = 0x0a;
const UTF8_BYTES_MAX = 3;

export class RowQueue {
  #segments: Segment[] = [];
  #depth = 0;
  #spare: Buffer | undefined;

  /** Rows that wait, those being written included. */
  get depth(): number {
    return this.#depth;
  }

  /** Whether the front segment can take no more, so that waiting for it gains nothing. */
  get hasFullBatch(): boolean {
    const [first] = this.#segments;
    return first !== undefined && (first.full || this.#segments.length > 1);
  }

  add(line: string): void {
    let last = this.#segments.at(-1);
    if (last === undefined || !last.fits(line)) {
      const bytes = Math.max(SEGMENT_BYTES, UTF8_BYTES_MAX * line.length + 2);
      const spare = bytes === SEGMENT_BYTES ? this.#spare : undefined;
      if (spare !== undefined) this.#spare = undefined;
      last = new Segment(spare ?? Buffer.allocUnsafeSlow(bytes));
      this.#segments.push(last);
    }
    last.add(line);
    this.#depth++;
  }

  /** The oldest rows, as many as are written at once; they stay until `done`. */
  take(): Batch | undefined {
    return this.#segments[0]?.take();
  }

  /** All rows of the batch that was taken are written or lost. */
  done(): void {
    const segment = this.#segments.shift();
    if (segment === undefined) return;
    this.#depth -= segment.count;
    this.#spare ??= segment.reusable;
  }

  /** The batch is not written yet: it will be taken again. */
  putBack(): void {
    this.#segments[0]?.putBack();
  }

  /** Forgets the oldest row that is not being written; false where there is none. */
  dropOldest(): boolean {
    const segment = this.#segments.find((one) => !one.taken && one.count > 0);
    if (segment === undefined) return false;
    segment.dropFirst();
    this.#depth--;
    if (segment.count === 0) this.#segments = this.#segments.filter((one) => one !== segment);
    return true;
  }

  clear(): void {
    this.#segments = [];
    this.#depth = 0;
  }
}

/** A run of rows, and its halves. */
export class Batch {
  readonly #buffer: Buffer;
  readonly #ends: readonly number[];
  readonly #from: number;
  readonly #to: number;

  constructor(buffer: Buffer, ends: readonly number[], from: number, to: number) {
    this.#buffer = buffer;
    this.#ends = ends;
    this.#from = from;
    this.#to = to;
  }

  get count(): number {
    return this.#to - this.#from;
  }

  /** The rows, each with a line break behind it, in bytes that are good until the batch is done. */
  lines(): Buffer {
    const start = startOf(this.#ends, this.#from);
    return this.#buffer.subarray(start, this.#ends[this.#to - 1] ?? start);
  }

  halves(): [Batch, Batch] {
    const middle = this.#from + Math.ceil(this.count / 2);
    return [
      new Batch(this.#buffer, this.#ends, this.#from, middle),
      new Batch(this.#buffer, this.#ends, middle, this.#to),
    ];
  }
}

class Segment {
  readonly #buffer: Buffer;
  readonly #ends: number[] = [];
  #first = 0;
  #used = 0;
  #taken = false;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get count(): number {
    return this.#ends.length - this.#first;
  }

  get taken(): boolean {
    return this.#taken;
  }

  get full(): boolean {
    return this.#ends.length >= SEGMENT_ROWS_MAX;
  }

  /** The buffer, where it is of the common size. */
  get reusable(): Buffer | undefined {
    return this.#buffer.length === SEGMENT_BYTES ? this.#buffer : undefined;
  }

  fits(line: string): boolean {
    const room = this.#buffer.length - this.#used;
    return !this.#taken && !this.full && UTF8_BYTES_MAX * line.length + 1 <= room;
  }

  add(line: string): void {
    this.#used += this.#buffer.write(line, this.#used);
    this.#buffer[this.#used++] = LINE_BREAK;
    this.#ends.push(this.#used);
  }

  take(): Batch {
    this.#taken = true;
    return new Batch(this.#buffer, this.#ends, this.#first, this.#ends.length);
  }

  putBack(): void {
    this.#taken = false;
  }

  dropFirst(): void {
    this.#first++;
  }
}

function startOf(ends: readonly number[], row: number): number {
  return row === 0 ? 0 : (ends[row - 1] ?? 0);
}
