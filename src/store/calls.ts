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
  /** `json`: an array of what `encodeCall` makes, in UTF-8. Resolves when the rows are on the disk. */
  append(json: Buffer): Promise<void>;
  /** The newest calls first. */
  recent(filter: CallFilter): Promise<CallRow[]>;
  /** Deletes calls before a time (epoch milliseconds) and tells how many. */
  prune(before: number): Promise<number>;
}

export const CALLS_LIMIT_MAX = 500;

/** The call log of a database. */
export function callsIn(database: Database): Calls {
  return {
    async append(json): Promise<void> {
      await database.query(appendStatement, [json]);
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

/** A row longer than this may hold a text that has to be cut. */
const PLAIN_LENGTH_MAX = TEXT_LENGTH_MAX;

/**
 * A call as the JSON that `append` takes. PostgreSQL's text holds any character but U+0000, and no half of a surrogate pair:
 * they come out as U+FFFD. Texts longer than 1,000 characters are cut, arguments larger than 64 KiB are left out.
 */
export function encodeCall(row: CallRow): string {
  const given = row.arguments;
  const plain = given === undefined ? row : { ...row, arguments: argumentsText(given) };
  const json = JSON.stringify(plain);
  if (json.length <= PLAIN_LENGTH_MAX && !json.includes("\\u")) return json;
  return JSON.stringify(plain, (name, value: unknown) =>
    typeof value === "string" && name !== "arguments" ? storable(value) : value,
  );
}

function storable(text: string): string {
  const cut = text.length > TEXT_LENGTH_MAX ? text.slice(0, TEXT_LENGTH_MAX) : text;
  return cut.toWellFormed().replaceAll("\0", "\uFFFD");
}

// Text within text: what JSON escapes stays escaped until the column of type json, which keeps it as it is written.
function argumentsText(value: unknown): string | undefined {
  const text = JSON.stringify(value);
  if (text === undefined) return undefined;
  const bytes = Buffer.byteLength(text);
  return bytes <= ARGUMENT_BYTES_MAX ? text : JSON.stringify({ "signalbox/omittedBytes": bytes });
}

/** The columns of the table, and the members of a row's JSON they come from. */
const columns: readonly { name: string; member: keyof CallRow; type: string; value?: string }[] = [
  { name: "id", member: "id", type: "text" },
  { name: "at", member: "at", type: "float8", value: "to_timestamp(at / 1000.0)" },
  { name: "principal_id", member: "principalId", type: "text" },
  { name: "principal_name", member: "principalName", type: "text" },
  { name: "method", member: "method", type: "text" },
  { name: "server", member: "server", type: "text" },
  { name: "tool", member: "tool", type: "text" },
  { name: "public_name", member: "publicName", type: "text" },
  { name: "bundle", member: "bundle", type: "text" },
  { name: "outcome", member: "outcome", type: "text" },
  { name: "error_code", member: "errorCode", type: "text" },
  { name: "duration_ms", member: "durationMs", type: "float8" },
  { name: "upstream_ms", member: "upstreamMs", type: "float8" },
  { name: "own_ms", member: "ownMs", type: "float8" },
  { name: "request_bytes", member: "requestBytes", type: "bigint" },
  { name: "response_bytes", member: "responseBytes", type: "bigint" },
  { name: "request_id", member: "requestId", type: "text" },
  { name: "trace_id", member: "traceId", type: "text" },
  { name: "era", member: "era", type: "text" },
  { name: "arguments", member: "arguments", type: "text", value: "arguments::json" },
];

const appendStatement = `
  INSERT INTO signalbox.tool_call_logs (${columns.map(({ name }) => name).join(", ")})
  SELECT ${columns.map(({ member, value }) => value ?? `"${member}"`).join(", ")}
  FROM json_to_recordset($1::json)
    AS call (${columns.map(({ member, type }) => `"${member}" ${type}`).join(", ")})
  ON CONFLICT (id) DO NOTHING`;

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
