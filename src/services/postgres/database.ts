// One database: its pool, and the two ways in. Reading goes through a transaction that is READ ONLY, within which the
// statement is prepared by itself (so that it is one), read through a cursor up to the caller's bound, and rolled back. Writing
// goes through a transaction that is committed when everything in it went well.
import { Duplex } from "node:stream";
import {
  Pool,
  type FieldDef,
  type PoolClient,
  type PoolConfig,
  type QueryArrayConfig,
  type QueryArrayResult,
} from "pg";
import Cursor from "pg-cursor";
import {
  ServiceError,
  ToolError,
  orAborted,
  type Clock,
  type ServiceHealth,
  type ServiceLog,
} from "@signalbox/kit";
import { failureOf, isAnswered, isPassing } from "./failures.ts";
import { refuseVolatile } from "./functions.ts";
import type { Calls } from "./read-rules.ts";
import { typeName, valueTypes } from "./values.ts";

export interface DatabaseOptions {
  readonly name: string;
  readonly connectionString: string;
  readonly writes: boolean;
  /** Volatile functions that may be called all the same. */
  readonly functions: readonly string[];
  readonly poolMin: number;
  readonly poolMax: number;
  readonly idleMs: number;
  readonly connectMs: number;
  readonly queryMs: number;
  readonly bytesMax: number;
}

/** Who asks, and until when. */
export interface Asking {
  readonly principal: { readonly name: string };
  readonly signal: AbortSignal;
}

export interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

export interface Rows {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Values by their column; of columns of one name the later ones have a number behind it. */
  readonly rows: readonly Record<string, unknown>[];
  /** Why there are not more: nothing was left out, or the bound that was met. */
  readonly cut: "no" | "rows" | "bytes";
}

export interface PoolStatus {
  readonly database: string;
  readonly open: number;
  readonly idle: number;
  readonly inUse: number;
  readonly waiting: number;
  readonly min: number;
  readonly max: number;
  readonly statements: number;
  readonly failures: number;
  /** Of the statements that went well, in milliseconds. */
  readonly meanMs: number;
}

export class Database {
  readonly name: string;
  readonly writes: boolean;
  readonly #options: DatabaseOptions;
  readonly #clock: Clock;
  readonly #log: ServiceLog;
  readonly #pool: Pool;
  #statements = 0;
  #failures = 0;
  #totalMs = 0;

  constructor(options: DatabaseOptions, deps: { clock: Clock; log: ServiceLog }) {
    this.name = options.name;
    this.writes = options.writes;
    this.#options = options;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#pool = new Pool(poolConfig(options));
    // A connection that breaks while nobody uses it is the pool's business.
    this.#pool.on("error", (error) =>
      this.#log.debug({ database: this.name, error: error.message }, "An idle connection broke"),
    );
  }

  /** What a statement that only reads gives, up to `rowsMax`; `calls` is what `readingCalls` found in it. */
  async read(
    statement: Statement,
    calls: Calls,
    asking: Asking & { readonly rowsMax: number },
  ): Promise<Rows> {
    return await this.#repeated(asking, async (client) => {
      await client.query("BEGIN TRANSACTION READ ONLY");
      await this.#prepare(client, asking);
      await refuseVolatile(client, calls, this.#options.functions);
      const rows = await this.#readRows(client, statement, asking.rowsMax);
      await client.query("ROLLBACK");
      return rows;
    });
  }

  /** What a question of our own gives: rows of the catalog. */
  async ask<Row extends object>(
    sql: string,
    params: readonly unknown[],
    asking: Asking,
  ): Promise<Row[]> {
    return await this.#repeated(asking, async (client) => {
      await client.query("BEGIN TRANSACTION READ ONLY");
      await this.#prepare(client, asking);
      const { rows } = await client.query<Row>({
        text: sql,
        values: [...params],
        types: valueTypes,
      });
      await client.query("ROLLBACK");
      return rows;
    });
  }

  /** Runs statements in one transaction; all of them are done, or none. Throws where the database may not be written. */
  async write(
    statements: readonly Statement[],
    asking: Asking & { readonly rowsMax: number },
  ): Promise<(Rows & { readonly command: string; readonly rowCount: number })[]> {
    if (!this.writes)
      throw new ToolError(
        `The database "${this.name}" is only for reading here. An operator can open it for writing: set POSTGRES_<NAME>_WRITES=true, or writes = true under [services.postgres.databases.${this.name}].`,
        { code: "SQL_READ_ONLY" },
      );
    return await this.#repeated(
      asking,
      async (client) => {
        await client.query("BEGIN");
        await this.#prepare(client, asking);
        return await withBound(client, this.#options.bytesMax, async () => {
          const done = [];
          for (const statement of statements) {
            const { rows, rowCount, command, fields } = await runOne(client, statement);
            const kept = cutRows(rows, asking.rowsMax, this.#options.bytesMax);
            done.push({ ...shown(fields, kept), command, rowCount: rowCount ?? 0 });
          }
          return done;
        });
      },
      commit,
    );
  }

  /** Answers and how quickly, with a connection of the pool. */
  async health(signal: AbortSignal): Promise<ServiceHealth> {
    const begunMs = this.#clock.monotonicMs();
    try {
      const asking = { principal: { name: "health" }, signal };
      const [row] = await this.ask<{ version: string; standby: boolean }>(healthSql, [], asking);
      const latencyMs = Math.round((this.#clock.monotonicMs() - begunMs) * 10) / 10;
      return { status: "ok", details: { latencyMs, ...row } };
    } catch (error) {
      return { status: "down", message: error instanceof Error ? error.message : String(error) };
    }
  }

  get status(): PoolStatus {
    const { totalCount, idleCount, waitingCount } = this.#pool;
    const { name, poolMin, poolMax } = this.#options;
    const well = this.#statements - this.#failures;
    return {
      database: name,
      open: totalCount,
      idle: idleCount,
      inUse: totalCount - idleCount,
      waiting: waitingCount,
      min: poolMin,
      max: poolMax,
      statements: this.#statements,
      failures: this.#failures,
      meanMs: well === 0 ? 0 : Math.round((this.#totalMs / well) * 10) / 10,
    };
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #repeated<T>(
    asking: Asking,
    work: (client: PoolClient) => Promise<T>,
    finish?: (client: PoolClient) => Promise<void>,
  ): Promise<T> {
    const begunMs = this.#clock.monotonicMs();
    this.#statements++;
    for (let attempt = 1; ; attempt++) {
      const tried = await this.#attempt(asking, work, finish);
      if ("value" in tried) {
        this.#totalMs += this.#clock.monotonicMs() - begunMs;
        return tried.value;
      }
      const { error } = tried;
      // Whether a COMMIT that was not answered was done, nobody knows.
      const unknown = tried.finishing && !isAnswered(error);
      const again = !unknown && isPassing(error) && attempt < attemptsMax;
      if (!again || asking.signal.aborted) {
        this.#failures++;
        throw this.#told(error, unknown, asking.signal);
      }
      await this.#clock.wait(backOffMs * 2 ** attempt * (0.5 + Math.random()), asking.signal);
    }
  }

  async #attempt<T>(
    { signal }: Asking,
    work: (client: PoolClient) => Promise<T>,
    finish: ((client: PoolClient) => Promise<void>) | undefined,
  ): Promise<{ value: T } | { error: unknown; finishing: boolean }> {
    let client: PoolClient | undefined;
    let finishing = false;
    try {
      client = await this.#connect(signal);
      // Of one that breaks, whoever waits for an answer hears; the event is for nobody, and would end the process.
      client.on("error", ignore);
      const value = await orAborted(work(client), signal);
      finishing = finish !== undefined;
      await finish?.(client);
      client.off("error", ignore);
      client.release();
      return { value };
    } catch (error) {
      // Whatever it was in the middle of ends with its connection.
      if (client !== undefined) this.#drop(client, signal.aborted);
      return { error, finishing };
    }
  }

  // A caller who has gone is not given a connection any more.
  async #connect(signal: AbortSignal): Promise<PoolClient> {
    signal.throwIfAborted();
    const connecting = this.#pool.connect();
    try {
      return await orAborted(connecting, signal);
    } catch (error) {
      connecting.then(
        (client) => client.release(),
        () => {},
      );
      throw error;
    }
  }

  // A statement that nobody waits for any more is ended at the server, too.
  #drop(client: PoolClient, running: boolean): void {
    const pid: unknown = Reflect.get(client, "processID");
    client.release(true);
    if (!running || typeof pid !== "number") return;
    this.#pool.query("SELECT pg_cancel_backend($1)", [pid]).catch(() => {});
  }

  /** What every transaction of ours begins with: bounds, and the reading of texts that the parser was told. */
  async #prepare(client: PoolClient, { principal }: Asking): Promise<void> {
    const { queryMs } = this.#options;
    const name = `signalbox: ${principal.name}`.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 63);
    await client.query(preparation, [name, String(queryMs), String(Math.min(queryMs, lockMsMax))]);
  }

  async #readRows(client: PoolClient, { sql, params }: Statement, rowsMax: number): Promise<Rows> {
    const { bytesMax } = this.#options;
    const cursor = client.query(
      new Cursor<unknown[]>(sql, [...params], { rowMode: "array", types: valueTypes }),
    );
    const rows = await withBound(client, bytesMax, () => readCursor(cursor, rowsMax, bytesMax));
    await cursor.close();
    return rows;
  }

  #told(error: unknown, unknown: boolean, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    const told = failureOf(error, this.name);
    if (!(told instanceof ToolError)) {
      this.#log.error({ database: this.name, err: error }, "A statement failed");
      return told;
    }
    if (told.code === "SQL_UNREACHABLE")
      this.#log.warn({ database: this.name, err: error }, "The database cannot be reached");
    if (!unknown) return told;
    return new ServiceError(
      `The connection to "${this.name}" was lost while the transaction was being committed: nobody knows whether it was. Look before you repeat it.`,
      { kind: "network", code: "SQL_UNREACHABLE", delivered: "maybe", cause: error },
    );
  }
}

function poolConfig(options: DatabaseOptions): PoolConfig {
  const { connectionString, poolMin, poolMax, idleMs, connectMs } = options;
  return {
    connectionString,
    min: Math.min(poolMin, poolMax),
    max: poolMax,
    idleTimeoutMillis: idleMs,
    connectionTimeoutMillis: connectMs,
    application_name: "signalbox",
    keepAlive: true,
    allowExitOnIdle: true,
    maxLifetimeSeconds: lifetimeS,
  };
}

const preparation = `select set_config('application_name', $1, true), set_config('statement_timeout', $2, true),
  set_config('lock_timeout', $3, true), set_config('idle_in_transaction_session_timeout', '60000', true),
  set_config('standard_conforming_strings', 'on', true), set_config('datestyle', 'ISO', true),
  set_config('bytea_output', 'hex', true)`;
const healthSql =
  "select current_setting('server_version') as version, pg_is_in_recovery() as standby";

// By itself, whatever the text: the simple protocol would run all the statements in it.
async function runOne(
  client: PoolClient,
  { sql, params }: Statement,
): Promise<QueryArrayResult<unknown[]>> {
  const config: QueryArrayConfig & { queryMode: "extended" } = {
    text: sql,
    values: [...params],
    rowMode: "array",
    queryMode: "extended",
    types: valueTypes,
  };
  return await client.query<unknown[]>(config);
}

function ignore(): void {}

async function commit(client: PoolClient): Promise<void> {
  await client.query("COMMIT");
}

interface Kept {
  readonly rows: readonly unknown[][];
  readonly cut: Rows["cut"];
}

function cutRows(rows: readonly unknown[][], rowsMax: number, bytesMax: number): Kept {
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    if (index === rowsMax) return { rows: rows.slice(0, index), cut: "rows" };
    bytes += JSON.stringify(row).length;
    if (bytes > bytesMax) return { rows: rows.slice(0, index), cut: "bytes" };
  }
  return { rows, cut: "no" };
}

function shown(fields: readonly FieldDef[], { rows, cut }: Kept): Rows {
  const taken = new Map<string, number>();
  const columns = fields.map(({ name, dataTypeID }) => {
    const times = (taken.get(name) ?? 0) + 1;
    taken.set(name, times);
    return { name: times === 1 ? name : `${name}_${times}`, type: typeName(dataTypeID) };
  });
  const named = rows.map((row) =>
    Object.fromEntries(columns.map(({ name }, index) => [name, row[index]])),
  );
  return { columns, rows: named, cut };
}

async function readCursor(
  cursor: Cursor<unknown[]>,
  rowsMax: number,
  bytesMax: number,
): Promise<Rows> {
  const kept: unknown[][] = [];
  let bytes = 0;
  for (;;) {
    const wanted = Math.min(batchRows, rowsMax + 1 - kept.length);
    const { rows, result } = await readSome(cursor, wanted);
    for (const row of rows) {
      bytes += JSON.stringify(row).length;
      if (bytes > bytesMax) return shown(result.fields, { rows: kept, cut: "bytes" });
      if (kept.length === rowsMax) return shown(result.fields, { rows: kept, cut: "rows" });
      kept.push(row);
    }
    if (rows.length < wanted) return shown(result.fields, { rows: kept, cut: "no" });
  }
}

function readSome(
  cursor: Cursor<unknown[]>,
  count: number,
): Promise<{ rows: unknown[][]; result: { fields: FieldDef[] } }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    rows: unknown[][];
    result: { fields: FieldDef[] };
  }>();
  cursor.read(count, (error, rows, result) => {
    if (error === undefined || error === null) resolve({ rows, result });
    else reject(error);
  });
  return promise;
}

// One value may be larger than all that may be read: a connection that brings more than it should is cut.
async function withBound<T>(
  client: PoolClient,
  bytesMax: number,
  work: () => Promise<T>,
): Promise<T> {
  const connection: unknown = Reflect.get(client, "connection");
  const stream: unknown =
    typeof connection === "object" && connection !== null
      ? Reflect.get(connection, "stream")
      : undefined;
  if (!(stream instanceof Duplex)) throw new TypeError("The driver's connection has no stream");
  let bytes = 0;
  const tooLarge = new ToolError(
    `The answer is larger than what may be read at once (${bytesMax} bytes). Select fewer or shorter columns, or fewer rows.`,
    { code: "SQL_TOO_LARGE" },
  );
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bytesMax * wireFactor + spareBytes) stream.destroy(tooLarge);
  };
  stream.on("data", count);
  try {
    return await work();
  } catch (error) {
    // The driver may say only that the connection ended.
    throw stream.errored === tooLarge ? tooLarge : error;
  } finally {
    stream.off("data", count);
  }
}

const attemptsMax = 3;
const backOffMs = 50;
const batchRows = 100;
const lockMsMax = 5_000;
const lifetimeS = 3_600;
/** What is on the wire for each byte of JSON, at most, with room for the rest of a batch. */
const wireFactor = 4;
const spareBytes = 1024 * 1024;
