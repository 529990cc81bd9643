// One home belongs to one gateway. The lock is the operating system's own file lock, taken through the SQLite
// that comes with Node: an exclusive transaction on an empty file. The kernel frees it the moment its holder
// dies, however it dies; it holds between containers that share a folder (an abstract socket does not, its names
// end at the network namespace); and no other process has to live for it, as the flock command would. Nothing
// is ever written to the locked file. Who holds it stands beside it in plain text, for the message only.
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { SignalboxError } from "../foundation/index.ts";

export interface HomeLock {
  /** The real path of the locked home. */
  readonly home: string;
  release(): void;
}

/** Creates `home` when absent and locks it for this process; throws HOME_LOCKED naming the holder. */
export function lockHome(home: string): HomeLock {
  // Run as root the database has another user, who must be able to pass through the home but not to list it.
  mkdirSync(home, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const realHome = realpathSync(home);
  keepOthersOut(realHome);
  const lock = takeFileLock(join(realHome, "gateway.lock"));
  if (lock === undefined) throw lockedBy(realHome);
  const holderFile = join(realHome, holderFileName);
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(holderFile, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  let held = true;
  return {
    home: realHome,
    release(): void {
      if (!held) return;
      held = false;
      rmSync(holderFile, { force: true });
      lock.close();
    },
  };
}

// Who may write in the home could put a link where a key is about to be written, or an address of theirs where the command
// line looks for the gateway's. In a folder with the sticky bit nobody can replace the files of others.
function keepOthersOut(home: string): void {
  const { mode } = statSync(home);
  if (process.platform === "win32" || (mode & 0o1002) !== 0o0002) return;
  try {
    chmodSync(home, mode & 0o7775);
  } catch {
    // It belongs to somebody else, as volumes of containers do: it is theirs to close.
  }
}

const holderFileName = "gateway.lock.holder.json";

const holderSchema = z.object({ pid: z.number(), host: z.string(), since: z.string() });
type Holder = z.infer<typeof holderSchema>;

/** What a running gateway writes about itself; only the address is of interest here. */
const gatewaySchema = z.object({ pid: z.number(), url: z.string() });

const SQLITE_BUSY = 5;

function takeFileLock(file: string): DatabaseSync | undefined {
  // The file must exist with our mode: SQLite would create it readable by everyone.
  writeFileSync(file, "", { flag: "a", mode: 0o600 });
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    if (Reflect.get(Object(error), "errcode") === SQLITE_BUSY) return undefined;
    throw error;
  }
}

function lockedBy(home: string): SignalboxError {
  const holder = readJson(join(home, holderFileName), holderSchema);
  const gateway = readJson(join(home, "gateway.json"), gatewaySchema);
  const url = gateway !== undefined && gateway.pid === holder?.pid ? gateway.url : undefined;
  const who =
    holder === undefined ? "another gateway" : `the gateway with process id ${holder.pid}`;
  const elsewhere =
    holder !== undefined && holder.host !== hostname() ? ` on host ${holder.host}` : "";
  const where = url === undefined ? "" : `, which answers at ${url}`;
  return new SignalboxError(
    "HOME_LOCKED",
    `The home ${home} is in use by ${who}${elsewhere}${where}. Stop it, or give this gateway its own home with SIGNALBOX_HOME.`,
    {
      details: {
        home,
        ...(holder === undefined ? {} : { pid: holder.pid, host: holder.host }),
        ...(url === undefined ? {} : { url }),
      },
    },
  );
}

function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined; // Absent, half-written or of another make: the message does without it.
  }
}
