// The tokens that calls to one server carry. What is at hand is given without waiting; everything else is done once,
// however many ask: read from the store, renewed ahead of its end, renewed because the server refused it. Several gateways
// on one database agree by a lease on the row, since a refresh token may work only once.
//
//   unknown ──read──▶ none ──a person consents──▶ good ──near its end, or refused──▶ renewing ──▶ good
//                       ▲                           └──────refused, cannot be renewed──────▶ spent ──consent──▶ good
//                       └─────────────────────────────removed, or the authorization server says no────┘
import { setTimeout as pause } from "node:timers/promises";
import {
  GATEWAY_ACTOR,
  SignalboxError,
  isSignalboxError,
  messageOf,
} from "../../foundation/index.ts";
import type { AuditSink, Clock, ErrorCode, Log } from "../../foundation/index.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";
import type { TextSealer } from "../sealer.ts";
import { bearerChallenge, type BearerChallenge } from "./challenge.ts";
import { GATEWAY_SUBJECT, type ConnectionRow, type ConnectionStore } from "./connection-store.ts";
import { discover, type Discovery } from "./discovery.ts";
import { byOwnCredentials, refresh, type Tokens } from "./grants.ts";
import { areFor, openTokens, sealTokens, type KeptTokens } from "./kept-tokens.ts";
import { oauthErrorOf, oauthFailure } from "./library-fetch.ts";
import { givenClient } from "./registration.ts";
import { wantedScopes } from "./scopes.ts";
import { isShared, type ProtectedServer } from "./settings.ts";
import type { Wish } from "./tickets.ts";

export interface ServerTokensDeps {
  readonly store: ConnectionStore;
  readonly http: Pick<OutboundFetch, "fetch">;
  readonly sealer: TextSealer;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit?: AuditSink;
}

/** A server's no to a request. */
export interface Refused {
  readonly subject: string | undefined;
  /** What the request carried; "" where nothing. */
  readonly used: string;
  readonly status: number;
  /** Its `WWW-Authenticate`. */
  readonly challenge: string | undefined;
}

/** How long it is believed that there is no connection, before the store is asked again. */
const NONE_MS = 2000;
/** Another gateway may have ended a connection: the store is asked so often, in the background. */
const RECHECK_MS = 30_000;
/** A token is not sent in its last seconds. */
const SPENT_BEFORE_MS = 5000;
const RENEW_BEFORE_MS = 60_000;
/** Longer than any request may last, so that no second one begins beside it. */
const LEASE_MS = 30_000;
const LEASE_POLL_MS = 100;
/** A token that is refused sooner after it was renewed was not refused for its age. */
const FRESH_MS = 10_000;
const DISCOVERY_MS = 10 * 60_000;
const ENTRIES_MAX = 10_000;
/** A renewal that goes on failing alike is told to the audit trail so often. */
const FAILURE_EVERY_MS = 60_000;
const CONSENT_POLL_MS = 500;

interface Entry {
  readonly subject: string;
  /** The value of `Authorization`; "" where requests go without. */
  header: string;
  tokens: KeptTokens | undefined;
  version: number;
  /** Epoch milliseconds, as the others. */
  usableUntil: number;
  /** When something should be done about it in the background: renewed, or only looked up again. */
  dueAt: number;
  renewAt: number;
  renewedAt: number;
  renewing: Promise<void> | undefined;
}

/** One server's tokens. */
export class ServerTokens {
  readonly server: ProtectedServer;
  readonly shared: boolean;
  readonly #deps: ServerTokensDeps;
  readonly #log: Log;
  /** What the server last asked for where a request came without a token it takes. */
  #asked: Wish | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<Entry>>();
  #discovery: { readonly found: Promise<Discovery>; readonly until: number } | undefined;
  /** When which failure of a subject's renewal was last told to the audit trail. */
  readonly #toldAt = new Map<string, number>();
  /** Whose connection the gateway's own requests go over where each principal has one. */
  #listSubject: { readonly subject: string; readonly until: number } | undefined;

  constructor(server: ProtectedServer, deps: ServerTokensDeps) {
    this.server = server;
    this.shared = isShared(server.oauth);
    this.#deps = deps;
    this.#log = deps.log.child({ serverId: server.name });
  }

  /** The `Authorization` for a principal, or for the gateway itself; "" where requests go without, undefined where `get` has to look. */
  now(subject: string | undefined): string | undefined {
    const own = this.#subjectNow(subject);
    const entry = own === undefined ? undefined : this.#entries.get(own);
    if (entry === undefined) return undefined;
    const now = this.#deps.clock.now();
    if (now >= entry.usableUntil) return undefined;
    if (now >= entry.dueAt) this.#tend(entry, now);
    return entry.header;
  }

  /** As `now`, after whatever that takes. Rejects with SignalboxError where a token can be had but was not. */
  async get(subject: string | undefined): Promise<string> {
    const own = await this.#subjectOf(subject);
    if (own === "") return "";
    const entry = await this.#loaded(own);
    if (this.#deps.clock.now() < entry.usableUntil) return entry.header;
    await this.#renewed(entry);
    return entry.header;
  }

  /** Another `Authorization` after the server refused one. Rejects with why there is none: CONSENT_NEEDED, or what failed. */
  async refused({ subject, used, status, challenge }: Refused): Promise<string> {
    const own = await this.#subjectOf(subject);
    const entry = own === "" ? undefined : await this.#loaded(own);
    if (entry !== undefined && entry.header !== "" && entry.header !== used) return entry.header;
    const asked = bearerChallenge(challenge) ?? NO_CHALLENGE;
    if (status === 403) return this.#stepUp(entry, asked);
    this.#discovery = undefined;
    if (entry !== undefined && this.#mayRenew(entry)) {
      await this.#renewed(entry);
      if (entry.header !== "" && entry.header !== used) return entry.header;
    }
    if (entry !== undefined) this.#spend(entry);
    if (this.#byItself)
      throw this.#unauthorized("refuses the token of the gateway's own credentials");
    this.#asked = this.#wishOf(asked);
    throw this.#consentNeeded(asked);
  }

  /** What a consent has to be for, as far as the server has said. */
  get wish(): Wish {
    return this.#asked ?? { server: this.server.name, scopes: [] };
  }

  /** What is known of the server's authorization server, asked for where it is not. */
  discovery(resourceMetadata?: string, signal?: AbortSignal): Promise<Discovery> {
    const now = this.#deps.clock.now();
    if (
      resourceMetadata === undefined &&
      this.#discovery !== undefined &&
      now < this.#discovery.until
    )
      return this.#discovery.found;
    const found = discover(this.server, resourceMetadata, this.#deps.http, signal);
    const kept = { found, until: now + DISCOVERY_MS };
    this.#discovery = kept;
    found.catch(() => {
      if (this.#discovery === kept) this.#discovery = undefined;
    });
    return found;
  }

  /** The connection of a subject changed in the store. */
  forget(subject: string): void {
    this.#entries.delete(subject);
    this.#listSubject = undefined;
  }

  /** Whether the server refused what there is, so that only a new consent helps. */
  isSpent(subject: string): boolean {
    const entry = this.#entries.get(subject);
    return entry?.tokens !== undefined && entry.header === "";
  }

  /** Waits until a person has made a connection, or made it anew, here or at another gateway; false when nobody has. */
  async madeWithin(
    subject: string | undefined,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const own = await this.#subjectOf(subject);
    const before = this.#entries.get(own)?.version ?? 0;
    const until = this.#deps.clock.monotonicMs() + withinMs;
    while (!signal.aborted && this.#deps.clock.monotonicMs() < until) {
      const row = await this.#deps.store.get(this.server.name, own);
      if (row !== undefined && row.version !== before) {
        this.forget(own);
        return true;
      }
      await pause(CONSENT_POLL_MS);
    }
    return false;
  }

  get #byItself(): boolean {
    return this.server.oauth.grant === "client_credentials";
  }

  // --- who

  #subjectNow(subject: string | undefined): string | undefined {
    if (this.shared) return GATEWAY_SUBJECT;
    if (subject !== undefined) return subject;
    const known = this.#listSubject;
    return known !== undefined && this.#deps.clock.now() < known.until ? known.subject : undefined;
  }

  // The gateway's own requests (lists, health checks) go over the newest connection, "" where there is none.
  async #subjectOf(subject: string | undefined): Promise<string> {
    const known = this.#subjectNow(subject);
    if (known !== undefined) return known;
    const newest = (await this.#deps.store.newestSubject(this.server.name)) ?? "";
    const until = this.#deps.clock.now() + (newest === "" ? NONE_MS : RECHECK_MS);
    this.#listSubject = { subject: newest, until };
    if (newest === "") this.#keep(emptyEntry("", until));
    return newest;
  }

  // --- reading

  #loaded(subject: string): Promise<Entry> {
    const known = this.#entries.get(subject);
    if (known !== undefined && (this.#byItself || !this.#isNoneAnyMore(known)))
      return Promise.resolve(known);
    const loading = this.#loading.get(subject) ?? this.#load(subject);
    this.#loading.set(subject, loading);
    return loading;
  }

  #isNoneAnyMore({ tokens, usableUntil }: Entry): boolean {
    return tokens === undefined && this.#deps.clock.now() >= usableUntil;
  }

  async #load(subject: string): Promise<Entry> {
    try {
      const entry = emptyEntry(subject, this.#deps.clock.now() + (this.#byItself ? 0 : NONE_MS));
      const row = await this.#row(subject);
      if (row !== undefined) this.#take(entry, row);
      return this.#keep(entry);
    } finally {
      this.#loading.delete(subject);
    }
  }

  // A program's own credentials need no store.
  async #row(subject: string): Promise<ConnectionRow | undefined> {
    try {
      return await this.#deps.store.get(this.server.name, subject);
    } catch (error) {
      if (!this.#byItself) throw error;
      this.#log.debug({ error: messageOf(error) }, "No stored token can be read");
      return undefined;
    }
  }

  #take(entry: Entry, row: ConnectionRow): void {
    const tokens = openTokens(row, this.#deps.sealer);
    if (tokens === undefined || !areFor(tokens, this.server)) return;
    this.#adopt(entry, tokens, row.version);
  }

  #adopt(entry: Entry, tokens: KeptTokens, version: number): void {
    const now = this.#deps.clock.now();
    const { expiresAt = Number.POSITIVE_INFINITY } = tokens;
    const early = Math.min(RENEW_BEFORE_MS, (expiresAt - now) / 5);
    entry.tokens = tokens;
    entry.version = version;
    entry.header = `Bearer ${tokens.accessToken}`;
    entry.usableUntil = expiresAt - Math.min(SPENT_BEFORE_MS, early / 2);
    entry.renewAt = renewable(tokens, this.server) ? expiresAt - early : Infinity;
    entry.dueAt = Math.min(now + RECHECK_MS, entry.renewAt);
  }

  #keep(entry: Entry): Entry {
    if (this.#entries.size >= ENTRIES_MAX) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(entry.subject, entry);
    return entry;
  }

  // --- tending

  #tend(entry: Entry, now: number): void {
    entry.dueAt = now + RECHECK_MS;
    const nearEnd = now >= entry.renewAt && this.#mayRenew(entry);
    const work = nearEnd ? this.#renewed(entry) : this.#recheck(entry);
    work.catch((error: unknown) => {
      this.#log.warn({ error: messageOf(error) }, "A token could not be renewed ahead of its end");
    });
  }

  async #recheck(entry: Entry): Promise<void> {
    const row = await this.#deps.store.get(this.server.name, entry.subject);
    if (row === undefined) this.forget(entry.subject);
    else if (row.version !== entry.version) this.#take(entry, row);
  }

  // The server said no, and nothing but a new consent helps: what is stored stays, in case the server was wrong.
  #spend(entry: Entry): void {
    entry.header = "";
    entry.usableUntil = this.#deps.clock.now() + (this.#byItself ? FRESH_MS : NONE_MS);
    entry.dueAt = Infinity;
  }

  // --- renewing

  #mayRenew({ tokens, renewedAt }: Entry): boolean {
    if (this.#deps.clock.now() - renewedAt < FRESH_MS) return false;
    return this.#byItself || tokens?.refreshToken !== undefined;
  }

  #renewed(entry: Entry): Promise<void> {
    entry.renewing ??= this.#renew(entry).finally(() => {
      entry.renewing = undefined;
    });
    return entry.renewing;
  }

  async #renew(entry: Entry): Promise<void> {
    const { tokens } = entry;
    if (!this.#byItself && (tokens === undefined || entry.header === "")) {
      await this.#lookAgain(entry);
    } else if (tokens !== undefined && !renewable(tokens, this.server)) {
      this.#spend(entry);
    } else if (tokens !== undefined && !(await this.#leased(entry))) {
      await this.#awaitOther(entry);
    } else await this.#renewHere(entry);
  }

  // There was none, or it was spent: a person may have consented since.
  async #lookAgain(entry: Entry): Promise<void> {
    const row = await this.#row(entry.subject);
    if (row === undefined) this.#none(entry);
    else if (row.version === entry.version) this.#spend(entry);
    else this.#take(entry, row);
  }

  async #leased({ subject, version }: Entry): Promise<boolean> {
    try {
      return await this.#deps.store.lease(this.server.name, subject, version, LEASE_MS);
    } catch (error) {
      if (this.#byItself) return true;
      throw error;
    }
  }

  // Another gateway renews it, or has done so.
  async #awaitOther(entry: Entry): Promise<void> {
    const { clock, store } = this.#deps;
    const until = clock.monotonicMs() + LEASE_MS;
    while (clock.monotonicMs() < until) {
      const row = await store.get(this.server.name, entry.subject);
      if (row === undefined) {
        this.#none(entry);
        return;
      }
      if (row.version !== entry.version) {
        this.#take(entry, row);
        entry.renewedAt = clock.now();
        return;
      }
      await pause(LEASE_POLL_MS);
    }
    throw this.#failed("another gateway that renews them does not finish");
  }

  async #renewHere(entry: Entry): Promise<void> {
    let tokens: KeptTokens;
    try {
      tokens = await this.#fetchTokens(entry.tokens);
    } catch (error) {
      await this.#renewalFailed(entry, error);
      return;
    }
    entry.renewedAt = this.#deps.clock.now();
    await this.#store(entry, tokens);
    this.#log.debug({ subject: entry.subject }, "Renewed a token");
  }

  async #store(entry: Entry, tokens: KeptTokens): Promise<void> {
    const { store, sealer } = this.#deps;
    const row = sealTokens(this.server, entry.subject, tokens, sealer);
    const { version } = entry;
    this.#adopt(entry, tokens, version);
    try {
      const stored = version === 0 ? await store.put(row) : await store.renew(row, version);
      if (stored !== undefined) entry.version = stored;
      // Meanwhile it was ended, or a person has consented anew.
      else await this.#lookAgain(entry);
    } catch (error) {
      // It is used from memory; after a restart a person may have to consent again.
      this.#log.error({ error: messageOf(error) }, "A renewed token could not be stored");
    }
  }

  async #fetchTokens(
    old: KeptTokens | undefined,
    more: readonly string[] = [],
  ): Promise<KeptTokens> {
    const { metadata, resource, scopesSupported } = await this.discovery();
    const way = { http: this.#deps.http, now: this.#deps.clock.now() };
    if (this.#byItself) {
      const client = givenClient(this.server);
      if (client === undefined) throw this.#failed("the options have no client_id");
      const requested = wantedScopes({
        challenged: more,
        configured: this.server.oauth.scopes,
        supported: scopesSupported,
        before: old?.requested ?? [],
        ofAuthorizationServer: undefined,
      });
      const tokens = await byOwnCredentials({ metadata, client, resource }, requested, way);
      return this.#kept(tokens, { issuer: metadata.issuer, resource, client, requested });
    }
    if (old?.refreshToken === undefined) throw this.#failed("there is nothing to renew them with");
    // Its tokens are of another authorization server than the server has now: they are not shown to that one.
    if (old.issuer !== metadata.issuer) throw new Moved();
    const { client, requested, resource: same, issuer } = old;
    const tokens = await refresh({ metadata, client, resource: same }, old.refreshToken, way);
    return this.#kept(tokens, { issuer, resource: same, client, requested });
  }

  #kept(
    tokens: Tokens,
    rest: Pick<KeptTokens, "issuer" | "resource" | "client" | "requested">,
  ): KeptTokens {
    return { ...tokens, ...rest, serverUrl: this.server.url };
  }

  // What the authorization server refuses is over; anything else may pass.
  async #renewalFailed(entry: Entry, error: unknown): Promise<void> {
    const { store } = this.#deps;
    const over = error instanceof Moved || OVER.has(oauthErrorOf(error) ?? "");
    if (over && !this.#byItself) {
      await store.remove(this.server.name, entry.subject, entry.version);
      this.#none(entry);
      this.#log.info({ subject: entry.subject }, "A connection is over and needs a new consent");
      this.#tell(entry, "CONSENT_NEEDED");
      return;
    }
    await store.release(this.server.name, entry.subject).catch(() => undefined);
    const failure = isSignalboxError(error)
      ? error
      : oauthFailure(this.server.name, "they could not be renewed", error);
    this.#tell(entry, failure.code);
    throw failure;
  }

  // Done by the gateway, once for all the calls that wait for it, or ahead of any: there is no request it came of.
  #tell({ subject }: Entry, code: ErrorCode): void {
    const { clock, audit } = this.#deps;
    const last = this.#toldAt.get(`${subject} ${code}`) ?? -Infinity;
    const now = clock.monotonicMs();
    if (now - last < FAILURE_EVERY_MS) return;
    if (this.#toldAt.size >= ENTRIES_MAX) this.#toldAt.clear();
    this.#toldAt.set(`${subject} ${code}`, now);
    audit?.({
      action: "connection.renew",
      actor: GATEWAY_ACTOR,
      target: `server:${this.server.name}`,
      outcome: "failed",
      code,
      details: { principal: subject },
    });
  }

  #none(entry: Entry): void {
    entry.tokens = undefined;
    entry.header = "";
    entry.usableUntil = this.#deps.clock.now() + NONE_MS;
    entry.dueAt = Infinity;
  }

  // --- more scopes

  async #stepUp(entry: Entry | undefined, asked: BearerChallenge): Promise<string> {
    const tokens = entry?.tokens;
    const had = new Set(tokens?.requested);
    // It was asked for before, and is refused all the same: asking again would never end.
    if (asked.scopes.every((scope) => had.has(scope)))
      throw this.#unauthorized("refuses a token for which all it asks for was requested");
    if (!this.#byItself || entry === undefined) throw this.#consentNeeded(asked);
    await this.#store(entry, await this.#fetchTokens(tokens, asked.scopes));
    return entry.header;
  }

  // --- failures

  #wishOf({ scopes, resourceMetadata }: BearerChallenge): Wish {
    const { name: server } = this.server;
    return { server, scopes, ...(resourceMetadata !== undefined && { resourceMetadata }) };
  }

  #consentNeeded(asked: BearerChallenge): SignalboxError {
    const { name } = this.server;
    const wish = this.#wishOf(asked);
    const sentence = this.shared
      ? `Server "${name}" has to be connected by an operator: \`signalbox servers login ${name}\`.`
      : `Server "${name}" needs your consent before it can be used: \`signalbox servers login ${name}\`.`;
    return new SignalboxError("CONSENT_NEEDED", sentence, {
      details: { server: name, shared: this.shared, wish, delivered: "no" },
    });
  }

  #unauthorized(sentence: string): SignalboxError {
    const { name } = this.server;
    return new SignalboxError("SERVER_UNAUTHORIZED", `Server "${name}" ${sentence}.`, {
      details: { server: name, delivered: "no" },
    });
  }

  #failed(why: string): SignalboxError {
    const { name } = this.server;
    return new SignalboxError("OAUTH_FAILED", `No tokens for server "${name}": ${why}.`, {
      details: { server: name, delivered: "no" },
    });
  }
}

/** The server has another authorization server than when the connection was made. */
class Moved extends Error {}

/** Errors of a token endpoint after which the same request never succeeds. */
const OVER: ReadonlySet<string> = new Set([
  "invalid_grant",
  "invalid_client",
  "unauthorized_client",
  "unsupported_grant_type",
]);

const NO_CHALLENGE: BearerChallenge = { scopes: [] };

function renewable(tokens: KeptTokens, { oauth }: ProtectedServer): boolean {
  return tokens.refreshToken !== undefined || oauth.grant === "client_credentials";
}

function emptyEntry(subject: string, usableUntil: number): Entry {
  return {
    subject,
    header: "",
    tokens: undefined,
    version: 0,
    usableUntil,
    dueAt: Infinity,
    renewAt: Infinity,
    renewedAt: -Infinity,
    renewing: undefined,
  };
}
