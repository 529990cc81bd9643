// One local server process in a process group of its own, so that what it starts in turn (npx starts node)
// ends with it. Ending is gentle first: its input closes, then SIGTERM, then SIGKILL, each with a bound.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SignalboxError, messageOf, redactText } from "../../foundation/index.ts";
import { childEnvironment } from "./child-environment.ts";
import { reaper } from "./reaper.ts";
import { StderrRing } from "./stderr-ring.ts";

export interface ChildOptions {
  command: string;
  args?: readonly string[] | undefined;
  env?: Record<string, string> | undefined;
  env_allow?: readonly string[] | undefined;
  cwd?: string | undefined;
}

/** How a child ended. */
export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** Starts a child without a shell; throws SERVER_UNREACHABLE in a sentence when it cannot be started. */
export async function startChild(
  serverName: string,
  options: ChildOptions,
  stderr: StderrRing = new StderrRing(),
): Promise<Child> {
  await requireFolder(serverName, options.cwd);
  reaper.prepare();
  let child: ChildProcessWithoutNullStreams;
  try {
    child = spawn(options.command, [...(options.args ?? [])], {
      detached: process.platform !== "win32",
      windowsHide: true,
      shell: false,
      stdio: ["pipe", "pipe", "pipe"],
      env: childEnvironment(process.env, { allow: options.env_allow, set: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  } catch (error) {
    throw notStarted(serverName, options.command, error);
  }
  if (child.pid === undefined) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    child.once("error", resolve);
    throw notStarted(serverName, options.command, await promise);
  }
  return new Child(child, child.pid, stderr);
}

/** A running child with its streams; `whenEnded` resolves once, after its last output was read. */
export class Child {
  readonly pid: number;
  readonly stdin: ChildProcessWithoutNullStreams["stdin"];
  readonly stdout: ChildProcessWithoutNullStreams["stdout"];
  readonly stderr: StderrRing;
  readonly whenEnded: Promise<ChildEnd>;
  #exited = false;
  #terminated: Promise<void> | undefined;

  constructor(child: ChildProcessWithoutNullStreams, pid: number, stderr: StderrRing) {
    this.pid = pid;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = stderr;
    reaper.watch(pid);
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A child that is gone shows in its exit; errors of its pipes say nothing more.
    for (const stream of [child, child.stdin, child.stdout, child.stderr]) {
      stream.on("error", () => {});
    }
    const { promise, resolve } = Promise.withResolvers<ChildEnd>();
    this.whenEnded = promise;
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("exit", (code, signal) => {
      this.#exited = true;
      // A grandchild may hold the pipes open: give the last output a moment, then call it ended.
      setTimeout(() => resolve({ code, signal }), lastOutputMs).unref();
    });
  }

  /** Ends the child and its whole group: input closed, SIGTERM after `graceMs`, SIGKILL after `graceMs` more. */
  terminate(graceMs: number = defaultGraceMs): Promise<void> {
    this.#terminated ??= this.#terminate(graceMs);
    return this.#terminated;
  }

  async #terminate(graceMs: number): Promise<void> {
    this.stdin.end();
    if (!this.#exited && (await this.#gone(graceMs))) return;
    this.#signal("SIGTERM");
    if (await this.#gone(graceMs)) return;
    this.#signal("SIGKILL");
    await this.#gone(killedMs);
    this.stdout.destroy();
    reaper.forget(this.pid);
  }

  async #gone(withinMs: number): Promise<boolean> {
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      if (this.#exited && !groupAlive(this.pid)) {
        reaper.forget(this.pid);
        return true;
      }
      if (waitedMs >= withinMs) return false;
      await sleep(pollMs);
    }
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (process.platform !== "win32") process.kill(-this.pid, signal);
      else spawn("taskkill", ["/pid", String(this.pid), "/T", "/F"], { windowsHide: true });
    } catch {
      // Nobody is left in the group.
    }
  }
}

/** What a crashed child said last, redacted, as the end of a sentence; empty when it said nothing. */
export function lastWords(stderr: StderrRing): string {
  const line = stderr.last();
  if (line === undefined) return "";
  return `; it last wrote: ${redactText(line.trim()).slice(0, 500)}`;
}

const defaultGraceMs = 2_000;
const killedMs = 1_000;
const lastOutputMs = 250;
const pollMs = 20;

function groupAlive(pid: number): boolean {
  if (process.platform === "win32") return false;
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function requireFolder(serverName: string, cwd: string | undefined): Promise<void> {
  if (cwd === undefined) return;
  const found = await stat(cwd).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new SignalboxError(
    "SERVER_UNREACHABLE",
    `The server "${serverName}" cannot start: its working directory ${cwd} is not a folder.`,
  );
}

function notStarted(serverName: string, command: string, error: unknown): SignalboxError {
  return new SignalboxError(
    "SERVER_UNREACHABLE",
    `The server "${serverName}" cannot start: ${reasonOf(command, error)}`,
    { cause: error },
  );
}

function reasonOf(command: string, error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return `command not found: ${command}. Install it, or give its full path.`;
    case "EACCES":
      return `${command} is not executable.`;
    case "E2BIG":
      return "its arguments and environment are too long.";
    default:
      return `${command}: ${messageOf(error)}`;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
