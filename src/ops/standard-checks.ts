import { statfs } from "node:fs/promises";
import type { Check, CheckResult } from "./health-checks.ts";

/** How full the file system of `path` is, as df counts it: above 90 % is critical, above 80 % a warning. */
export function diskSpaceCheck(path: string): Check {
  return async () => diskSpace(await statfs(path));
}

/** Judges the figures of a file system, in blocks. */
export function diskSpace(blocks: { blocks: number; bfree: number; bavail: number }): CheckResult {
  const used = blocks.blocks - blocks.bfree;
  // What only root may use counts as neither used nor free.
  const usable = used + blocks.bavail;
  const percent = usable === 0 ? 0 : Math.ceil((used / usable) * 100);
  const status = percent > 90 ? "critical" : percent > 80 ? "warning" : "ok";
  return { status, usage: `${percent}%` };
}

/** Whether the database answers. */
export function databaseCheck(ping: (signal: AbortSignal) => Promise<void>): Check {
  return async (signal) => {
    await ping(signal);
    return { status: "ok" };
  };
}
