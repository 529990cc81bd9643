import { createHash, randomBytes } from "node:crypto";
import type { Rule } from "./rule.ts";

/** A key as it is kept: never the key itself, only its hash and the few characters that let its owner recognise it. */
export interface KeyRecord {
  id: string;
  name: string;
  /** A built-in role or an own one. */
  role: string;
  /** The project it is of; "*" for all. */
  project: string;
  bundles: readonly string[] | "all";
  /** Rules of its own, which narrow its role's. */
  rules?: readonly Rule[];
  /** SHA-256 of the whole key, in hex. The key has 256 random bits, so no salt or slow hash is needed. */
  hash: string;
  /** What may be shown of the key: its first twelve characters. */
  prefix: string;
  /** Epoch milliseconds, as all times of a record. */
  createdAt: number;
  expiresAt?: number;
  revokedAt?: number;
  lastUsedAt?: number;
}

/** A fresh key of 256 random bits with what is kept of it; the key itself is shown once and never stored. */
export function mintKey(): { key: string; hash: string; prefix: string } {
  const key = `${mintedPrefix}${randomBytes(32).toString("base64url")}`;
  return { key, hash: hashKey(key), prefix: prefixOf(key) };
}

/** SHA-256 of the whole key, in hex. */
export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** What may be shown of a key: twelve characters of a minted one, nothing of one a person chose, since that may be short. */
export function prefixOf(key: string): string {
  return mintedShape.test(key) ? key.slice(0, 12) : "(chosen)";
}

const mintedPrefix = "sbx_";
const mintedShape = /^sbx_[A-Za-z0-9_-]{43}$/;
