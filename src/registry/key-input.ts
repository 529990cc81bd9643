import type { KeyRecord, Rule } from "../access/index.ts";
import { SignalboxError } from "../foundation/index.ts";
import { seededName } from "./admin-key-seed.ts";

/** A key to be made. `expiresAt` is in epoch ms; without it the key lives until it is revoked. */
export interface NewKey {
  name: string;
  role: string;
  /** "*" for every project; default "default". */
  project?: string;
  bundles?: readonly string[] | "all";
  /** Rules that narrow what its role permits. */
  rules?: readonly Rule[];
  expiresAt?: number;
}

/** A key as it may be shown: all of its record but the hash. */
export type KeyView = Omit<KeyRecord, "hash">;

/** The record without what must not leave the gateway. */
export function viewOfKey(record: KeyRecord): KeyView {
  const view: Partial<KeyRecord> & KeyView = { ...record };
  delete view.hash;
  return view;
}

/** Refuses a key that could not do what was meant: NAME_INVALID, BUNDLE_NOT_FOUND, or BODY_INVALID for a past expiry. */
export function requireKey(key: NewKey, bundles: ReadonlySet<string>, now: number): void {
  if (key.name.trim() === "" || key.name.length > 100 || key.name === seededName) {
    throw new SignalboxError(
      "NAME_INVALID",
      `A key's name has 1 to 100 characters and is not "${seededName}".`,
    );
  }
  // It stands in logs and on terminals, where these would make it look like another.
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(key.name)) {
    throw new SignalboxError("NAME_INVALID", "A key's name has no invisible characters.");
  }
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new SignalboxError("BODY_INVALID", "The key would have expired already.", {
      details: { path: "expiresAt" },
    });
  }
  if (key.bundles === undefined || key.bundles === "all") return;
  const unknown = key.bundles.find((name) => !bundles.has(name));
  if (unknown !== undefined) {
    throw new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${unknown.slice(0, 64)}".`, {
      details: { bundle: unknown.slice(0, 64), bundles: [...bundles].slice(0, 100) },
    });
  }
}
