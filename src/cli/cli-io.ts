import type { Readable, Writable } from "node:stream";

/** Everything the command line reads from or writes to; nothing else of the process is touched. */
export interface CliIo {
  env: Readonly<Record<string, string | undefined>>;
  stdin: TerminalInput;
  stdout: TerminalOutput;
  stderr: TerminalOutput;
  /** Default: the process's working directory. */
  cwd?: string;
  /** The user's home folder; default: `os.homedir()`. */
  userHome?: string;
  /** Default: `process.platform`. */
  platform?: NodeJS.Platform;
  /** Printed by `--version`. */
  version?: string;
  /** Ends running commands; default: SIGINT and SIGTERM of the process. */
  signal?: AbortSignal;
  /** The command that starts this program, absolute, for snippets that spawn it; default: node and `scripts/signalbox.mjs`. */
  launcher?: readonly string[];
  /** `signalbox config print`, which needs every module: given by the composition root; `argv` is what follows the command. */
  configPrint?: (argv: readonly string[]) => Promise<number>;
  /** `signalbox serve`: given by the composition root; `argv` is what follows the command. */
  serve?: (argv: readonly string[]) => Promise<number>;
  /** Starts a gateway for a home in this process, for `signalbox stdio` where none runs: given by the composition root. */
  startGateway?: (home: string) => Promise<StartedGateway>;
}

export interface StartedGateway {
  url: string;
  key: string;
  stop: () => Promise<void>;
}

export type TerminalInput = Readable & { isTTY?: boolean };
export type TerminalOutput = Writable & { isTTY?: boolean; columns?: number };
