import { once } from "node:events";
import type { Writable } from "node:stream";

/**
 * Writes whole lines in the order they are given. `write` resolves when the reader has room again, so that whoever
 * produces the lines waits with it; once the reader is gone, `closed` is aborted and lines are dropped.
 */
export class LineWriter {
  readonly #output: Writable;
  readonly #closed = new AbortController();
  #room: Promise<unknown> | undefined;

  constructor(output: Writable) {
    this.#output = output;
    const close = (): void => {
      this.#closed.abort();
    };
    output.on("error", close);
    output.on("close", close);
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async write(text: string): Promise<void> {
    if (this.#closed.signal.aborted) return;
    if (this.#output.write(`${oneLine(text)}\n`)) return;
    this.#room ??= once(this.#output, "drain", { signal: this.#closed.signal })
      .catch(() => undefined)
      .finally(() => {
        this.#room = undefined;
      });
    await this.#room;
  }
}

/** JSON has raw line ends only between its tokens, never inside a string, so that a space means the same. */
function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replaceAll(/[\r\n]+/g, " ") : json;
}
