// The call log. Rows are written many at a time by one statement whose text never changes, and a row that is
// written twice counts once, so a writer that does not know whether its batch arrived may send it again.
import { and, desc, eq, ne, sql } from "drizzle-orm";
import type { SQL } from "drizzle-orm";
import type { PoolClient } from "pg";
import { isSignalboxError } from "../foundation/index.ts";
import { CopyIn } from "./copy-in.ts";
import type { Database } from "./database.ts";
import { toolCallLogs } from "./schema.ts";

/** How a call ended; `unknown` where it may have reached its server and must not be repeated to find out. */
export type CallOutcome =
  | "ok"
  | "tool_error"
  | "error"
  | "timeout"
  | "unknown"
  | "cancelled"
  | "refused";

/** One call as logged. `at` is epoch milliseconds; `id` sorts by time and makes writing idempotent. */
export interface CallRow {
  id: string;
  at: number;
  principalId: string;
  principalName: string;
  /** "*" where the call is of no one project. */
  project: string;
  method: string;
  server?: string;
  tool?: string;
  publicName?: string;
  bundle?: string;
  outcome: CallOutcome;
  errorCode?: string;
  durationMs: number;
  upstreamMs: number;
  ownMs: number;
  requestBytes: number;
  responseBytes: number;
  requestId: string;
  traceId?: string;
  era: "modern" | "legacy";
  arguments?: unknown;
}

export interface CallFilter {
  /** From 1 to 500. */
  limit: number;
  server?: string;
  outcome?: CallOutcome;
  /** Whether it went well. */
  success?: boolean;
  principalId?: string;
  project?: string;
  /** Only calls before this time, epoch milliseconds; with `beforeId` those of the same millisecond that sort before it, too. */
  before?: number;
  beforeId?: string;
}

export interface Calls {
  /** `lines`: what `CallEncoder` makes, each with a line break behind it, in UTF-8. Resolves when they are on the disk. */
  append(lines: Buffer): Promise<void>;
  /** The newest calls first. */
  recent(filter: CallFilter): Promise<CallRow[]>;
  /** One call; undefined where there is none of this id. */
  one(id: string): Promise<CallRow | undefined>;
  /** Deletes calls before a time (epoch milliseconds) and tells how many. */
  prune(before: number): Promise<number>;
}

export const CALLS_LIMIT_MAX = 500;

/** The call log of a database. */
export function callsIn(database: Database): Calls {
  return {
    async append(lines): Promise<void> {
      try {
        await database.onOneConnection((client) => copy(client, appendStatement, lines));
      } catch (error) {
        if (!isSignalboxError(error) || error.code !== "CONFLICT") throw error;
        await database.onOneConnection((client) => appendAgain(client, lines));
      }
    },
    recent(filter): Promise<CallRow[]> {
      return database.run(async (db) => {
        const rows = await db
          .select()
          .from(toolCallLogs)
          .where(and(...conditions(filter)))
          .orderBy(desc(toolCallLogs.at), desc(toolCallLogs.id))
          .limit(Math.min(Math.max(1, Math.trunc(filter.limit)), CALLS_LIMIT_MAX));
        return rows.map(toCallRow);
      });
    },
    one(id): Promise<CallRow | undefined> {
      return database.run(async (db) => {
        const [row] = await db.select().from(toolCallLogs).where(eq(toolCallLogs.id, id));
        return row && toCallRow(row);
      });
    },
    async prune(before): Promise<number> {
      let pruned = 0;
      for (let deleted = PRUNE_CHUNK; deleted === PRUNE_CHUNK; pruned += deleted) {
        const { rowCount } = await database.query(pruneStatement, [before, PRUNE_CHUNK]);
        deleted = rowCount ?? 0;
      }
      return pruned;
    },
  };
}

/** Rows deleted at once: few enough for the deadline of a query. */
const PRUNE_CHUNK = 5000;

const pruneStatement = `
  DELETE FROM signalbox.tool_call_logs WHERE id IN (
    SELECT id FROM signalbox.tool_call_logs WHERE at < to_timestamp($1::float8 / 1000.0) ORDER BY at LIMIT $2)`;

const TEXT_LENGTH_MAX = 1000;
const ARGUMENT_BYTES_MAX = 64 * 1024;

/**
 * Writes calls as the lines that `append` takes: PostgreSQL's text format of COPY, without the line break. Who called what
 * repeats from call to call, so that part of the line is kept, and only the rest is made anew.
 */
export class CallEncoder {
  readonly #kept = new Map<string, Kept>();
  #second = Number.NaN;
  #secondText = "";

  encode(row: CallRow): string {
    const kept = this.#keptOf(row);
    const requestId = row.requestId === row.id ? NULL : field(row.requestId);
    return `${field(row.id)}\t${this.#time(row.at)}\t${row.outcome}\t${field(row.errorCode)}\t${milliseconds(row.durationMs)}\t${milliseconds(row.upstreamMs)}\t${milliseconds(row.ownMs)}\t${Math.trunc(row.requestBytes)}\t${Math.trunc(row.responseBytes)}\t${requestId}\t${field(row.traceId)}\t${argumentsField(row.arguments)}\t${kept.text}`;
  }

  #keptOf(row: CallRow): Kept {
    const key = row.publicName ?? "";
    const kept = this.#kept.get(key);
    if (kept !== undefined && isSame(kept.row, row)) return kept;
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    const made = keep(row);
    this.#kept.set(key, made);
    return made;
  }

  #time(epochMs: number): string {
    const second = Math.floor(epochMs / 1000);
    if (second !== this.#second) {
      this.#secondText = new Date(second * 1000).toISOString().slice(0, -4);
      this.#second = second;
    }
    return `${this.#secondText}${fractions[Math.trunc(epochMs - second * 1000)] ?? "000"}Z`;
  }
}

type Repeated = {
  readonly [
    K in
      | "principalId"
      | "principalName"
      | "project"
      | "method"
      | "server"
      | "tool"
      | "publicName"
      | "bundle"
      | "era"
  ]: CallRow[K] | undefined;
};

/** What repeats from call to call, and its fields as text. */
interface Kept {
  readonly row: Repeated;
  readonly text: string;
}

/** Names that are kept: as many as a large catalog has. */
const KEPT_MAX = 10_000;

const fractions = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, "0"));

// Written out, member by member: this runs for every call.
function isSame(kept: Repeated, row: CallRow): boolean {
  return (
    kept.principalId === row.principalId &&
    kept.principalName === row.principalName &&
    kept.project === row.project &&
    kept.method === row.method &&
    kept.server === row.server &&
    kept.tool === row.tool &&
    kept.publicName === row.publicName &&
    kept.bundle === row.bundle &&
    kept.era === row.era
  );
}

function keep(row: CallRow): Kept {
  const { principalId, principalName, project, method, server, tool, publicName, bundle, era } =
    row;
  const who = [principalId, principalName, project];
  const texts = [...who, method, server, tool, publicName, bundle, era];
  return {
    row: { principalId, principalName, project, method, server, tool, publicName, bundle, era },
    text: texts.map((text) => field(text)).join("\t"),
  };
}

/** To the microsecond, which is written faster than a fraction. */
function milliseconds(ms: number): string {
  return `${Math.round(ms * 1000)}e-3`;
}

/** The columns in the order of a line. */
const columns = [
  "id",
  "at",
  "outcome",
  "error_code",
  "duration_ms",
  "upstream_ms",
  "own_ms",
  "request_bytes",
  "response_bytes",
  "request_id",
  "trace_id",
  "arguments",
  "principal_id",
  "principal_name",
  "project",
  "method",
  "server",
  "tool",
  "public_name",
  "bundle",
  "era",
].join(", ");

const appendStatement = `COPY signalbox.tool_call_logs (${columns}) FROM STDIN`;

function copy(client: PoolClient, statement: string, lines: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = new CopyIn(statement, lines);
    query.callback = (error) => (error === undefined ? resolve() : reject(error));
    client.query(query);
  });
}

// Some of the rows are there already: an earlier try arrived after all. The others are added.
async function appendAgain(client: PoolClient, lines: Buffer): Promise<void> {
  await client.query("BEGIN");
  await client.query("CREATE TEMP TABLE again (LIKE signalbox.tool_call_logs) ON COMMIT DROP");
  await copy(client, `COPY again (${columns}) FROM STDIN`, lines);
  await client.query(
    `INSERT INTO signalbox.tool_call_logs (${columns}) SELECT ${columns} FROM again ON CONFLICT (id) DO NOTHING`,
  );
  await client.query("COMMIT");
}

const NULL = "\\N";
// What COPY's text format escapes, what PostgreSQL's text cannot hold, and halves of surrogate pairs.
const NEEDS_CARE = /[\\\t\n\r\0\ud800-\udfff]/;

/** Text as a field; longer than 1,000 characters it is cut, and U+0000 and half pairs come out as U+FFFD. */
function field(text: string | undefined): string {
  if (text === undefined) return NULL;
  if (text.length <= TEXT_LENGTH_MAX && !NEEDS_CARE.test(text)) return text;
  return escaped(text.slice(0, TEXT_LENGTH_MAX).toWellFormed().replaceAll("\0", "\uFFFD"));
}

function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\\\")
    .replaceAll("\t", "\\t")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
}

// JSON escapes what text cannot hold, and the column keeps it as it is written.
function argumentsField(value: unknown): string {
  const text = value === undefined ? undefined : JSON.stringify(value);
  if (text === undefined) return NULL;
  const bytes = Buffer.byteLength(text);
  const kept = bytes <= ARGUMENT_BYTES_MAX ? text : `{"signalbox/omittedBytes":${bytes}}`;
  return escaped(kept);
}

function conditions(filter: CallFilter): (SQL | undefined)[] {
  const { server, outcome, success, principalId, project, before, beforeId } = filter;
  return [
    server === undefined ? undefined : eq(toolCallLogs.server, server),
    outcome === undefined ? undefined : eq(toolCallLogs.outcome, outcome),
    success === undefined
      ? undefined
      : (success ? eq : ne)(toolCallLogs.outcome, "ok" satisfies CallOutcome),
    principalId === undefined ? undefined : eq(toolCallLogs.principalId, principalId),
    project === undefined ? undefined : eq(toolCallLogs.project, project),
    before === undefined
      ? undefined
      : sql`(${toolCallLogs.at}, ${toolCallLogs.id}) < (to_timestamp(${before}::float8 / 1000.0), ${beforeId ?? ""})`,
  ];
}

/** Columns that are null become absent properties. */
function toCallRow(row: typeof toolCallLogs.$inferSelect): CallRow {
  const {
    server,
    tool,
    publicName,
    bundle,
    errorCode,
    traceId,
    requestId,
    arguments: given,
    at,
    ...rest
  } = row;
  return {
    ...rest,
    requestId: requestId ?? row.id,
    at: at.getTime(),
    ...(server === null ? {} : { server }),
    ...(tool === null ? {} : { tool }),
    ...(publicName === null ? {} : { publicName }),
    ...(bundle === null ? {} : { bundle }),
    ...(errorCode === null ? {} : { errorCode }),
    ...(traceId === null ? {} : { traceId }),
    ...(given === null ? {} : { arguments: given }),
  };
}
