/** What a process has used so far, read from /proc (Linux). */
import { readFileSync } from "node:fs";

/** The kernel counts processor time in ticks of 10 ms: measure windows of a second or more. */
const TICK_US = 10_000;

export interface CpuUse {
  readonly userUs: number;
  readonly systemUs: number;
}

/** Processor time of a process, all its threads included. */
export function cpuOf(pid: number): CpuUse {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}

/** Resident memory of a process in KiB. */
export function residentKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
