// A key ring is built from the records of one snapshot and thrown away with it, so a revocation is effective
// with the next snapshot; expiry is checked on every call. Comparing hashes instead of keys makes the lookup's
// timing independent of how much of a guessed key is right. A header that was verified once is remembered as
// the raw string, so the common case costs one map lookup and no hashing.
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../foundation/index.ts";
import { hashKey } from "./key.ts";
import type { KeyRecord } from "./key.ts";
import type { Principal } from "./principal.ts";

export type AuthOutcome =
  | { ok: true; principal: Principal }
  | {
      ok: false;
      code: "KEY_MISSING" | "KEY_INVALID" | "KEY_EXPIRED" | "KEY_REVOKED";
      message: string;
    };

/** The keys of one snapshot: tells who presents a request's credentials, and remembers when each was last used. */
export class KeyRing {
  readonly #clock: Clock;
  readonly #byHash = new Map<string, Entry>();
  readonly #verifiedAuthorization = new Map<string, Entry>();
  readonly #verifiedKeys = new Map<string, Entry>();
  #lastUsed = new Map<string, number>();

  constructor(records: readonly KeyRecord[], clock: Clock) {
    this.#clock = clock;
    for (const record of records) this.#add(record);
  }

  /**
   * Who presents `Authorization: Bearer`, `X-API-Key` or `X-MCP-Key`. Every credential present must be right and
   * all must be the same key: a wrong one fails the request even beside a right one.
   */
  authenticate(headers: IncomingHttpHeaders): AuthOutcome {
    const authorization = headers.authorization;
    const apiKey = headers["x-api-key"];
    const mcpKey = headers["x-mcp-key"];
    let entry: Entry | undefined;
    if (authorization !== undefined) {
      entry = this.#byAuthorization(authorization);
      if (entry === undefined) return unknownKey;
    }
    if (apiKey !== undefined) {
      const found = this.#byKey(apiKey);
      if (found === undefined) return unknownKey;
      if (entry !== undefined && entry !== found) return disagreement;
      entry = found;
    }
    if (mcpKey !== undefined) {
      const found = this.#byKey(mcpKey);
      if (found === undefined) return unknownKey;
      if (entry !== undefined && entry !== found) return disagreement;
      entry = found;
    }
    return entry === undefined ? missing : this.#admit(entry);
  }

  /** The principal of a key's id; undefined where the key is unknown, expired or revoked. */
  principal(id: string): Principal | undefined {
    for (const { record, outcome } of this.#byHash.values()) {
      if (record.id !== id || !outcome.ok || record.revokedAt !== undefined) continue;
      if (record.expiresAt === undefined || record.expiresAt > this.#clock.now())
        return outcome.principal;
    }
    return undefined;
  }

  /** Key ids used since the last time this was asked, each with the time of its last use (epoch ms). */
  takeLastUsed(): Map<string, number> {
    const taken = this.#lastUsed;
    this.#lastUsed = new Map();
    return taken;
  }

  #admit(entry: Entry): AuthOutcome {
    const now = this.#clock.now();
    if (entry.record.revokedAt !== undefined) return revoked;
    if (entry.record.expiresAt !== undefined && entry.record.expiresAt <= now) return expired;
    this.#lastUsed.set(entry.record.id, now);
    return entry.outcome;
  }

  #byAuthorization(header: string): Entry | undefined {
    const known = this.#verifiedAuthorization.get(header);
    if (known !== undefined) return known;
    const key = bearerShape.exec(header)?.[1];
    const entry = this.#lookUp(key ?? header);
    if (key === undefined || entry === undefined) return undefined;
    remember(this.#verifiedAuthorization, header, entry);
    return entry;
  }

  #byKey(header: string | string[]): Entry | undefined {
    if (typeof header !== "string") return undefined;
    const known = this.#verifiedKeys.get(header);
    if (known !== undefined) return known;
    const entry = this.#lookUp(header);
    if (entry !== undefined) remember(this.#verifiedKeys, header, entry);
    return entry;
  }

  #lookUp(key: string): Entry | undefined {
    const hash = hashKey(key);
    const entry = this.#byHash.get(hash);
    const kept = entry?.hashBytes ?? absentHash;
    const same = timingSafeEqual(Buffer.from(hash, "hex"), kept);
    return same ? entry : undefined;
  }

  // The same key may be on record twice when it was revoked and seeded again: the live record stands.
  #add(record: KeyRecord): void {
    const hashBytes = Buffer.from(record.hash, "hex");
    if (hashBytes.length !== absentHash.length) return;
    const present = this.#byHash.get(record.hash);
    if (present !== undefined && record.revokedAt !== undefined) return;
    this.#byHash.set(record.hash, {
      record,
      hashBytes,
      outcome: Object.freeze({ ok: true, principal: principalOf(record) }),
    });
  }
}

interface Entry {
  readonly record: KeyRecord;
  readonly hashBytes: Buffer;
  readonly outcome: AuthOutcome;
}

function principalOf(record: KeyRecord): Principal {
  return Object.freeze({
    id: record.id,
    name: record.name,
    role: record.role,
    bundles: record.bundles,
    keyId: record.id,
  });
}

// Only verified headers enter, so a stranger cannot fill the memory; the oldest leaves when it is full.
function remember(memory: Map<string, Entry>, header: string, entry: Entry): void {
  if (memory.size >= rememberedHeadersMax) {
    const oldest = memory.keys().next();
    if (oldest.done !== true) memory.delete(oldest.value);
  }
  memory.set(header, entry);
}

const rememberedHeadersMax = 5_000;
const bearerShape = /^bearer +([^\s,]+)$/i;
const absentHash = Buffer.alloc(32);

const missing: AuthOutcome = Object.freeze({
  ok: false,
  code: "KEY_MISSING",
  message: "A key is needed: send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
});
const unknownKey: AuthOutcome = Object.freeze({
  ok: false,
  code: "KEY_INVALID",
  message: "The key sent with this request is not one of this gateway's.",
});
const disagreement: AuthOutcome = Object.freeze({
  ok: false,
  code: "KEY_INVALID",
  message: "The request carries several keys that differ; send one.",
});
const expired: AuthOutcome = Object.freeze({
  ok: false,
  code: "KEY_EXPIRED",
  message: "The key sent with this request has expired.",
});
const revoked: AuthOutcome = Object.freeze({
  ok: false,
  code: "KEY_REVOKED",
  message: "The key sent with this request was revoked.",
});
