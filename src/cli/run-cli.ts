import { CommanderError } from "commander";
import type { CliIo } from "./cli-io.ts";
import { CliError, exitCodes, usageError } from "./exit-code.ts";
import { messageOf } from "../foundation/index.ts";
import type { RunState } from "./invocation.ts";
import { Output } from "./output.ts";
import { buildProgram } from "./program.ts";

/**
 * Runs one command line (`argv` without node and script) and resolves with its exit code. Never exits the process and
 * never throws: whatever goes wrong is said on `io.stderr`.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  using interrupt = new Interrupt(io.signal);
  const out = new Output(io, {
    json: mentions(argv, "--json"),
    quiet: false,
    color: !mentions(argv, "--no-color"),
  });
  const state: RunState = { io, signal: () => interrupt.signal(), exitCode: exitCodes.ok, out };
  io.stdout.on("error", ignoreBrokenPipe);
  try {
    refuseKeyInArguments(argv);
    await buildProgram(state, argv).parseAsync([...argv], { from: "user" });
    return state.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return exitCodeOfCommander(error, state);
    const failure = error instanceof CliError ? error : unexpected(error);
    state.out.failure(failure);
    return failure.exitCode;
  }
}

/** A reader such as `head` may close the pipe before everything is written; the error comes after the command ended. */
function ignoreBrokenPipe(): void {}

/** Keys given as arguments end up in shell histories and process lists. */
function refuseKeyInArguments(argv: readonly string[]): void {
  if (
    !argv.slice(0, indexOfRest(argv)).some((word) => word === "--key" || word.startsWith("--key="))
  )
    return;
  throw usageError(
    "A key is never taken from the command line, where other users and the shell's history can see it.",
    "Set SIGNALBOX_KEY, or pass --key-file with a file that holds the key.",
  );
}

function mentions(argv: readonly string[], flag: string): boolean {
  return argv.slice(0, indexOfRest(argv)).includes(flag);
}

function indexOfRest(argv: readonly string[]): number {
  const at = argv.indexOf("--");
  return at === -1 ? argv.length : at;
}

function exitCodeOfCommander(error: CommanderError, state: RunState): number {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === "commander.help") return exitCodes.usage;
  state.out.failure(usageError(error.message.replace(/^error: /, "")));
  return exitCodes.usage;
}

function unexpected(error: unknown): CliError {
  return new CliError({
    exitCode: exitCodes.failed,
    code: "INTERNAL",
    message: messageOf(error),
    cause: error,
  });
}

/** SIGINT and SIGTERM as one AbortSignal; listens only once somebody asks for it. */
class Interrupt implements Disposable {
  readonly #given: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #abort = (): void => {
    this.#controller.abort();
  };
  #listening = false;

  constructor(given: AbortSignal | undefined) {
    this.#given = given;
  }

  signal(): AbortSignal {
    if (this.#given !== undefined) return this.#given;
    if (!this.#listening) {
      this.#listening = true;
      process.once("SIGINT", this.#abort);
      process.once("SIGTERM", this.#abort);
    }
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#abort);
    process.off("SIGTERM", this.#abort);
  }
}
