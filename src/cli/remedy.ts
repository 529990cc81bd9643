import { errorTable } from "../foundation/index.ts";

/** What to do about an error code of the gateway; undefined for a code this version does not know. */
export function remedyOf(code: string): string | undefined {
  const table: Readonly<Record<string, { remedy: string } | undefined>> = errorTable;
  return Object.hasOwn(table, code) ? table[code]?.remedy : undefined;
}
