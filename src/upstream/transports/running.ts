import { readFileSync } from "node:fs";
import process from "node:process";

/** Whether a process lives; one that is dead and merely not yet buried does not. For tests. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
