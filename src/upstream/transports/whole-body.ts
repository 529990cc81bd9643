import { lineMargin } from "./line-splitter.ts";

/**
 * Puts a body that comes in several chunks together, with free bytes on both sides so that an id in it
 * can be replaced by a longer one in place. Where the length is known the chunks are copied as they
 * come, which lets go of them early.
 */
export class WholeBody {
  readonly #chunks: Buffer[] = [];
  #whole: Buffer | undefined;
  #length = 0;

  constructor(lengthKnown: number | undefined) {
    if (lengthKnown !== undefined)
      this.#whole = Buffer.allocUnsafeSlow(lengthKnown + 2 * lineMargin);
  }

  push(chunk: Buffer): void {
    if (this.#whole === undefined) this.#chunks.push(chunk);
    else chunk.copy(this.#whole, lineMargin + this.#length);
    this.#length += chunk.length;
  }

  /** The chunks so far; empty where they are copied as they come. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** All of it, between `lineMargin` free bytes on either side. */
  take(): Buffer {
    if (this.#whole === undefined) {
      this.#whole = Buffer.allocUnsafeSlow(this.#length + 2 * lineMargin);
      let at = lineMargin;
      for (const chunk of this.#chunks) at += chunk.copy(this.#whole, at);
    }
    return this.#whole.subarray(0, this.#length + 2 * lineMargin);
  }
}
