// A data directory is made under another name and renamed when it is whole, so that a start that is killed in the
// middle leaves nothing that looks like a database.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import type { DataLocation } from "./data-location.ts";
import { identityOf } from "./database-user.ts";
import type { Binaries } from "./platform-binaries.ts";
import { serverEnvironment } from "./server-environment.ts";

/** The superuser of an embedded database, and the name of the database within it. */
export const clusterOwner = "signalbox";

/** Sizes for a gateway's few connections and modest data; they stand in postgresql.conf and may be changed there. */
const initialSettings = {
  shared_buffers: "32MB",
  max_connections: "60",
  max_wal_size: "256MB", // Bounds what a start after a crash has to replay.
  min_wal_size: "32MB",
  max_worker_processes: "4",
  max_logical_replication_workers: "0",
  io_method: "sync", // Three processes fewer than with workers.
  jit: "off",
  log_checkpoints: "off",
  log_min_messages: "warning",
  idle_in_transaction_session_timeout: "60s",
};

/** Makes the data directory when there is none yet; throws STORE_START with what initdb said. */
export function ensureCluster(location: DataLocation, binaries: Binaries): { created: boolean } {
  if (existsSync(join(location.data, "PG_VERSION"))) return { created: false };
  removeDrafts(location.folder);
  // Under a new name each time: the initdb of a start that was killed may still be writing.
  const draft = `${location.data}.draft-${randomBytes(4).toString("hex")}`;
  initialise(draft, location, binaries);
  renameSync(draft, location.data);
  syncFolder(location.folder);
  return { created: true };
}

function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith("data.draft-")) continue;
    rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function initialise(draft: string, location: DataLocation, binaries: Binaries): void {
  const passwordFile = join(location.folder, "password.draft");
  writeFileSync(passwordFile, location.password, { mode: 0o600 });
  const { user } = location;
  if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
  const settings = Object.entries(initialSettings).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const run = spawnSync(
    binaries.initdb,
    [
      `--pgdata=${draft}`,
      `--username=${clusterOwner}`,
      "--auth=scram-sha-256",
      `--pwfile=${passwordFile}`,
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--no-instructions",
      ...settings,
    ],
    {
      ...identityOf(user),
      cwd: user === undefined ? location.folder : "/",
      env: serverEnvironment(),
      encoding: "utf8",
      timeout: 120_000,
    },
  );
  rmSync(passwordFile, { force: true });
  if (run.error === undefined && run.status === 0) return;
  rmSync(draft, { recursive: true, force: true });
  const said =
    run.error === undefined
      ? run.stderr.trim().split("\n").slice(-6).join("\n")
      : messageOf(run.error);
  throw new SignalboxError(
    "STORE_START",
    `PostgreSQL could not make its data directory ${location.data}: ${said}`,
  );
}

function syncFolder(folder: string): void {
  if (process.platform === "win32") return; // Folders cannot be opened there.
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
