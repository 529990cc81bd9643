import { readdirSync } from "node:fs";
import { familyOf, readProc, readProcessTable, type ProcessRow } from "./process-table.ts";

/** A server's process with all that it started, together. */
export interface ProcessFacts {
  pid: number;
  /** Epoch ms, to the second. */
  startedAt: number;
  /** Pages in memory; those that several of the processes share count for each. */
  residentBytes: number;
  /** The part that is nobody else's: what `memory_max` limits. */
  ownBytes: number;
  cpuSeconds: number;
  openFiles: number;
  /** Processes it started, and theirs, that still live. */
  children: number;
}

/** Facts about `pid`; undefined when it is gone, or where there is no /proc. Give the same table for several of them. */
export function processFacts(
  pid: number,
  table: readonly ProcessRow[] | undefined = readProcessTable(),
): ProcessFacts | undefined {
  const first = table?.find((row) => row.pid === pid);
  if (table === undefined || first === undefined) return undefined;
  const family = familyOf(pid, table);
  const facts: ProcessFacts = {
    pid,
    startedAt: (bootedAtSeconds() + Math.floor(first.startedAfterSeconds)) * 1000,
    residentBytes: 0,
    ownBytes: 0,
    cpuSeconds: 0,
    openFiles: 0,
    children: family.length - 1,
  };
  for (const row of family) {
    const status = readProc(`/proc/${row.pid}/status`) ?? "";
    facts.residentBytes += bytesOf(status, "VmRSS");
    facts.ownBytes += ownBytesOf(status);
    facts.cpuSeconds += row.cpuSeconds;
    facts.openFiles += openFilesOf(row.pid);
  }
  facts.cpuSeconds = Math.round(facts.cpuSeconds * 100) / 100;
  return facts;
}

/** The memory of `pid` and all it started that is nobody else's. */
export function familyBytes(pid: number, table: readonly ProcessRow[]): number {
  return familyOf(pid, table).reduce((sum, row) => sum + ownBytesOfProcess(row.pid), 0);
}

/** The memory of one process that is nobody else's; 0 where it is gone. */
export function ownBytesOfProcess(pid: number): number {
  return ownBytesOf(readProc(`/proc/${pid}/status`) ?? "");
}

/** Memory it wrote itself, and what it shares by writing; not the files that are mapped. */
function ownBytesOf(status: string): number {
  return bytesOf(status, "RssAnon") + bytesOf(status, "RssShmem");
}

function bytesOf(status: string, name: string): number {
  const at = status.indexOf(`${name}:`);
  return at === -1 ? 0 : Number.parseInt(status.slice(at + name.length + 1), 10) * 1024;
}

function openFilesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0; // gone, or another user's
  }
}

let bootedAt: number | undefined;

function bootedAtSeconds(): number {
  bootedAt ??= Number(/^btime (\d+)$/m.exec(readProc("/proc/stat") ?? "")?.[1] ?? 0);
  return bootedAt;
}
