import { everyProject, hashKey, mintKey, prefixOf } from "../access/index.ts";
import type { KeyRecord } from "../access/index.ts";
import { newId } from "../foundation/index.ts";

/** The name under which the key of `SIGNALBOX_ADMIN_KEY` is on record; nobody else may take it. */
export const seededName = "SIGNALBOX_ADMIN_KEY";

export interface SeedPlan {
  insert?: KeyRecord;
  /** Ids of keys seeded from an earlier value of the variable. */
  revoke: string[];
  /** A minted key, to be shown once. */
  created?: string;
  /** True when the given key was revoked here: it stays so, also over a restart. */
  refused?: true;
}

/**
 * What must change so that somebody can administer the gateway: a given key is put on record and replaces the one
 * seeded before; without one, a key is minted when there are none at all.
 */
export function planSeed(
  keys: readonly KeyRecord[],
  given: string | undefined,
  now: number,
): SeedPlan {
  if (given !== undefined) return planGiven(keys, given, now);
  if (keys.length > 0) return { revoke: [] };
  const minted = mintKey();
  const insert = adminRecord("first admin key", minted.hash, minted.prefix, now);
  return { insert, revoke: [], created: minted.key };
}

/** The record of a given admin key, as it is seeded. */
export function seededRecord(key: string, now: number): KeyRecord {
  return adminRecord(seededName, hashKey(key), prefixOf(key), now);
}

function planGiven(keys: readonly KeyRecord[], given: string, now: number): SeedPlan {
  const record = seededRecord(given, now);
  const known = keys.filter((key) => key.hash === record.hash);
  const live = known.some((key) => key.revokedAt === undefined);
  if (known.length > 0 && !live) return { revoke: [], refused: true };
  const older = keys.filter(
    (key) => key.name === seededName && key.hash !== record.hash && key.revokedAt === undefined,
  );
  return { ...(!live && { insert: record }), revoke: older.map((key) => key.id) };
}

function adminRecord(name: string, hash: string, prefix: string, now: number): KeyRecord {
  const everything = { role: "admin", project: everyProject, bundles: "all" } as const;
  return { id: newId("key"), name, ...everything, hash, prefix, createdAt: now };
}
