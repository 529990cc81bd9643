// What the kernel says about processes, where there is /proc (Linux). A server's process is often only the
// first of several: npx starts node, uvx starts python. What counts as one server's is everything in the
// process group of its first process, and whatever descends from it.
import { readFileSync, readdirSync } from "node:fs";

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** CPU time used so far, by all its threads. */
  readonly cpuSeconds: number;
  /** Since the machine started. */
  readonly startedAfterSeconds: number;
}

/** All living processes; undefined where there is no /proc. One read takes some milliseconds: share it. */
export function readProcessTable(): ProcessRow[] | undefined {
  if (process.platform !== "linux") return undefined;
  const rows: ProcessRow[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const row = readRow(pid);
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

/** The rows of `pid` and of all that it started. */
export function familyOf(pid: number, table: readonly ProcessRow[]): ProcessRow[] {
  const family = new Set<number>([pid]);
  // A child's number may be smaller than its parent's, so once through is not always enough.
  for (let before = 0; before !== family.size;) {
    before = family.size;
    for (const row of table) if (row.group === pid || family.has(row.parent)) family.add(row.pid);
  }
  return table.filter((row) => family.has(row.pid));
}

const ticksPerSecond = 100; // USER_HZ: the same on every Linux that Node runs on

function readRow(pid: number): ProcessRow | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in brackets and may hold anything; the third begins after the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return {
    pid,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    startedAfterSeconds: Number(fields[19]) / ticksPerSecond,
  };
}

/** A file of /proc; undefined where the process is gone or is another user's. */
export function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
