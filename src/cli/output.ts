import type { CliIo, TerminalOutput } from "./cli-io.ts";
import type { CliError } from "./exit-code.ts";

export interface OutputOptions {
  json: boolean;
  quiet: boolean;
  /** False after --no-color. */
  color: boolean;
}

/**
 * What a command says. Results go to stdout; notes, questions, progress and errors go to stderr, so that a pipe sees the
 * result alone. With --json the result is one JSON document, and an error one JSON line on stderr.
 */
export class Output {
  readonly json: boolean;
  readonly #quiet: boolean;
  readonly #stdout: TerminalOutput;
  readonly #stderr: TerminalOutput;
  readonly #paintOut: Paint;
  readonly #paintErr: Paint;

  constructor(io: CliIo, options: OutputOptions) {
    this.json = options.json;
    this.#quiet = options.quiet;
    this.#stdout = io.stdout;
    this.#stderr = io.stderr;
    this.#paintOut = paintFor(io, io.stdout, options.color);
    this.#paintErr = paintFor(io, io.stderr, options.color);
  }

  /** Colours for stdout; plain text when it is not a terminal. */
  get paint(): Paint {
    return this.#paintOut;
  }

  get stdoutIsTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** The command's result: `value` as JSON with --json, else the lines of `render`. */
  result(value: unknown, render: () => string | readonly string[]): void {
    if (this.json) {
      this.#stdout.write(`${JSON.stringify(value, null, 2)}\n`);
      return;
    }
    const rendered = render();
    for (const line of typeof rendered === "string" ? [rendered] : rendered) {
      this.#stdout.write(`${line}\n`);
    }
  }

  /** Text for a person, on stderr; left out with --quiet and with --json. */
  note(text: string): void {
    if (!this.#quiet && !this.json) this.#stderr.write(`${text}\n`);
  }

  /** Text a person must see even with --quiet or --json, such as a question's context; on stderr. */
  say(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  /** The failure that ends the command. */
  failure(error: CliError): void {
    if (this.json) {
      this.#stderr.write(`${JSON.stringify({ error: errorBody(error) })}\n`);
      return;
    }
    const paint = this.#paintErr;
    this.#stderr.write(
      `${paint.red("error")} ${plain(error.message)} ${paint.dim(`(${error.code})`)}\n`,
    );
    if (error.remedy !== undefined) this.#stderr.write(`  ${plain(error.remedy)}\n`);
    if (error.requestId !== undefined) {
      this.#stderr.write(paint.dim(`  request ${plain(error.requestId)}\n`));
    }
  }

  /** One line that is rewritten while something takes time; silent unless stderr is a terminal. */
  progress(text: string): ProgressLine {
    const active = this.#stderr.isTTY === true && !this.#quiet && !this.json;
    return new ProgressLine(active ? this.#stderr : undefined, text);
  }
}

export class ProgressLine {
  #terminal: TerminalOutput | undefined;

  constructor(terminal: TerminalOutput | undefined, text: string) {
    this.#terminal = terminal;
    this.update(text);
  }

  update(text: string): void {
    const width = (this.#terminal?.columns ?? 80) - 1;
    this.#terminal?.write(`\r\u001B[2K${plain(text).replaceAll("\n", " ").slice(0, width)}`);
  }

  done(): void {
    this.#terminal?.write("\r\u001B[2K");
    this.#terminal = undefined;
  }
}

export type Paint = Record<"bold" | "dim" | "red" | "green" | "yellow", (text: string) => string>;

/**
 * Text from elsewhere with control characters made visible, so that a server cannot drive the terminal, and with them what
 * would show text in another order or not at all (bidirectional controls, line separators, tags).
 */
export function plain(text: string): string {
  return text.replaceAll(unprintable, "\uFFFD");
}

const unprintable =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\u{E0000}-\u{E007F}]/gu;

function errorBody(error: CliError): Record<string, unknown> {
  return {
    code: error.code,
    message: error.message,
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
  };
}

function paintFor(io: CliIo, stream: TerminalOutput, wanted: boolean): Paint {
  const noColor = io.env["NO_COLOR"] ?? "";
  const on = wanted && stream.isTTY === true && noColor === "" && io.env["TERM"] !== "dumb";
  const style = (open: number, close: number) => (text: string) =>
    on ? `\u001B[${String(open)}m${text}\u001B[${String(close)}m` : text;
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    red: style(31, 39),
    green: style(32, 39),
    yellow: style(33, 39),
  };
}
