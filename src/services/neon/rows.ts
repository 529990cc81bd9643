import { z } from "zod";
import type { SqlResult } from "./sql-client.ts";

/** How many rows an answer has at most. */
export const rowsLimit = z
  .int()
  .min(1)
  .max(1000)
  .default(100)
  .describe("Rows in the answer at most");

/** What a statement gave, as it is told. */
export const toldResult = z.object({
  command: z.string().describe("SELECT, INSERT, ..."),
  rowCount: z.number().describe("Rows found or changed"),
  columns: z.array(z.string()),
  rows: z.array(z.record(z.string(), z.unknown())),
  truncated: z.boolean().describe("Whether rows were left out; ask with LIMIT and OFFSET for them"),
});

/** As many rows as were asked for and fit into an answer. */
export function tellResult(
  { command, rowCount, fields, rows }: SqlResult,
  rowsMax: number,
): z.output<typeof toldResult> {
  const kept = withinBytes(rows.slice(0, rowsMax));
  return {
    command: command ?? "",
    rowCount: rowCount ?? rows.length,
    columns: fields.map(({ name }) => name),
    rows: kept,
    truncated: kept.length < rows.length,
  };
}

function withinBytes(rows: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  let left = bytesMax;
  const end = rows.findIndex((row) => (left -= JSON.stringify(row).length) < 0);
  return rows.slice(0, end < 0 ? rows.length : end);
}

const bytesMax = 256 * 1024;
