// Who descends from a process, read from /proc; and whether any process still carries a mark in its environment.
import { readdir, readFile } from "node:fs/promises";

/** The process ids of all living descendants of `pid`. Linux only; elsewhere none. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const parents = await parentByPid();
  const found: number[] = [];
  const waiting = [pid];
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop())
    for (const [child, itsParent] of parents)
      if (itsParent === parent) {
        found.push(child);
        waiting.push(child);
      }
  return found;
}

/** The ids of living processes whose command line, folder or environment mentions `mark`. */
export async function processesMentioning(mark: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await livingPids()) {
    const files = await Promise.all([readProc(pid, "cmdline"), readProc(pid, "environ")]);
    if (pid !== process.pid && files.some((text) => text.includes(mark))) found.push(pid);
  }
  return found;
}

/** Whether a process lives: a zombie does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readProc(pid, "stat");
  return status !== "" && stateOf(status) !== "Z";
}

/** Resident memory of a process in bytes; 0 when it is gone. */
export async function residentBytes(pid: number): Promise<number> {
  const line = (await readProc(pid, "status")).split("\n").find((one) => one.startsWith("VmRSS:"));
  return Number(line?.match(/\d+/)?.[0] ?? 0) * 1024;
}

async function parentByPid(): Promise<Map<number, number>> {
  const parents = new Map<number, number>();
  for (const pid of await livingPids()) {
    const fields = afterName(await readProc(pid, "stat"));
    if (fields[0] !== "Z") parents.set(pid, Number(fields[1]));
  }
  return parents;
}

async function livingPids(): Promise<number[]> {
  const names = await readdir("/proc").catch(() => []);
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function readProc(pid: number, file: string): Promise<string> {
  return await readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
}

function stateOf(stat: string): string | undefined {
  return afterName(stat)[0];
}

// The name in parentheses may hold anything, so fields are counted from behind it.
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
