import type { AuditEntry } from "./audit-trail.ts";

/** The audit trail as text, a page at a time: NDJSON, a JSON object a line, or CSV (RFC 4180) with a heading. */

export const auditFormats = ["ndjson", "csv"] as const;
export type AuditFormat = (typeof auditFormats)[number];

/** A record as it is exported; values are JSON as text. */
export interface ExportedRecord extends Partial<AuditEntry> {
  readonly seq: number;
  readonly at: number;
  readonly before: string | null;
  readonly after: string | null;
  readonly details: string | null;
  readonly hash?: string;
}

const COLUMNS = [
  "seq",
  "id",
  "at",
  "action",
  "actorId",
  "actorName",
  "actorKind",
  "target",
  "project",
  "outcome",
  "code",
  "before",
  "after",
  "details",
  "address",
  "requestId",
  "hash",
] as const;

const PAGE = 500;

/**
 * The records behind `afterSeq`, the oldest first, each piece some lines; at most `max` records. `page` reads at most so
 * many behind a place.
 */
export async function* exportAudit(options: {
  format: AuditFormat;
  afterSeq: number;
  max: number;
  page: (afterSeq: number, limit: number) => Promise<readonly ExportedRecord[]>;
}): AsyncGenerator<string> {
  const { format, max, page } = options;
  if (format === "csv") yield `${COLUMNS.join(",")}\r\n`;
  let { afterSeq } = options;
  for (let left = max; left > 0;) {
    const records = await page(afterSeq, Math.min(PAGE, left));
    const last = records.at(-1);
    if (last === undefined) return;
    yield records.map((record) => lineOf(record, format)).join("");
    afterSeq = last.seq;
    left -= records.length;
  }
}

/** One record as a line, its end included. */
export function lineOf(record: ExportedRecord, format: AuditFormat): string {
  if (format === "ndjson") return `${JSON.stringify(shownRecord(record))}\n`;
  const shown = { ...record, at: new Date(record.at).toISOString() };
  return `${COLUMNS.map((column) => cell(shown[column])).join(",")}\r\n`;
}

/** A record with its time as text and its values as what they are. */
export function shownRecord(record: ExportedRecord): Record<string, unknown> {
  const shown: Record<string, unknown> = { ...record, at: new Date(record.at).toISOString() };
  for (const column of ["before", "after", "details"] as const) {
    const text = record[column];
    if (text !== null) shown[column] = JSON.parse(text);
  }
  return shown;
}

// A spreadsheet takes a cell that begins so for a formula, and an attacker may have chosen the text.
function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
