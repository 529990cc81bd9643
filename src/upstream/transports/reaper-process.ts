// The program of the reaper: a small process that outlives the gateway by a second. The gateway tells it
// the process groups of its children over standard input ("+pid", "-pid", one per line). When that input
// ends, for whatever reason the gateway died, the groups that are left are ended.
import { readFileSync } from "node:fs";
import process from "node:process";

const graceMs = 1_000;
const groupsMax = 10_000;

/** The start time of each group's leader, so that a number given to a stranger later is never killed. */
const groups = new Map<number, string | undefined>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
  process.on(signal, () => {
    // Whoever ends the gateway's process group must not end us before the children are gone.
  });
}
process.title = "signalbox-reaper";

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text: string) => {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) heed(line);
});
process.stdin.on("error", reap);
process.stdin.on("end", reap);

function heed(line: string): void {
  const pid = Number(line.slice(1));
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  if (line.startsWith("-")) groups.delete(pid);
  else if (line.startsWith("+") && groups.size < groupsMax) groups.set(pid, startedAt(pid));
}

function reap(): void {
  for (const [pid, started] of groups) signalGroup(pid, started, "SIGTERM");
  if (groups.size === 0) process.exit(0);
  setTimeout(() => {
    for (const [pid, started] of groups) signalGroup(pid, started, "SIGKILL");
    process.exit(0);
  }, graceMs);
}

function signalGroup(pid: number, started: string | undefined, signal: NodeJS.Signals): void {
  const now = startedAt(pid);
  if (now !== undefined && started !== undefined && now !== started) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone: nothing is left to end.
  }
}

/** When the kernel started the process (field 22 of its stat line); undefined where it cannot be told. */
function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
