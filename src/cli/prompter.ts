// One readline interface for the whole command: lines typed ahead of a question are not lost between two questions.
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import { Writable } from "node:stream";
import type { CliIo } from "./cli-io.ts";
import { interruptedError } from "./exit-code.ts";

/** Asks questions on the terminal; `available` says whether there is one. Close it when done. */
export class Prompter {
  readonly available: boolean;
  readonly #io: CliIo;
  readonly #lines: string[] = [];
  #waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  #interface: Interface | undefined;
  #muted = false;
  #ended = false;

  constructor(io: CliIo) {
    this.#io = io;
    this.available = io.stdin.isTTY === true && io.stderr.isTTY === true;
  }

  async ask(question: string): Promise<string> {
    this.#io.stderr.write(question);
    return await this.#line();
  }

  /** Asks without showing what is typed. */
  async askHidden(question: string): Promise<string> {
    this.#io.stderr.write(question);
    this.#muted = true;
    try {
      return await this.#line();
    } finally {
      this.#muted = false;
      this.#io.stderr.write("\n");
    }
  }

  /** True for y or yes; anything else is no. */
  async confirm(question: string): Promise<boolean> {
    return /^y(es)?$/i.test((await this.ask(`${question} [y/N] `)).trim());
  }

  close(): void {
    this.#interface?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #line(): Promise<string> {
    this.#interface ??= this.#open();
    const typed = this.#lines.shift();
    if (typed !== undefined) return Promise.resolve(typed);
    if (this.#ended) return Promise.reject(interruptedError());
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #open(): Interface {
    const echo = new Writable({
      write: (chunk: Buffer, _encoding, done): void => {
        if (!this.#muted) this.#io.stderr.write(chunk);
        done();
      },
    });
    const reader = createInterface({
      input: this.#io.stdin,
      output: echo,
      terminal: true,
      historySize: 0,
    });
    reader.on("line", (line) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#lines.push(line);
      else waiting.resolve(line);
    });
    const end = (): void => {
      this.#ended = true;
      this.#waiting?.reject(interruptedError());
      this.#waiting = undefined;
    };
    reader.on("SIGINT", end);
    reader.on("close", end);
    return reader;
  }
}
