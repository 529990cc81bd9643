// PostgreSQL refuses to run as root. Started as root, the gateway runs it as somebody harmless.
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { SignalboxError } from "../../foundation/index.ts";

/** The user PostgreSQL runs as, where it is not our own. */
export interface DatabaseUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Who runs the database: undefined for ourselves; as root the owner of an existing data directory, else
 * `postgres`, `nobody`, or the first ordinary account there is. Throws STORE_START where there is none.
 */
export function databaseUser(existingDataDirectory: string | undefined): DatabaseUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (existingDataDirectory !== undefined) {
    const { uid, gid } = statSync(existingDataDirectory);
    if (uid !== 0) return { name: nameOf(uid), uid, gid };
  }
  const accounts = readAccounts();
  const chosen =
    accounts.find(({ name }) => name === "postgres") ??
    accounts.find(({ name }) => name === "nobody") ??
    accounts.find(({ uid }) => uid !== 0);
  if (chosen !== undefined) return chosen;
  throw new SignalboxError(
    "STORE_START",
    "PostgreSQL does not run as root, and this system has no other account. Add a user named postgres, start the gateway as an ordinary user, or set DATABASE_URL.",
  );
}

/** Whether `user` (undefined: ourselves) can write in `directory`, tried out rather than computed. */
export function canWriteIn(directory: string, user: DatabaseUser | undefined): boolean {
  if (process.platform === "win32") return true;
  const script = 'cd "$1" && : > .signalbox-probe && rm .signalbox-probe';
  const probe = spawnSync("/bin/sh", ["-c", script, "sh", directory], {
    ...identityOf(user),
    cwd: "/",
    env: {},
    stdio: "ignore",
    timeout: 10_000,
  });
  return probe.status === 0;
}

/** The spawn options that make a child run as `user`. */
export function identityOf(user: DatabaseUser | undefined): { uid?: number; gid?: number } {
  return user === undefined ? {} : { uid: user.uid, gid: user.gid };
}

function nameOf(uid: number): string {
  return readAccounts().find((account) => account.uid === uid)?.name ?? `uid ${uid}`;
}

function readAccounts(): DatabaseUser[] {
  return readPasswd().flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    if (name === undefined || name.startsWith("#") || !uid || !gid) return [];
    return [{ name, uid: Number(uid) | 0, gid: Number(gid) | 0 }]; // macOS writes nobody as 4294967294, which is -2.
  });
}

function readPasswd(): string[] {
  try {
    return readFileSync("/etc/passwd", "utf8").split("\n");
  } catch {
    return [];
  }
}
