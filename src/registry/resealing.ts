// Sealing anew what an earlier key has sealed, after the key in use was replaced. It goes in portions, table after table and row
// after row; a portion is stored as a whole, each row only where it is unchanged, so that it may be ended and begun again at
// any time, and run beside everything else: tokens that are renewed meanwhile stay the newer ones.
import { z } from "zod";
import type { Vault } from "../access/index.ts";
import { isSignalboxError, SignalboxError } from "../foundation/index.ts";
import type { SealedAnew, SealedValue, SealedValues } from "../store/index.ts";
import { sealedTables, type SealedTable } from "./sealed-tables.ts";

/** One portion of sealing anew; it is of one table. */
export interface Resealing {
  /** The name of the table. */
  table: string;
  /** How many the key in use has sealed now. */
  resealed: number;
  /** Those that no configured key opens. */
  unreadable: readonly string[];
  /** How many of the table another key has sealed still, those that no key opens among them. */
  left: number;
  /** Where to go on; absent when all were seen. */
  next?: string;
}

/** What was stored of a portion. */
export interface Resealed {
  readonly table: string;
  readonly values: readonly SealedAnew[];
}

/** Seals a portion anew, from where the one before said. Throws BODY_INVALID, ENCRYPTION_KEY_MISSING, STORE_UNAVAILABLE. */
export async function reseal(
  { vault, store }: { readonly vault: Vault; readonly store: SealedValues },
  from: { readonly after: string; readonly limit: number },
): Promise<Resealing & { stored: Resealed }> {
  const { keyId } = vault;
  const { table, after, following } = placeIn(from.after);
  const values = await store.otherwise(table, keyId, after, from.limit);
  const tried = values.map((value) => ({ value, sealed: sealedAnew(vault, table, value) }));
  const anew = tried.flatMap(({ value: { key, sealed: was }, sealed }) =>
    sealed === undefined ? [] : [{ key, was, sealed }],
  );
  const kept = new Set((await store.reseal(table, anew, keyId)).map(idOf));
  const stored = anew.filter(({ key }) => kept.has(idOf(key)));
  const last = values.at(-1);
  const here = values.length === from.limit && last !== undefined;
  const next = here ? `${table.name}:${idOf(last.key)}` : following && `${following.name}:`;
  return {
    table: table.name,
    resealed: stored.length,
    unreadable: tried
      .filter(({ sealed }) => sealed === undefined)
      .map(({ value }) => table.label(value)),
    left: await store.count(table, keyId),
    ...(next !== undefined && { next }),
    stored: { table: table.name, values: stored },
  };
}

function placeIn(cursor: string): {
  table: SealedTable;
  after: readonly string[] | undefined;
  following: SealedTable | undefined;
} {
  const [name, id] = divided(cursor);
  const index = cursor === "" ? 0 : sealedTables.findIndex((one) => one.name === name);
  const table = sealedTables[index];
  const after = id === "" ? undefined : keyIn(id);
  if (table === undefined || (after !== undefined && after.length !== table.key.length))
    throw new SignalboxError("BODY_INVALID", "This is no place that an earlier portion named.");
  return { table, after, following: sealedTables[index + 1] };
}

function divided(cursor: string): [name: string, id: string] {
  const at = cursor.indexOf(":");
  return at < 0 ? [cursor, ""] : [cursor.slice(0, at), cursor.slice(at + 1)];
}

function idOf(key: readonly string[]): string {
  return JSON.stringify(key);
}

function keyIn(id: string): readonly string[] {
  try {
    return z.array(z.string()).parse(JSON.parse(id));
  } catch {
    return [];
  }
}

function sealedAnew(vault: Vault, table: SealedTable, value: SealedValue): string | undefined {
  const sealer = vault.for(table.purpose);
  const place = table.place(value);
  try {
    return sealer.seal(sealer.open(value.sealed, place), place);
  } catch (error) {
    if (isSignalboxError(error) && error.code === "SECRET_UNREADABLE") return undefined;
    throw error;
  }
}
