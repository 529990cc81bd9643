// One pool for everything but LISTEN. Every query ends by its deadline: the pool's waiting, the connecting and
// the query itself each have one, and a connection whose query ran out of time is thrown away with it.
import { drizzle } from "drizzle-orm/node-postgres";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import { SignalboxError, messageOf } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import type { DatabaseOptions } from "./database-options.ts";
import { storeError } from "./store-error.ts";

/** Where the database is: an address of the user's, or that of our embedded server, which may move. */
export type DatabaseTarget =
  | { readonly kind: "external"; readonly url: string }
  | { readonly kind: "embedded"; readonly address: () => pg.ClientConfig };

export interface PoolUse {
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** The oldest PostgreSQL that is supported, as `server_version_num` writes it. */
const VERSION_MIN = 140_000;

/** How long closing waits for queries that are under way. */
const CLOSE_WITHIN_MS = 3000;

/** A pool of connections whose failures are told as STORE_UNAVAILABLE. */
export class Database {
  readonly #target: DatabaseTarget;
  readonly #pool: pg.Pool;
  readonly #drizzle: NodePgDatabase;
  readonly #applicationName: string;
  readonly #max: number;

  constructor(options: {
    target: DatabaseTarget;
    options: DatabaseOptions;
    /** Names this process to the database and to its fellow gateways. */
    applicationName: string;
    log: Log;
  }) {
    const { target, log } = options;
    const { pool_min, pool_max, idle_timeout, query_timeout } = options.options;
    this.#target = target;
    this.#applicationName = options.applicationName;
    this.#max = pool_max;
    this.#pool = new pg.Pool({
      ...this.clientConfig(query_timeout),
      min: pool_min,
      max: pool_max,
      idleTimeoutMillis: idle_timeout,
    });
    // An idle connection broke; the pool has dropped it and makes another when one is needed.
    this.#pool.on("error", (error) => {
      log.debug({ error: messageOf(error) }, "a database connection was lost");
    });
    this.#drizzle = drizzle(this.#pool);
  }

  /** What a connection of its own needs, for migrations and for LISTEN. */
  clientConfig(queryTimeoutMs: number): pg.ClientConfig {
    const common = {
      application_name: this.#applicationName,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: queryTimeoutMs,
      keepAlive: true,
    };
    // A server-side limit is a start parameter that connection poolers of external databases refuse.
    return this.#target.kind === "external"
      ? { ...common, connectionString: withoutApplicationName(this.#target.url) }
      : { ...common, ...this.#target.address(), statement_timeout: queryTimeoutMs };
  }

  /** Runs statements; throws STORE_UNAVAILABLE when the database is away or too slow. */
  async run<T>(work: (database: NodePgDatabase) => Promise<T>): Promise<T> {
    try {
      return await work(this.#drizzle);
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Runs one statement as written. */
  async query(text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> {
    try {
      return await this.#pool.query(text, [...values]);
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Runs `work` on one connection, which is given up where it fails. */
  async onOneConnection<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    try {
      const client = await this.#pool.connect();
      try {
        const result = await work(client);
        client.release();
        return result;
      } catch (error) {
        client.release(true);
        throw error;
      }
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Throws STORE_UNAVAILABLE when the server is older than 14. */
  async checkVersion(): Promise<void> {
    const { rows } = await this.query(
      "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version",
    );
    const [row] = rows;
    if (Number(row?.number) >= VERSION_MIN) return;
    throw new SignalboxError(
      "STORE_UNAVAILABLE",
      `The database of DATABASE_URL is PostgreSQL ${String(row?.version)}; version 14 or newer is needed.`,
    );
  }

  /** The embedded server came back elsewhere: new connections go there. */
  moveTo(address: pg.ClientConfig): void {
    Object.assign(this.#pool.options, address);
  }

  use(): PoolUse {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    return {
      inUse: totalCount - idleCount,
      idle: idleCount,
      waiting: waitingCount,
      max: this.#max,
    };
  }

  /** Closes the connections; those whose queries do not end in time are left to die with their server. */
  async close(): Promise<void> {
    await within(
      CLOSE_WITHIN_MS,
      this.#pool.end().catch(() => undefined),
    );
  }
}

/** Ends a connection; one whose network is gone is not waited for. */
export async function endClient(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => undefined);
  await within(1000, ended);
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: tooLong, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  await Promise.race([work, tooLong]);
  clearTimeout(timer);
}

/** Ours tells our own changes from those of others, so one in the address must not hide it. */
function withoutApplicationName(url: string): string {
  if (!url.includes("application_name")) return url;
  try {
    const parsed = new URL(url);
    parsed.searchParams.delete("application_name");
    return parsed.href;
  } catch {
    return url; // Not an address by the strict rules; pg reads more than those.
  }
}
