// The server process itself: its pid file, its birth and its end. A pid alone proves nothing (numbers are used
// again, a dead process may wait for its parent as a zombie), so a process counts as our server only when it
// lives and was started on our data directory.
import { spawn, spawnSync } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import type { DataLocation } from "./data-location.ts";
import { identityOf } from "./database-user.ts";
import type { Binaries } from "./platform-binaries.ts";
import { serverEnvironment } from "./server-environment.ts";

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** What PostgreSQL says of itself in its pid file. */
export type ServerState = "starting" | "ready" | "stopping" | "standby" | "unknown";

export interface PidFile extends Postmaster {
  readonly state: ServerState;
}

/** Crash recovery replays at most `max_wal_size` of log, a matter of seconds; this is for slow disks. */
const READY_WITHIN_MS = 60_000;

/** How long each way of stopping may take before the next, rougher one. All of them keep committed rows. */
export const stopStages = [
  { signal: "SIGINT", withinMs: 5000 },
  { signal: "SIGQUIT", withinMs: 2000 },
  { signal: "SIGKILL", withinMs: 1000 },
] as const;

/**
 * Starts the server on `port` and resolves when it takes connections; `onSpawn` gets its pid at once. Throws
 * PortTaken when something else listens there, DataInUse while an earlier server still ends, else STORE_START with the end of the server's log.
 */
export async function startPostmaster(options: {
  binaries: Binaries;
  location: DataLocation;
  port: number;
  onSpawn(pid: number): void;
  signal: AbortSignal;
}): Promise<Postmaster> {
  const { location, port, signal } = options;
  const logFile = rotateLog(location);
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const process = launch(options, logFile);
  try {
    await untilReady(process, location.data, signal);
  } catch (error) {
    await process.abandon();
    const said = readFileSync(logFile).subarray(logStart).toString("utf8");
    if (/could not bind IPv4 address|could not create any TCP\/IP sockets/u.test(said)) {
      throw new PortTaken(`port ${port} is taken`);
    }
    if (/pre-existing shared memory block|lock file "postmaster.pid" already exists/u.test(said)) {
      throw new DataInUse("processes of an earlier server have not ended yet");
    }
    signal.throwIfAborted();
    const lines = said.trim().split("\n").slice(-8).join("\n");
    throw new SignalboxError(
      "STORE_START",
      `PostgreSQL did not start: ${messageOf(error)}. The end of its log (${logFile}):\n${lines}`,
      { cause: error },
    );
  }
  return { pid: process.pid(), port };
}

/** Another program listens on the chosen port; try another. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** Processes of an earlier server on the same data have not ended yet; try again soon. */
export class DataInUse extends Error {
  override readonly name = "DataInUse";
}

/** Stops the server of `data`, gently at first; resolves when the process is gone. */
export async function stopPostmaster(
  pid: number,
  location: DataLocation,
  binaries: Binaries,
): Promise<void> {
  for (const { signal, withinMs } of stopStages) {
    if (!isOurServer(pid, location.data)) return;
    askToStop(pid, signal, location, binaries);
    if (await isGoneWithin(pid, withinMs)) return;
  }
}

/** Reads the pid file of a data directory; undefined where there is none or it is not yet whole. */
export function readPidFile(data: string): PidFile | undefined {
  try {
    const lines = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(lines[0]);
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return { pid, port: Number(lines[3] ?? 0), state: stateOf(lines[7]) };
  } catch {
    return undefined;
  }
}

/** Removes a pid file whose number now belongs to another program; PostgreSQL would take that for a running server. */
export function removeStalePidFile(data: string): void {
  rmSync(join(data, "postmaster.pid"), { force: true });
}

/** Whether `pid` lives and is a process started for `path`, which stands in its arguments. */
export function isProcessFor(pid: number, path: string): boolean {
  if (!isAlive(pid)) return false;
  const command = commandOf(pid);
  return command === undefined || command.includes(path);
}

/** Whether `pid` lives and is the server of `data`; its working directory tells so even when the home was moved. */
export function isOurServer(pid: number, data: string): boolean {
  if (!isAlive(pid) || !(commandOf(pid)?.includes("postgres") ?? true)) return false;
  return workingDirectoryOf(pid) === data || isProcessFor(pid, data);
}

async function isGoneWithin(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (!isAlive(pid)) return true;
    await sleep(20);
  }
  return false;
}

interface Launched {
  /** Why the server cannot become ready any more; undefined while it can. */
  failure(): string | undefined;
  pid(): number;
  abandon(): Promise<void>;
}

type LaunchOptions = Parameters<typeof startPostmaster>[0];

function launch(options: LaunchOptions, logFile: string): Launched {
  return process.platform === "win32"
    ? launchByPgCtl(options, logFile)
    : launchDirectly(options, logFile);
}

function launchDirectly(options: LaunchOptions, logFile: string): Launched {
  const { binaries, location, port } = options;
  const log = openSync(logFile, "a", 0o600);
  let failure: string | undefined;
  const child = spawn(binaries.postgres, serverArguments(location, port), {
    ...identityOf(location.user),
    cwd: "/",
    env: serverEnvironment(),
    detached: true, // Its own session: the terminal's Ctrl-C is for us, and we stop it when we are done with it.
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.on("error", (error) => {
    failure = messageOf(error);
  });
  child.on("exit", (code, signal) => {
    failure ??= `it ended with ${signal ?? `status ${code}`}`;
  });
  child.unref();
  if (child.pid !== undefined) options.onSpawn(child.pid);
  return {
    failure: () => failure,
    pid: () => child.pid ?? 0,
    async abandon(): Promise<void> {
      if (child.pid !== undefined) await stopPostmaster(child.pid, location, binaries);
    },
  };
}

/** Windows: pg_ctl drops administrator rights, which the server refuses to run with. */
function launchByPgCtl(options: LaunchOptions, logFile: string): Launched {
  const { binaries, location, port } = options;
  const quoted = serverArguments(location, port)
    .slice(2) // pg_ctl passes the data directory itself.
    .map((argument) => `"${argument}"`)
    .join(" ");
  const run = spawnSync(
    binaries.pgCtl,
    ["start", "-w", "-t", "60", "-D", location.data, "-l", logFile, "-o", quoted],
    { env: serverEnvironment(), stdio: "ignore", timeout: READY_WITHIN_MS + 5000 },
  );
  const pid = readPidFile(location.data)?.pid ?? 0;
  if (pid !== 0) options.onSpawn(pid);
  return {
    failure: () => (run.status === 0 ? undefined : `pg_ctl ended with status ${run.status}`),
    pid: () => pid,
    async abandon(): Promise<void> {
      if (pid !== 0) await stopPostmaster(pid, location, binaries);
    },
  };
}

async function untilReady(launched: Launched, data: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    const failure = launched.failure();
    if (failure !== undefined) throw new Error(failure);
    const file = readPidFile(data);
    if (file?.pid === launched.pid() && file.state === "ready") return;
    await sleep(20, undefined, { signal });
  }
  throw new Error(`it was not ready within ${READY_WITHIN_MS / 1000} s`);
}

/** What is not up to the user's postgresql.conf: where the server listens, and that a commit is on the disk. */
function serverArguments(location: DataLocation, port: number): string[] {
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "", // Paths of sockets are limited to about 100 bytes; homes are not.
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    logging_collector: "off",
    log_destination: "stderr",
  };
  const pairs = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", location.data, ...pairs];
}

const LOG_BYTES_MAX = 10 * 1024 * 1024;

/** The server's log; a long one is put aside first, and one such is kept. */
function rotateLog({ folder, user }: DataLocation): string {
  const file = join(folder, "postgresql.log");
  if (existsSync(file) && statSync(file).size > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
  closeSync(openSync(file, "a", 0o600));
  if (user !== undefined) chownSync(file, user.uid, user.gid);
  return file;
}

function askToStop(
  pid: number,
  signal: NodeJS.Signals,
  location: DataLocation,
  binaries: Binaries,
): void {
  if (process.platform === "win32" && signal !== "SIGKILL") {
    const mode = signal === "SIGINT" ? "fast" : "immediate";
    spawnSync(binaries.pgCtl, ["stop", "-W", "-m", mode, "-D", location.data], {
      env: serverEnvironment(),
      stdio: "ignore",
      timeout: 10_000,
    });
    return;
  }
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in this very moment.
  }
}

function stateOf(line: string | undefined): ServerState {
  const word = line?.trim();
  return word === "starting" || word === "ready" || word === "stopping" || word === "standby"
    ? word
    : "unknown";
}

/** Whether the process runs; one that is dead and not yet collected by its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (Reflect.get(Object(error), "code") !== "EPERM") return false;
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state === "Z" || state === "X";
  } catch {
    return false;
  }
}

/** The command line of a process, undefined where the system does not tell. */
function commandOf(pid: number): string | undefined {
  if (process.platform === "win32") return undefined;
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return undefined;
  }
  const run = spawnSync("ps", ["-o", "command=", "-p", String(pid)], {
    encoding: "utf8",
    timeout: 5000,
  });
  return run.status === 0 ? run.stdout : undefined;
}

/** Undefined where the system does not tell. */
function workingDirectoryOf(pid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}
