// Sealing anew what an earlier key has sealed, after the key in use was replaced. It goes in portions, table after table and row
// after row; each row is written by itself and only where it is unchanged, so that it may be ended and begun again at any
// time, and run beside everything else.
import type { Vault } from "../access/index.ts";
import { isSignalboxError, SignalboxError } from "../foundation/index.ts";

/** A sealed value where it is kept. */
export interface SealedRow {
  readonly id: string;
  readonly sealed: string;
  /** What it was sealed with beside its purpose: see `Sealer`. */
  readonly place: string;
  /** What people call it. */
  readonly label: string;
}

/** A table with sealed values. */
export interface SealedTable {
  /** Its place in the order, and in what `next` says; without a colon. */
  readonly name: string;
  /** What its values are sealed for. */
  readonly purpose: string;
  /** Rows that another key has sealed, by id, those after `after`, `limit` at the most. */
  sealedOtherwise(keyId: string, after: string, limit: number): Promise<readonly SealedRow[]>;
  /** Keeps the same value sealed anew; false where the row was changed or removed meanwhile. */
  reseal(row: SealedRow, sealed: string, keyId: string): Promise<boolean>;
}

/** One portion of sealing anew. */
export interface Resealing {
  /** How many the key in use has sealed now. */
  resealed: number;
  /** Those that no configured key opens. */
  unreadable: readonly string[];
  /** Where to go on; absent when all were seen. */
  next?: string;
}

/** Seals a portion anew, from where the one before said. Throws BODY_INVALID, ENCRYPTION_KEY_MISSING, STORE_UNAVAILABLE. */
export async function reseal(
  vault: Vault,
  tables: readonly SealedTable[],
  from: { readonly after: string; readonly limit: number },
): Promise<Resealing> {
  const { keyId } = vault;
  const { table, after, following } = placeIn(tables, from.after);
  const rows = await table.sealedOtherwise(keyId, after, from.limit);
  const unreadable: string[] = [];
  let resealed = 0;
  for (const row of rows) {
    const sealed = sealedAnew(vault, table.purpose, row);
    if (sealed === undefined) unreadable.push(row.label);
    else if (await table.reseal(row, sealed, keyId)) resealed += 1;
  }
  const last = rows.at(-1);
  const here = rows.length === from.limit && last !== undefined;
  const next = here ? `${table.name}:${last.id}` : following && `${following.name}:`;
  return { resealed, unreadable, ...(next !== undefined && { next }) };
}

function placeIn(
  tables: readonly SealedTable[],
  cursor: string,
): { table: SealedTable; after: string; following: SealedTable | undefined } {
  const at = cursor.indexOf(":");
  const index = at < 0 ? 0 : tables.findIndex(({ name }) => name === cursor.slice(0, at));
  const table = tables[index];
  if (table === undefined || (at < 0 && cursor !== ""))
    throw new SignalboxError("BODY_INVALID", "This is no place that an earlier portion named.");
  return { table, after: cursor.slice(at + 1), following: tables[index + 1] };
}

function sealedAnew(
  vault: Vault,
  purpose: string,
  { sealed, place }: SealedRow,
): string | undefined {
  const sealer = vault.for(purpose);
  try {
    return sealer.seal(sealer.open(sealed, place), place);
  } catch (error) {
    if (isSignalboxError(error) && error.code === "SECRET_UNREADABLE") return undefined;
    throw error;
  }
}
