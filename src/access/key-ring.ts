// A key ring is built from the records of one snapshot and thrown away with it, so a revocation is effective
// with the next snapshot; expiry is checked on every call. Comparing hashes instead of keys makes the lookup's
// timing independent of how much of a guessed key is right. A header that was verified once is remembered as
// the raw string, so the common case costs one map lookup and no hashing.
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../foundation/index.ts";
import type { AuthOutcome } from "./auth-outcome.ts";
import { hashKey } from "./key.ts";
import type { KeyRecord } from "./key.ts";
import type { Principal } from "./principal.ts";
import { Roles } from "./roles.ts";

/** The keys of one snapshot: tells who presents a request's credentials, and remembers when each was last used. */
export class KeyRing {
  readonly #clock: Clock;
  readonly #roles: Roles;
  readonly #byHash = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  readonly #verifiedAuthorization = new Map<string, Entry>();
  readonly #verifiedKeys = new Map<string, Entry>();
  #lastUsed = new Map<string, number>();

  /** What `previous` remembers of keys that are still the same is remembered here too. */
  constructor(
    records: readonly KeyRecord[],
    clock: Clock,
    roles = new Roles(),
    previous?: KeyRing,
  ) {
    this.#clock = clock;
    this.#roles = roles;
    for (const record of records) this.#add(record);
    if (previous !== undefined) this.#rememberAs(previous);
  }

  /** Whether every credential of a request was right before, so that nothing has to be looked up or guessed at. */
  remembers(headers: IncomingHttpHeaders): boolean {
    const { authorization } = headers;
    const apiKey = headers["x-api-key"];
    const mcpKey = headers["x-mcp-key"];
    return (
      (authorization === undefined || this.#verifiedAuthorization.has(authorization)) &&
      (apiKey === undefined || this.#hasVerified(apiKey)) &&
      (mcpKey === undefined || this.#hasVerified(mcpKey))
    );
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

  /** The holder of a key on record, as if it were presented now; undefined where there is no such key. */
  byId(id: string): AuthOutcome | undefined {
    const entry = this.#byId.get(id);
    return entry === undefined ? undefined : this.#standing(entry);
  }

  /** Key ids used since the last time this was asked, each with the time of its last use (epoch ms). */
  takeLastUsed(): Map<string, number> {
    const taken = this.#lastUsed;
    this.#lastUsed = new Map();
    return taken;
  }

  #hasVerified(header: string | string[]): boolean {
    return typeof header === "string" && this.#verifiedKeys.has(header);
  }

  #rememberAs(previous: KeyRing): void {
    for (const [header, { record }] of previous.#verifiedAuthorization) {
      const entry = this.#byHash.get(record.hash);
      if (entry !== undefined) this.#verifiedAuthorization.set(header, entry);
    }
    for (const [header, { record }] of previous.#verifiedKeys) {
      const entry = this.#byHash.get(record.hash);
      if (entry !== undefined) this.#verifiedKeys.set(header, entry);
    }
  }

  #admit(entry: Entry): AuthOutcome {
    const outcome = this.#standing(entry);
    if (outcome.ok) this.#lastUsed.set(entry.record.id, this.#clock.now());
    return outcome;
  }

  #standing({ record, outcome }: Entry): AuthOutcome {
    if (record.revokedAt !== undefined) return revoked;
    if (record.expiresAt !== undefined && record.expiresAt <= this.#clock.now()) return expired;
    return outcome;
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
    const principal = principalOf(record, this.#roles);
    const entry = { record, hashBytes, outcome: Object.freeze({ ok: true as const, principal }) };
    this.#byId.set(record.id, entry);
    const present = this.#byHash.get(record.hash);
    if (present !== undefined && record.revokedAt !== undefined) return;
    this.#byHash.set(record.hash, entry);
  }
}

interface Entry {
  readonly record: KeyRecord;
  readonly hashBytes: Buffer;
  readonly outcome: AuthOutcome;
}

function principalOf(record: KeyRecord, roles: Roles): Principal {
  const { id, name, role, project, bundles, rules } = record;
  const grant = { id, name, kind: "key", role, project, bundles, keyId: id } as const;
  return roles.principal(rules === undefined ? grant : { ...grant, rules });
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
