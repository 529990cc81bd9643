// Files that were made for one user stay so only while nobody copies, restores or unpacks them: looked at when the gateway starts.
import { chmodSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { SignalboxError } from "./errors.ts";

/**
 * Takes away what others may do with a folder and with those of these files in it that are there. Returns what it changed, as a
 * sentence each. Throws SECRET_EXPOSED for a file that others can read and that cannot be closed.
 */
export function keepPrivate(folder: string, files: readonly string[]): string[] {
  if (process.platform === "win32") return [];
  const changed = files.flatMap((name) => closedFile(join(folder, name)));
  return [...closedFolder(folder), ...changed];
}

/** Whether every user of the machine can read a file. */
export function isWorldReadable(path: string): boolean {
  return process.platform !== "win32" && ((modeOf(path) ?? 0) & 0o004) !== 0;
}

function closedFile(path: string): string[] {
  const mode = modeOf(path);
  if (mode === undefined || (mode & 0o077) === 0) return [];
  try {
    chmodSync(path, 0o600);
  } catch (cause) {
    throw new SignalboxError(
      "SECRET_EXPOSED",
      `Others can read ${path}, which holds a secret, and it belongs to another user, so the gateway cannot close it.`,
      { cause },
    );
  }
  return [`Others could read ${path}; now only its owner can. What it holds may be known to them`];
}

// Run as root the database has another user, who passes through the folder without listing it. One with the sticky bit is
// shared on purpose, and one of another user is theirs to close.
function closedFolder(path: string): string[] {
  const mode = modeOf(path);
  const root = process.geteuid?.() === 0;
  const open = root ? 0o066 : 0o077;
  if (mode === undefined || (mode & 0o1000) !== 0 || (mode & open) === 0) return [];
  try {
    chmodSync(path, mode & 0o7777 & ~open);
  } catch {
    return [`Others can list the folder ${path}, which belongs to another user`];
  }
  return [`Others could list the folder ${path}; now only its owner can`];
}

// Of the file itself: what a link leads to is not ours to change.
function modeOf(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined || found.isSymbolicLink() ? undefined : found.mode;
}
