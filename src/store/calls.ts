// The call log. Rows are written many at a time by one statement whose text never changes, and a row that is
// written twice counts once, so a writer that does not know whether its batch arrived may send it again.
import { and, desc, eq, sql } from "drizzle-orm";
import type { SQL } from "drizzle-orm";
import type { Database } from "./database.ts";
import { toolCallLogs } from "./schema.ts";

export type CallOutcome = "ok" | "tool_error" | "error" | "timeout" | "cancelled" | "refused";

/** One call as logged. `at` is epoch milliseconds; `id` sorts by time and makes writing idempotent. */
export interface CallRow {
  id: string;
  at: number;
  principalId: string;
  principalName: string;
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
  principalId?: string;
  /** Only calls before this time, epoch milliseconds; with `beforeId` those of the same millisecond that sort before it, too. */
  before?: number;
  beforeId?: string;
}

export interface Calls {
  /** Resolves when the rows are on the disk. Text longer than 1,000 characters and arguments larger than 64 KiB are cut. */
  append(rows: readonly CallRow[]): Promise<void>;
  /** The newest calls first. */
  recent(filter: CallFilter): Promise<CallRow[]>;
  /** Deletes calls before a time (epoch milliseconds) and tells how many. */
  prune(before: number): Promise<number>;
}

export const CALLS_LIMIT_MAX = 500;

/** The call log of a database. */
export function callsIn(database: Database): Calls {
  return {
    async append(rows): Promise<void> {
      if (rows.length === 0) return;
      await database.query(
        appendStatement,
        columns.map(({ value }) => rows.map(value)),
      );
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

interface Column {
  readonly name: string;
  readonly type: "text" | "float8" | "bigint";
  /** How the statement turns the parameter into the column. */
  readonly expression?: string;
  readonly value: (row: CallRow) => string | number | null;
}

const textColumn = (name: string, read: (row: CallRow) => string | undefined): Column => ({
  name,
  type: "text",
  value: (row) => storable(read(row)),
});

const columns: readonly Column[] = [
  textColumn("id", (row) => row.id),
  { name: "at", type: "float8", expression: "to_timestamp(at / 1000.0)", value: (row) => row.at },
  textColumn("principal_id", (row) => row.principalId),
  textColumn("principal_name", (row) => row.principalName),
  textColumn("method", (row) => row.method),
  textColumn("server", (row) => row.server),
  textColumn("tool", (row) => row.tool),
  textColumn("public_name", (row) => row.publicName),
  textColumn("bundle", (row) => row.bundle),
  textColumn("outcome", (row) => row.outcome),
  textColumn("error_code", (row) => row.errorCode),
  { name: "duration_ms", type: "float8", value: (row) => row.durationMs },
  { name: "upstream_ms", type: "float8", value: (row) => row.upstreamMs },
  { name: "own_ms", type: "float8", value: (row) => row.ownMs },
  { name: "request_bytes", type: "bigint", value: (row) => Math.trunc(row.requestBytes) },
  { name: "response_bytes", type: "bigint", value: (row) => Math.trunc(row.responseBytes) },
  textColumn("request_id", (row) => row.requestId),
  textColumn("trace_id", (row) => row.traceId),
  textColumn("era", (row) => row.era),
  {
    name: "arguments",
    type: "text",
    expression: "arguments::json",
    value: (row) => storableJson(row.arguments),
  },
];

const appendStatement = `
  INSERT INTO signalbox.tool_call_logs (${columns.map(({ name }) => name).join(", ")})
  SELECT ${columns.map(({ name, expression }) => expression ?? name).join(", ")}
  FROM unnest(${columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(", ")})
    AS call (${columns.map(({ name }) => name).join(", ")})
  ON CONFLICT (id) DO NOTHING`;

/** PostgreSQL's text holds any character but U+0000. */
function storable(text: string | undefined): string | null {
  if (text === undefined) return null;
  const cut = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
  return cut.includes("\0") ? cut.replaceAll("\0", "\uFFFD") : cut;
}

function storableJson(value: unknown): string | null {
  if (value === undefined) return null;
  const text = JSON.stringify(value);
  if (text === undefined) return null;
  const bytes = Buffer.byteLength(text);
  return bytes <= ARGUMENT_BYTES_MAX ? text : JSON.stringify({ "signalbox/omittedBytes": bytes });
}

function conditions(filter: CallFilter): (SQL | undefined)[] {
  const { server, outcome, principalId, before, beforeId } = filter;
  return [
    server === undefined ? undefined : eq(toolCallLogs.server, server),
    outcome === undefined ? undefined : eq(toolCallLogs.outcome, outcome),
    principalId === undefined ? undefined : eq(toolCallLogs.principalId, principalId),
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
    arguments: given,
    at,
    ...rest
  } = row;
  return {
    ...rest,
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
