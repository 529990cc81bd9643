import { ToolError } from "@signalbox/kit";

/**
 * Throws ToolError (SQL_CONTROL) for a statement that would leave the transaction it is run in, or take its being read-only from
 * it: with COMMIT in the middle, what follows would be neither undone together nor kept from writing.
 */
export function assertNoTransactionControl(sql: string): void {
  const word = /^[a-z]+/i.exec(bareStart(sql))?.[0].toUpperCase() ?? "";
  if (!controls.has(word)) return;
  throw new ToolError(
    `${word} cannot be sent: statements of a call already run in one transaction. Leave it out.`,
    { code: "SQL_CONTROL" },
  );
}

const controls: ReadonlySet<string> = new Set([
  "BEGIN",
  "START",
  "COMMIT",
  "END",
  "ROLLBACK",
  "ABORT",
  "SAVEPOINT",
  "RELEASE",
  "PREPARE",
  "SET",
  "RESET",
  "DISCARD",
]);

/** The statement from its first word on: without spaces, empty statements and comments, which may be nested. */
function bareStart(sql: string): string {
  let at = 0;
  let depth = 0;
  while (at < sql.length) {
    if (sql.startsWith("/*", at)) {
      depth++;
      at += 2;
    } else if (depth > 0) {
      const closes = sql.startsWith("*/", at);
      depth -= closes ? 1 : 0;
      at += closes ? 2 : 1;
    } else if (sql.startsWith("--", at)) {
      const end = sql.slice(at).search(/[\n\r]/);
      at = end < 0 ? sql.length : at + end + 1;
    } else if (/[\s;(]/.test(sql.charAt(at))) at++;
    else break;
  }
  return sql.slice(at);
}

/** A name as SQL has it: `orders`, or `shop.orders` for one of a schema. Each part is quoted. */
export function quotedTable(table: string): string {
  return table.split(".").map(quotedName).join(".");
}

/** A single name, quoted, so that whatever is in it stays a name. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
