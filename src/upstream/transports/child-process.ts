// One local server process in a process group of its own, so that what it starts in turn (npx starts node)
// ends with it. Ending is gentle first: its input closes, then SIGTERM, then SIGKILL, each with a bound.
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { realpathSync } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SignalboxError, messageOf, redactText } from "../../foundation/index.ts";
import { findProgram } from "../processes/find-program.ts";
import { ProcessLimits, type LimitReached, type LimitsHeldBy } from "../processes/limits.ts";
import { plainProcess, type ProcessOptions } from "../processes/process-options.ts";
import { runnerVariables, throughRunner, type Program, type Run } from "../processes/runner.ts";
import { childEnvironment } from "./child-environment.ts";
import { reaper } from "./reaper.ts";
import { StderrRing } from "./stderr-ring.ts";

export interface ChildOptions {
  command: string;
  args?: readonly string[] | undefined;
  env?: Record<string, string> | undefined;
  env_allow?: readonly string[] | undefined;
  cwd?: string | undefined;
  /** Its limits and what it runs in; default none and nothing. */
  process?: ProcessOptions | undefined;
  /** Where control groups may be made, to hold limits on memory; default nowhere. */
  cgroupFolder?: string | undefined;
  /** The gateway's own folder, which runners that can hide it do. */
  home?: string | undefined;
}

/** How a child ended. */
export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The limit that ended it. */
  limit: LimitReached | undefined;
}

/** Starts a child without a shell; throws SERVER_UNREACHABLE in a sentence when it cannot be started. */
export async function startChild(
  serverName: string,
  options: ChildOptions,
  stderr: StderrRing = new StderrRing(),
): Promise<Child> {
  await requireFolder(serverName, options.cwd);
  const { process: settings = plainProcess, cgroupFolder } = options;
  const allow = [...(options.env_allow ?? []), ...runnerVariables(settings)];
  const env = childEnvironment(process.env, { allow, set: options.env });
  const run = runOf(serverName, options, settings);
  const limits = limitsOf(serverName, settings, cgroupFolder);
  try {
    const program = limits.needShell ? await shelled(run, limits, env, options.cwd) : run;
    reaper.prepare();
    const child = await spawned(program, env, options.cwd);
    return new Child(child, stderr, limits, () => cleanUp(run.cleanup, env));
  } catch (error) {
    await limits.close();
    throw notStarted(serverName, run.command, error);
  }
}

function runOf(serverName: string, options: ChildOptions, settings: ProcessOptions): Run {
  const { command, args = [], cwd, env = {}, env_allow = [] } = options;
  const home = realFolder(options.home);
  const variables = [...new Set([...env_allow, ...Object.keys(env)])];
  return throughRunner({ command, args }, settings, { name: serverName, cwd, variables, home });
}

/** Where it really lies, for a link to it would hide nothing; undefined where there is none. */
function realFolder(path: string | undefined): string | undefined {
  try {
    return path === undefined ? undefined : realpathSync(path);
  } catch {
    return undefined;
  }
}

function limitsOf(
  serverName: string,
  settings: ProcessOptions,
  cgroupFolder: string | undefined,
): ProcessLimits {
  try {
    return new ProcessLimits(settings, cgroupFolder);
  } catch (error) {
    const why = `its control group cannot be made: ${messageOf(error)}`;
    throw new SignalboxError(
      "SERVER_UNREACHABLE",
      `The server "${serverName}" cannot start: ${why}`,
      { cause: error },
    );
  }
}

/** A shell would report a missing command in its own words, after the start: look for it first. */
async function shelled(
  { command, args }: Program,
  limits: ProcessLimits,
  env: Record<string, string>,
  cwd: string | undefined,
): Promise<Program> {
  return limits.around({ command: await findProgram(command, env["PATH"], cwd), args });
}

type Spawned = ChildProcessWithoutNullStreams & { readonly pid: number };

/** The running process; rejects with what the system says. */
async function spawned(
  { command, args }: Program,
  env: Record<string, string>,
  cwd: string | undefined,
): Promise<Spawned> {
  const child = spawn(command, [...args], {
    detached: process.platform !== "win32",
    windowsHide: true,
    shell: false,
    stdio: ["pipe", "pipe", "pipe"],
    env,
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (hasStarted(child)) return child;
  const { promise, reject } = Promise.withResolvers<never>();
  child.once("error", reject);
  return promise;
}

function hasStarted(child: ChildProcessWithoutNullStreams): child is Spawned {
  return child.pid !== undefined;
}

/** A running child with its streams; `whenEnded` resolves once, after its last output was read. */
export class Child {
  readonly pid: number;
  readonly stdin: ChildProcessWithoutNullStreams["stdin"];
  readonly stdout: ChildProcessWithoutNullStreams["stdout"];
  readonly stderr: StderrRing;
  readonly whenEnded: Promise<ChildEnd>;
  /** Resolves after `terminate`, once its whole group is gone. */
  readonly whenGone: Promise<void>;
  readonly #limits: ProcessLimits;
  readonly #cleanUp: () => Promise<void>;
  readonly #gone = Promise.withResolvers<void>();
  #exited = false;
  #terminated: Promise<void> | undefined;

  constructor(
    child: Spawned,
    stderr: StderrRing,
    limits: ProcessLimits,
    cleanUpAfter: () => Promise<void>,
  ) {
    const { pid } = child;
    this.pid = pid;
    this.#limits = limits;
    this.#cleanUp = cleanUpAfter;
    this.whenGone = this.#gone.promise;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = stderr;
    reaper.watch(pid);
    limits.begin(pid, () => this.kill());
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // A child that is gone shows in its exit; errors of its pipes say nothing more.
    for (const stream of [child, child.stdin, child.stdout, child.stderr]) {
      stream.on("error", () => {});
    }
    const { promise, resolve } = Promise.withResolvers<ChildEnd>();
    this.whenEnded = promise;
    child.once("exit", (code, signal) => {
      this.#exited = true;
      const end: ChildEnd = { code, signal, limit: limits.ended(pid, code, signal) };
      child.once("close", () => resolve(end));
      // A grandchild may hold the pipes open: give the last output a moment, then call it ended.
      setTimeout(() => resolve(end), lastOutputMs).unref();
    });
  }

  /** What holds the limits that were asked for. */
  get limitsHeldBy(): LimitsHeldBy {
    return this.#limits.heldBy;
  }

  /** Ends the child and its whole group at once, also when they are stopped. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  /** Ends the child and its whole group: input closed, SIGTERM after `graceMs`, SIGKILL after `graceMs` more. */
  terminate(graceMs: number = defaultGraceMs): Promise<void> {
    this.#terminated ??= this.#terminate(graceMs);
    return this.#terminated;
  }

  async #terminate(graceMs: number): Promise<void> {
    await this.#endGroup(graceMs);
    reaper.forget(this.pid);
    await this.#cleanUp();
    await this.#limits.close();
    this.#gone.resolve();
  }

  async #endGroup(graceMs: number): Promise<void> {
    this.stdin.end();
    if (!this.#exited && (await this.#endsWithin(graceMs))) return;
    this.#signal("SIGTERM");
    if (await this.#endsWithin(graceMs)) return;
    this.#signal("SIGKILL");
    await this.#endsWithin(killedMs);
    this.stdout.destroy();
  }

  async #endsWithin(ms: number): Promise<boolean> {
    for (let waitedMs = 0; ; waitedMs += pollMs) {
      if (this.#exited && !groupAlive(this.pid)) return true;
      if (waitedMs >= ms) return false;
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

/** Best effort, with a bound: the process itself is gone. */
async function cleanUp(program: Program | undefined, env: Record<string, string>): Promise<void> {
  if (program === undefined) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const { command, args } = program;
  const child = spawn(command, [...args], { env, stdio: "ignore", timeout: cleanUpMs });
  child.once("error", () => resolve());
  child.once("exit", () => resolve());
  await promise;
}

const defaultGraceMs = 2_000;
const cleanUpMs = 10_000;
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
