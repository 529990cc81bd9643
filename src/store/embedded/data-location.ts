// Where the database of a home lies, and the password it was made with. Both stand in `database.json` in the home,
// written before anything is created, so that whatever a killed start leaves behind is found again.
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeSync,
} from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { z } from "zod";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import { canWriteIn, databaseUser } from "./database-user.ts";
import type { DatabaseUser } from "./database-user.ts";

export interface DataLocation {
  /** The folder that holds everything of the database: data, log, perhaps a copy of the binaries. */
  readonly folder: string;
  /** PostgreSQL's data directory, in `folder`. */
  readonly data: string;
  readonly password: string;
  /** Undefined: the database runs as ourselves. */
  readonly user: DatabaseUser | undefined;
  /** Whether the database had to move out of the home. */
  readonly outsideHome: boolean;
}

/** Finds or chooses where the database of `home` (a real path) lies; throws STORE_START when there is no place for it. */
export function locateData(home: string, fallbackRoot = "/var/lib/signalbox"): DataLocation {
  const recordFile = join(home, "database.json");
  const record = existsSync(recordFile) ? readRecord(recordFile) : undefined;
  if (record !== undefined) return openRecorded(home, record);
  refuseForgottenData(home);
  const user = databaseUser(undefined);
  const folder = chooseFolder(home, user, fallbackRoot);
  const fresh: DataRecord = {
    directory: folder === insideFolder(home) ? relative(home, folder) : folder,
    password: randomBytes(24).toString("base64url"),
  };
  writeRecord(recordFile, fresh);
  return locationOf(home, fresh, user);
}

/** Makes `folder` with mode 0700 for `user`. */
export function makeFolderFor(user: DatabaseUser | undefined, folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  if (process.platform !== "win32") chmodSync(folder, 0o700);
}

const dataRecord = z.object({ directory: z.string().min(1), password: z.string().min(1) });
type DataRecord = z.infer<typeof dataRecord>;

function readRecord(file: string): DataRecord {
  try {
    return dataRecord.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new SignalboxError(
      "STORE_START",
      `The file ${file} says where the database lies and cannot be read (${messageOf(cause)}). Restore it from a backup; without it the database's password is lost.`,
      { cause },
    );
  }
}

function writeRecord(file: string, record: DataRecord): void {
  const draft = `${file}.draft`;
  const descriptor = openSync(draft, "w", 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(record, undefined, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, file);
}

function openRecorded(home: string, record: DataRecord): DataLocation {
  const data = join(resolve(home, record.directory), "data");
  const user = databaseUser(existsSync(data) ? data : undefined);
  const location = locationOf(home, record, user);
  if (!existsSync(location.folder)) makeFolderFor(user, location.folder);
  if (canWriteIn(location.folder, user)) return location;
  const who = user === undefined ? "this user" : `the user ${user.name}`;
  throw new SignalboxError(
    "STORE_START",
    `The database of this home lies in ${location.folder}, where ${who} may not write. Start the gateway as the user who made it, or give that folder to ${who}.`,
  );
}

function locationOf(
  home: string,
  record: DataRecord,
  user: DatabaseUser | undefined,
): DataLocation {
  const folder = resolve(home, record.directory);
  return {
    folder,
    data: join(folder, "data"),
    password: record.password,
    user,
    outsideHome: isAbsolute(record.directory),
  };
}

function chooseFolder(home: string, user: DatabaseUser | undefined, fallbackRoot: string): string {
  const inside = insideFolder(home);
  const problem = tryFolder(inside, user);
  if (problem === undefined) return inside;
  removeIfEmpty(inside);
  if (user !== undefined) {
    mkdirSync(fallbackRoot, { recursive: true, mode: 0o711 });
    const outside = join(fallbackRoot, randomBytes(6).toString("hex"));
    const outsideProblem = tryFolder(outside, user);
    if (outsideProblem === undefined) return outside;
  }
  const who =
    user === undefined
      ? ""
      : ` nor under ${fallbackRoot}, where the user ${user.name} could reach it`;
  throw new SignalboxError(
    "STORE_START",
    `There is no place for the database: not in ${home} (${problem})${who}. Choose another home with SIGNALBOX_HOME, or set DATABASE_URL.`,
  );
}

/** Without its record a database's password is lost; making a new one over it would lose its rows as well. */
function refuseForgottenData(home: string): void {
  const data = join(insideFolder(home), "data");
  if (!existsSync(data)) return;
  throw new SignalboxError(
    "STORE_START",
    `There is a database in ${data}, but the file database.json of this home, which holds its password, is gone. Restore that file from a backup, or move the folder away to start with an empty database.`,
  );
}

function insideFolder(home: string): string {
  return join(home, "database");
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It was never made, or it is not ours to remove.
  }
}

function tryFolder(folder: string, user: DatabaseUser | undefined): string | undefined {
  try {
    makeFolderFor(user, folder);
    return canWriteIn(folder, user)
      ? undefined
      : `the user ${user?.name ?? "we run as"} cannot reach it`;
  } catch (error) {
    return messageOf(error);
  }
}
