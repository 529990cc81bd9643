import { SignalboxError } from "../foundation/index.ts";
import { secretNameShape } from "../gateway/index.ts";

/** A secret as it is kept: sealed. Times are epoch milliseconds. */
export interface SecretRecord {
  id: string;
  project: string;
  /** The principal whose own it is; absent for the project's, which its servers may refer to. */
  owner?: string;
  name: string;
  sealed: string;
  /** The id of the key it is sealed with. */
  keyId: string;
  createdAt: number;
  /** Ids of principals. */
  createdBy: string;
  updatedAt: number;
  updatedBy: string;
  lastUsedAt?: number;
}

/** What a secret is called. */
export interface SecretName {
  readonly name: string;
  readonly project: string;
  readonly owner?: string | undefined;
}

/** A secret as it may be shown: everything but its value. */
export interface SecretView extends Omit<SecretRecord, "sealed"> {
  /** Whether the key in use sealed it; false is left to be sealed anew. */
  current: boolean;
  /** The servers that refer to it. */
  usedBy: readonly string[];
}

/** Where a sealed value belongs: it opens nowhere else. */
export function placeOf({ id, project, owner = "", name }: SecretName & { id: string }): string {
  return JSON.stringify(["secret", id, project, owner, name]);
}

/** Refuses what cannot be a secret's name or value. Throws NAME_INVALID, BODY_INVALID. */
export function requireSecret({ name }: SecretName, value: string): void {
  if (!secretNameShape.test(name)) {
    throw new SignalboxError(
      "NAME_INVALID",
      "A secret's name has 1 to 64 letters, digits, and . _ - after the first.",
      { details: { name: name.slice(0, 64) } },
    );
  }
  const bytes = Buffer.byteLength(value);
  if (bytes > 0 && bytes <= VALUE_BYTES_MAX) return;
  const why = bytes === 0 ? "must not be empty" : `must have at most ${VALUE_BYTES_MAX} bytes`;
  throw new SignalboxError("BODY_INVALID", `A secret's value ${why}.`);
}

const VALUE_BYTES_MAX = 65_536;
