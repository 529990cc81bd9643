// For tests: a cluster of the PostgreSQL that a Debian system has installed, to see that the store does not depend
// on the one it brings along.
import { randomInt } from "node:crypto";
import { spawnSync } from "node:child_process";
import { chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { databaseUser, identityOf } from "./embedded/database-user.ts";
import type { ServerAddress } from "./embedded/embedded-server.ts";
import { temporaryHome } from "./test-database.ts";

export interface DebianPostgres extends AsyncDisposable {
  readonly address: ServerAddress;
  stop(): void;
  start(): void;
}

/** The folder of the newest installed PostgreSQL's programs; undefined where there is none. */
export async function debianBinaries(): Promise<string | undefined> {
  const root = "/usr/lib/postgresql";
  const versions = await readdir(root).catch(() => []);
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(root, newest, "bin");
}

/** Starts a cluster of its own in a temporary folder; disposing it stops and removes it. */
export async function startDebianPostgres(binaries: string): Promise<DebianPostgres> {
  await using starting = new AsyncDisposableStack();
  const home = starting.use(await temporaryHome());
  const user = databaseUser(undefined);
  const folder = join(home.path, "debian");
  await mkdir(folder, { mode: 0o700 });
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const run = (program: string, args: readonly string[]): void => {
    const result = spawnSync(join(binaries, program), args, {
      ...identityOf(user),
      cwd: "/",
      env: { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] },
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
      timeout: 60_000,
    });
    if (result.status !== 0) throw new Error(`${program}: ${result.stderr}`);
  };
  const passwordFile = join(home.path, "password");
  await writeFile(passwordFile, "for-tests", { mode: 0o644 });
  run("initdb", [
    "-D",
    data,
    "-U",
    "tester",
    "-A",
    "scram-sha-256",
    "--pwfile",
    passwordFile,
    "-N",
  ]);
  await rm(passwordFile);
  // Below the ports that systems hand out by themselves, since it must still be free for a second start.
  const port = randomInt(10_000, 32_000);
  const settings = `-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port=${port}`;
  const log = join(folder, "log");
  const start = (): void => run("pg_ctl", ["start", "-w", "-D", data, "-l", log, "-o", settings]);
  const stop = (): void => run("pg_ctl", ["stop", "-w", "-m", "immediate", "-D", data]);
  start();
  starting.defer(stop);
  const started = starting.move();
  return {
    address: {
      host: "127.0.0.1",
      port,
      user: "tester",
      password: "for-tests",
      database: "postgres",
    },
    start,
    stop,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
