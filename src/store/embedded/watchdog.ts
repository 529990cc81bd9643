// A database must not outlive its gateway, not even when the gateway is killed and can do nothing any more. So a
// small process waits on a pipe whose other end only the gateway holds: when the pipe closes, for whatever
// reason, it stops the server. It is a plain shell, which costs a megabyte where a second Node costs forty, in a
// session of its own, so that Ctrl-C and a closing terminal do not reach it, and without our standard streams,
// so that nobody who reads them waits for it.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../foundation/index.ts";
import type { Log } from "../../foundation/index.ts";
import type { DataLocation } from "./data-location.ts";
import { identityOf } from "./database-user.ts";
import type { Binaries } from "./platform-binaries.ts";
import { isProcessFor } from "./postmaster.ts";
import { serverEnvironment } from "./server-environment.ts";

/** How long a watchdog needs at most to stop its server: the sum of the waits in its script, and a little. */
const WATCHDOG_ENDS_WITHIN_MS = 6000;

/** Stops the server it was told of when this process dies. */
export class Watchdog {
  readonly #location: DataLocation;
  readonly #binaries: Binaries;
  readonly #log: Log;
  #child: ChildProcess | undefined;
  #pid: number | undefined;
  #retired = false;
  #respawnsLeft = 100;

  constructor(location: DataLocation, binaries: Binaries, log: Log) {
    this.#location = location;
    this.#binaries = binaries;
    this.#log = log;
    this.#spawn();
  }

  /** Names the server to stop; the newest one counts. */
  guard(pid: number): void {
    this.#pid = pid;
    this.#tell(`pid ${pid}`);
  }

  /** The server is stopped: nothing is left to watch. */
  retire(): void {
    this.#retired = true;
    this.#tell("done");
    this.#child?.stdin?.end();
    rmSync(pidFileOf(this.#location), { force: true });
  }

  #spawn(): void {
    const { command, args } = commandFor(this.#location, this.#binaries);
    const child = spawn(command, args, {
      ...identityOf(this.#location.user),
      cwd: process.platform === "win32" ? this.#location.folder : "/",
      env: serverEnvironment(),
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#child = child;
    child.on("error", (error) => {
      this.#log.error(
        { error: messageOf(error) },
        "the watchdog of the database does not run: should this gateway be killed, its database goes on",
      );
    });
    child.on("close", () => {
      this.#ended();
    });
    child.stdin.on("error", () => undefined); // It died; "close" says so.
    child.unref();
    if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
    if (child.pid !== undefined) {
      writeFileSync(pidFileOf(this.#location), `${child.pid}\n`, { mode: 0o600 });
    }
    if (this.#pid !== undefined) this.#tell(`pid ${this.#pid}`);
  }

  #ended(): void {
    if (this.#retired || this.#respawnsLeft === 0) return;
    this.#respawnsLeft -= 1;
    this.#log.warn({}, "the watchdog of the database ended; starting another one");
    setTimeout(() => {
      if (!this.#retired) this.#spawn();
    }, 200).unref();
  }

  #tell(line: string): void {
    this.#child?.stdin?.write(`${line}\n`);
  }
}

/** Waits until the watchdog of a killed gateway has finished with the server of this data directory. */
export async function awaitFormerWatchdog(
  location: DataLocation,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + WATCHDOG_ENDS_WITHIN_MS;
  while (performance.now() < deadline && formerWatchdogLives(location)) {
    await sleep(20, undefined, { signal });
  }
}

function formerWatchdogLives(location: DataLocation): boolean {
  try {
    const pid = Number(readFileSync(pidFileOf(location), "utf8"));
    return pid > 0 && isProcessFor(pid, location.data);
  } catch {
    return false;
  }
}

function pidFileOf({ folder }: DataLocation): string {
  return join(folder, "watchdog.pid");
}

function commandFor(
  location: DataLocation,
  binaries: Binaries,
): { command: string; args: string[] } {
  return process.platform === "win32"
    ? { command: process.execPath, args: ["-e", windowsScript, binaries.pgCtl, location.data] }
    : { command: "/bin/sh", args: ["-c", shellScript, "signalbox-watchdog", location.data] };
}

// INT is PostgreSQL's fast shutdown, QUIT its immediate one, after which the next start replays the log. The pid
// file goes when the server has ended, even where nobody collects the dead process.
const shellScript = `
trap '' HUP INT TERM QUIT
pid=
while read -r word value; do
  case $word in
    pid) pid=$value ;;
    done) exit 0 ;;
  esac
done
[ -n "$pid" ] || exit 0
stop() {
  kill -"$1" "$pid" 2>/dev/null || exit 0
  turns=$2
  while [ "$turns" -gt 0 ]; do
    [ -e "$data/postmaster.pid" ] || exit 0
    kill -0 "$pid" 2>/dev/null || exit 0
    sleep 0.05
    turns=$((turns - 1))
  done
}
data=$1
stop INT 40
stop QUIT 40
stop KILL 10
`;

const windowsScript = `
let told = "";
process.stdin.on("data", (bytes) => (told += bytes));
process.stdin.on("close", () => {
  if (told.includes("done") || !told.includes("pid")) process.exit();
  const [pgCtl, data] = process.argv.slice(1);
  const stop = (mode) =>
    require("node:child_process").spawnSync(pgCtl, ["stop", "-w", "-t", "2", "-m", mode, "-D", data], { stdio: "ignore" });
  if (stop("fast").status !== 0) stop("immediate");
  process.exit();
});
process.on("SIGINT", () => {});
process.on("SIGBREAK", () => {});
`;
