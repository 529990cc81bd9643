/**
 * Values of `Mcp-Name` and `Mcp-Param-*` (2026-07-28, streamable HTTP, "Header encoding"): what a header cannot carry
 * as it is travels as `=?base64?{base64 of UTF-8}?=`.
 */
const MARK = "=?base64?";
const SENTINEL = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/;
const SAFE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** The header form of `value`: as it is where that is safe, else base64 between markers. */
export function encodeHeaderValue(value: string): string {
  if (value === "" || (SAFE.test(value) && !value.startsWith(MARK))) return value;
  return `=?base64?${Buffer.from(value, "utf8").toString("base64")}?=`;
}

/** The value a header stands for; a header without markers stands for itself, less surrounding blanks. */
export function decodeHeaderValue(header: string): string {
  const trimmed = header.trim();
  const encoded = trimmed.startsWith(MARK) ? SENTINEL.exec(trimmed)?.[1] : undefined;
  return encoded === undefined ? trimmed : Buffer.from(encoded, "base64").toString("utf8");
}
