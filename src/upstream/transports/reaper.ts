// When the gateway is killed outright nobody closes its children's groups: those that watch their standard
// input end by themselves, the others would live on. So one small process per gateway holds a pipe from
// us, knows the groups, and ends them when the pipe closes. It is started with the first child, and it is a
// shell: it costs one megabyte where a second Node would cost fifty. Windows ends children differently.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

/** Keeps the reaper process informed of the process groups that must not outlive this process. */
export class Reaper {
  readonly #groups = new Set<number>();
  #process: ChildProcess | undefined;
  #restarts = 0;

  /** The reaper's process id, once there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts the reaper process if it is not running; call it before the child is spawned. */
  prepare(): void {
    if (this.#process !== undefined || process.platform === "win32") return;
    const helper = spawn("/bin/sh", ["-c", program, "signalbox-reaper"], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
    });
    this.#process = helper;
    helper.on("error", () => this.#lost(helper));
    helper.on("exit", () => this.#lost(helper));
    helper.stdin?.on("error", () => this.#lost(helper));
    helper.unref();
    unref(helper.stdin);
    for (const pid of this.#groups) helper.stdin?.write(`+${pid}\n`);
  }

  watch(pid: number): void {
    this.#groups.add(pid);
    this.#process?.stdin?.write(`+${pid}\n`);
  }

  forget(pid: number): void {
    this.#groups.delete(pid);
    this.#process?.stdin?.write(`-${pid}\n`);
  }

  #lost(helper: ChildProcess): void {
    if (this.#process !== helper) return;
    this.#process = undefined;
    this.#restarts += 1;
    // Beyond that something is wrong with it for good; each new child still tries once.
    if (this.#groups.size > 0 && this.#restarts <= restartsMax) this.prepare();
  }
}

/** The one reaper of this process. */
export const reaper: Reaper = new Reaper();

const restartsMax = 20;

/**
 * Reads "+pid" and "-pid" until its input ends, then ends the groups that are left: SIGTERM, SIGKILL a second
 * later. A group is known by when its leader was started (field 22 of its stat line, where there is /proc),
 * so that a number given to a stranger since is never killed. Whoever ends the gateway's own group with a
 * signal must not end the reaper before the children are gone.
 */
const program = `
trap '' HUP INT TERM QUIT
started() {
  start=
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 0
  set -- \${stat##*) }
  shift 19 && start=$1
}
end() {
  for group in $groups; do
    started "\${group%%:*}"
    [ -n "$start" ] && [ "$start" != "\${group#*:}" ] && continue
    kill -s "$1" -- "-\${group%%:*}" 2>/dev/null
  done
}
groups=
while read -r line; do
  pid=\${line#?}
  case $pid in ''|*[!0-9]*|0|1) continue ;; esac
  kept=
  for group in $groups; do [ "\${group%%:*}" = "$pid" ] || kept="$kept $group"; done
  groups=$kept
  case $line in +*) started "$pid"; groups="$groups $pid:$start" ;; esac
done
[ -n "$groups" ] || exit 0
end TERM
sleep 1
end KILL
`;

/** The pipe must not keep our event loop alive. */
function unref(stream: unknown): void {
  if (
    typeof stream === "object" &&
    stream !== null &&
    "unref" in stream &&
    typeof stream.unref === "function"
  )
    stream.unref();
}
