// The embedded PostgreSQL: a real server of our own, from first start to last stop. The lock of the home is held
// by whoever calls this, so whatever is found running on the data directory belongs to nobody: it is adopted when
// it is well, and stopped when it is not.
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { SignalboxError, messageOf } from "../../foundation/index.ts";
import type { Log } from "../../foundation/index.ts";
import { clusterOwner, ensureCluster } from "./cluster.ts";
import { locateData, makeFolderFor } from "./data-location.ts";
import type { DataLocation } from "./data-location.ts";
import { findBinaries } from "./platform-binaries.ts";
import type { Binaries } from "./platform-binaries.ts";
import {
  DataInUse,
  PortTaken,
  isAlive,
  isOurServer,
  readPidFile,
  removeStalePidFile,
  startPostmaster,
  stopPostmaster,
} from "./postmaster.ts";
import type { Postmaster } from "./postmaster.ts";
import { Watchdog, awaitFormerWatchdog } from "./watchdog.ts";

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** Waits before each attempt to bring a server back that ended by itself; the last one repeats. */
const restartDelaysMs = [0, 500, 1000, 2000, 5000, 10_000];

/** Ports are taken by others and dying servers linger; neither does so this often in a row. */
const LAUNCH_ATTEMPTS_MAX = 20;

/** How often a running server is looked at. */
const WATCH_EVERY_MS = 250;

/** Starts, or adopts, the server of a locked home; throws STORE_PLATFORM or STORE_START. */
export async function startEmbeddedServer(options: {
  home: string;
  log: Log;
  signal: AbortSignal;
}): Promise<EmbeddedServer> {
  const { home, log, signal } = options;
  const location = locateData(home);
  if (location.outsideHome) {
    log.warn(
      { folder: location.folder, user: location.user?.name },
      `the user ${location.user?.name ?? "of the database"} cannot reach ${home}: the database lies in ${location.folder}`,
    );
  }
  const binaries = findBinaries(location.user, () => {
    makeFolderFor(location.user, location.folder);
    return location.folder;
  });
  await awaitFormerWatchdog(location, signal);
  ensureCluster(location, binaries);
  const server = new EmbeddedServer(location, binaries, log);
  await server.start(signal);
  return server;
}

/** A running embedded server; it is brought back when it ends by itself, perhaps on another port. */
export class EmbeddedServer {
  readonly #location: DataLocation;
  readonly #binaries: Binaries;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #watchdog: Watchdog | undefined;
  #running: Postmaster | undefined;
  #supervision: Promise<void> = Promise.resolve();
  #moved: (address: ServerAddress) => void = () => undefined;

  constructor(location: DataLocation, binaries: Binaries, log: Log) {
    this.#location = location;
    this.#binaries = binaries;
    this.#log = log;
  }

  get address(): ServerAddress {
    return addressOf(this.#location, this.#running?.port ?? 0);
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  get folder(): string {
    return this.#location.folder;
  }

  /** Calls `fn` when the server came back at a new address. */
  onMoved(fn: (address: ServerAddress) => void): void {
    this.#moved = fn;
  }

  async start(signal: AbortSignal): Promise<void> {
    const watchdog = new Watchdog(this.#location, this.#binaries, this.#log);
    this.#watchdog = watchdog;
    try {
      this.#running = (await this.#adopt(signal)) ?? (await this.#launch(undefined, signal));
      watchdog.guard(this.#running.pid);
      await ensureDatabase(this.address);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#supervision = this.#supervise();
  }

  /** Stops the server and its watchdog; within 8 s at the worst. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#supervision;
    if (this.#running !== undefined) {
      await stopPostmaster(this.#running.pid, this.#location, this.#binaries);
      this.#running = undefined;
    }
    this.#watchdog?.retire();
    this.#watchdog = undefined;
  }

  /** A server that a killed gateway left, if it is well; one that is not is stopped. */
  async #adopt(signal: AbortSignal): Promise<Postmaster | undefined> {
    const { data } = this.#location;
    const found = readPidFile(data);
    if (found === undefined) return undefined;
    if (!isOurServer(found.pid, data)) {
      removeStalePidFile(data);
      return undefined;
    }
    const well = found.state === "ready" && (await answers(addressOf(this.#location, found.port)));
    signal.throwIfAborted();
    if (well && readPidFile(data)?.state === "ready") {
      this.#log.info({ pid: found.pid, port: found.port }, "adopted the running database");
      return { pid: found.pid, port: found.port };
    }
    await stopPostmaster(found.pid, this.#location, this.#binaries);
    return undefined;
  }

  async #launch(formerPort: number | undefined, signal: AbortSignal): Promise<Postmaster> {
    let port = formerPort ?? (await freePort());
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await startPostmaster({
          binaries: this.#binaries,
          location: this.#location,
          port,
          onSpawn: (pid) => this.#watchdog?.guard(pid),
          signal,
        });
      } catch (error) {
        if (!(error instanceof PortTaken || error instanceof DataInUse)) throw error;
        if (attempt >= LAUNCH_ATTEMPTS_MAX) {
          throw new SignalboxError(
            "STORE_START",
            `PostgreSQL did not start in ${attempt} attempts: ${messageOf(error)}.`,
            { cause: error },
          );
        }
        if (error instanceof PortTaken) port = await freePort();
        else await sleep(250, undefined, { signal });
      }
    }
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      try {
        await sleep(WATCH_EVERY_MS, undefined, { signal, ref: false });
      } catch {
        return;
      }
      const running = this.#running;
      if (running !== undefined && !isAlive(running.pid)) {
        await this.#bringBack(running.port);
      }
    }
  }

  async #bringBack(formerPort: number): Promise<void> {
    const { signal } = this.#stopping;
    this.#running = undefined;
    this.#log.error({}, "the database ended by itself; starting it again");
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await sleep(restartDelaysMs[attempt] ?? restartDelaysMs.at(-1), undefined, {
          signal,
          ref: false,
        });
        const back = (await this.#adopt(signal)) ?? (await this.#launch(formerPort, signal));
        this.#running = back;
        this.#watchdog?.guard(back.pid);
        this.#moved(this.address);
        this.#log.info({ pid: back.pid, port: back.port }, "the database is back");
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error(
          { error: messageOf(error), attempt },
          "the database could not be started again yet",
        );
      }
    }
  }
}

function addressOf({ password }: DataLocation, port: number): ServerAddress {
  return { host: "127.0.0.1", port, user: clusterOwner, password, database: clusterOwner };
}

async function answers(address: ServerAddress): Promise<boolean> {
  try {
    await withClient({ ...address, database: "postgres" }, (client) => client.query("SELECT 1"));
    return true;
  } catch {
    return false;
  }
}

async function ensureDatabase(address: ServerAddress): Promise<void> {
  await withClient({ ...address, database: "postgres" }, async (client) => {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [
      clusterOwner,
    ]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${clusterOwner}`);
  });
}

async function withClient(
  address: ServerAddress,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: 5000,
    query_timeout: 30_000,
  });
  client.on("error", () => undefined); // Reported by the query that fails.
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}
