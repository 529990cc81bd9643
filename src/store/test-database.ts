// Databases for tests: one real cluster per test file, made when the first test asks for it and gone with the file,
// and a fresh database for every call.
import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll } from "vitest";
import { silentLog } from "../foundation/index.ts";
import { startEmbeddedServer } from "./embedded/embedded-server.ts";
import type { EmbeddedServer, ServerAddress } from "./embedded/embedded-server.ts";
import { openStore } from "./store.ts";
import type { Store } from "./store.ts";

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

/** A store over a new empty database, which closing drops; or one more store over a `database` there is. */
export async function openTestStore(database?: TestDatabase): Promise<Store> {
  await using opening = new AsyncDisposableStack();
  const { url } = database ?? opening.use(await openTestDatabase());
  const home = opening.use(await temporaryHome());
  const store = opening.use(await openStore({ url, home: home.path, log: silentLog }));
  const open = opening.move();
  const close = (): Promise<void> => open.disposeAsync();
  return { ...store, close, [Symbol.asyncDispose]: close };
}

/** A new empty database without tables; disposing it drops it, whoever is connected. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const { address } = await cluster();
  return createDatabase(address);
}

/** A new database on the server at `address`. */
export async function createDatabase(address: ServerAddress): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await execute(address, `CREATE DATABASE ${name}`);
  return {
    url: urlOf({ ...address, database: name }),
    [Symbol.asyncDispose]: () => execute(address, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** A folder that serves as a home, also where tests run as root and the database as somebody else. */
export async function temporaryHome(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "signalbox-test-"));
  await chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

interface Cluster extends AsyncDisposable {
  readonly address: ServerAddress;
}

let running: Promise<Cluster> | undefined;

function cluster(): Promise<Cluster> {
  running ??= startCluster();
  return running;
}

afterAll(async () => {
  await (await running)?.[Symbol.asyncDispose]();
  running = undefined;
});

async function startCluster(): Promise<Cluster> {
  await using starting = new AsyncDisposableStack();
  const home = starting.use(await temporaryHome());
  const server: EmbeddedServer = await startEmbeddedServer({
    home: home.path,
    log: silentLog,
    signal: AbortSignal.timeout(60_000),
  });
  starting.defer(() => server.stop());
  const started = starting.move();
  return {
    address: { ...server.address, database: "postgres" },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function execute(address: ServerAddress, statement: string): Promise<void> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
  });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function urlOf({ host, port, user, password, database }: ServerAddress): string {
  return `postgresql://${user}:${password}@${host}:${port}/${database}`;
}
