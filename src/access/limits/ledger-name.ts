import { createHash } from "node:crypto";

const LENGTH_MAX = 500;

/** A name as any ledger can hold it, whatever a caller is called: without halves of characters or zeros, and of bounded length. */
export function ledgerName(name: string): string {
  const text = name.toWellFormed().replaceAll("\0", "\uFFFD");
  if (text.length <= LENGTH_MAX) return text;
  return `${text.slice(0, LENGTH_MAX / 2).toWellFormed()}~${createHash("sha256").update(name).digest("hex")}`;
}
