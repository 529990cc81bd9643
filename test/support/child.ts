import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { root } from "./root.ts";

const outputCharactersMax = 200_000;

/** A child process of a test: its output so far, and ways to end it. */
export interface Child {
  readonly pid: number;
  readonly process: ChildProcess;
  /** Settles when the process has ended and its output is complete. */
  readonly closed: Promise<unknown>;
  stdout(): string;
  stderr(): string;
  exited(): boolean;
  /** Sends TERM and waits; after `withinMs` (10 s) KILL. */
  stop(withinMs?: number): Promise<void>;
  /** Sends KILL and waits. */
  kill(): Promise<void>;
}

/** Runs this very Node with `args` in `cwd` (the checkout) with exactly the environment given, in the control group it `joins`. */
export function runNode(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; joins?: string | undefined } = {},
): Child {
  const command = [process.execPath, ...args];
  const [program = "", ...rest] =
    options.joins === undefined
      ? command
      : ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', options.joins, ...command];
  const child = spawn(program, rest, {
    cwd: options.cwd ?? root,
    env: { ...baseEnvironment(), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const closed = once(child, "close");
  const exited = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? -1,
    process: child,
    closed,
    stdout,
    stderr,
    exited,
    stop: async (withinMs = 10_000) => {
      if (!exited()) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
      await closed;
      clearTimeout(timer);
    },
    kill: async () => {
      if (!exited()) child.kill("SIGKILL");
      await closed;
    },
  };
}

// A test process that ends early takes its children along.
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** What a child needs of our environment, and nothing that would configure it. */
export function baseEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR", "LANG", "USER"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text = (text + chunk).slice(-outputCharactersMax);
  });
  return () => text;
}
