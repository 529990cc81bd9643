// Who is connected to which server, and how a person connects: a link to a page of the gateway's own, from there to the
// authorization server, and back with a code. The page stands in between so that nobody is sent on unseen: it says who
// asked and for which server, and only a browser that was shown it can go on (its cookie is bound to what it starts).
import { isDeepStrictEqual } from "node:util";
import { GATEWAY_ACTOR, SignalboxError, messageOf, randomToken } from "../../foundation/index.ts";
import type { AuditActor, AuditOrigin, AuditSink, Clock, Log } from "../../foundation/index.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";
import type { Principal } from "../principal.ts";
import { allowsOverApi } from "../principal.ts";
import type { TextSealer } from "../sealer.ts";
import type { OAuthClient } from "./client-authentication.ts";
import { GATEWAY_SUBJECT, type ConnectionRow, type ConnectionStore } from "./connection-store.ts";
import type { AuthorizationServerMetadata } from "./discovery.ts";
import {
  askForConsent,
  checkedAnswer,
  redeemCode,
  revoke,
  type Party,
  type Tokens,
} from "./grants.ts";
import { areFor, openTokens, sealTokens, type KeptTokens } from "./kept-tokens.ts";
import { oauthErrorOf, oauthFailure } from "./library-fetch.ts";
import { clientFor, clientMetadata, type ClientIdentity } from "./registration.ts";
import { wantedScopes } from "./scopes.ts";
import { sealedClients, sealedFlows, sealedTokens } from "./sealed-places.ts";
import { ServerTokens } from "./server-tokens.ts";
import { isShared, type ProtectedServer } from "./settings.ts";
import {
  TICKET_MS,
  Tickets,
  hashOf,
  isBrowserOf,
  type ActionTicket,
  type Wish,
} from "./tickets.ts";

export interface ConnectionsDeps {
  /** Rejects with STORE_UNAVAILABLE while the database is away. */
  readonly store: ConnectionStore;
  readonly http: Pick<OutboundFetch, "fetch">;
  /** A sealer for a purpose; asked when the first connection is wanted. */
  readonly sealerFor: (purpose: string) => TextSealer;
  readonly clock: Clock;
  readonly log: Log;
  /** Where browsers reach the gateway, such as `https://gateway.example.com`. */
  readonly publicUrl: () => string;
  readonly clientName: string;
  /** A client ID metadata document kept elsewhere than here. */
  readonly clientMetadataUrl?: string;
  /** The servers that want tokens, as they are configured now. */
  readonly servers: () => readonly ProtectedServer[];
  /** A principal that may still do something; undefined for one that is unknown, expired or revoked. */
  readonly principal: (id: string) => Principal | undefined;
  readonly sees: (principal: Principal, server: string) => boolean;
  /** A server got a connection, or lost one. */
  readonly changed: (server: string) => void;
  readonly audit?: AuditSink;
}

/** One server as a person sees it who may connect to it. */
export interface ConnectionView {
  readonly server: string;
  readonly mode: "gateway" | "principal";
  /** `needed`: a person has to consent; `automatic`: by the gateway's own credentials. */
  readonly state: "connected" | "needed" | "refused" | "automatic";
  readonly issuer?: string;
  readonly scopes?: readonly string[];
  /** Epoch milliseconds, as `expiresAt`. */
  readonly connectedAt?: number;
  readonly expiresAt?: number;
  /** Whether this principal may connect it. */
  readonly mayConnect: boolean;
}

export interface PageView {
  readonly principal: string;
  readonly servers: readonly (ConnectionView & {
    /** Leads to the authorization server. */
    readonly start: string;
    /** Where a form ends the connection; absent where there is none. */
    readonly end?: string;
    readonly wanted: boolean;
  })[];
}

/** What came of something that a person began on the page: `denied` is the person's own no, or the authorization server's. */
export const connectOutcomes = ["connected", "denied", "ended"] as const;

export interface ConnectResult {
  readonly server: string;
  readonly outcome: (typeof connectOutcomes)[number];
  /** A link to the page. */
  readonly page: string;
}

export interface ConnectLink {
  readonly url: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const CONNECT_PATH = "/connect";

/** All connections of this gateway. */
export class Connections {
  readonly #deps: ConnectionsDeps;
  readonly #sealers = new Map<string, TextSealer>();
  readonly #tokens = new Map<string, ServerTokens[]>();
  /** Revoked principals whose connections were ended. */
  readonly #ended = new Set<string>();
  #waiting = 0;

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
  }

  /** The tokens for a server as it is defined; the same object for the same definition. */
  tokensFor(server: ProtectedServer): ServerTokens {
    const known = this.#tokens.get(server.name) ?? [];
    const same = known.find((one) => isDeepStrictEqual(one.server, server));
    if (same !== undefined) return same;
    const made = new ServerTokens(server, { ...this.#deps, sealer: this.#tokenSealer });
    this.#tokens.set(server.name, [...known.slice(1 - DEFINITIONS_MAX), made]);
    return made;
  }

  /** What a principal may connect to, and whether it is. */
  async list(principal: Principal): Promise<ConnectionView[]> {
    const servers = this.#deps.servers().filter(({ name }) => this.#deps.sees(principal, name));
    if (servers.length === 0) return [];
    const [own, shared] = await Promise.all([
      this.#deps.store.list(principal.id),
      this.#deps.store.list(GATEWAY_SUBJECT),
    ]);
    return servers.map((server) => {
      const rows = isShared(server.oauth) ? shared : own;
      return this.#view(
        server,
        principal,
        rows.find((row) => row.server === server.name),
      );
    });
  }

  /** A link to the page on which a principal connects to a server. Throws SERVER_NOT_FOUND, FORBIDDEN, CONFLICT. */
  begin(principal: Principal, wish: Wish): ConnectLink {
    this.#connectable(principal, wish.server);
    const now = this.#deps.clock.now();
    return this.#pageLink(principal, wish, now);
  }

  /** The link for a caller whose call failed for want of consent; undefined where it is not the caller's to give. */
  linkFor(principal: Principal, wish: Wish): ConnectLink | undefined {
    const server = this.#server(wish.server);
    if (server === undefined || !mayConnect(server, principal)) return undefined;
    return this.#pageLink(principal, wish, this.#deps.clock.now());
  }

  /** Waits until a principal is connected to a server after all; false when it is not, or too many wait. */
  async connectedWithin(
    principal: Principal,
    name: string,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const server = this.#server(name);
    if (server === undefined || this.#waiting >= WAITING_MAX) return false;
    this.#waiting++;
    try {
      return await this.tokensFor(server).madeWithin(principal.id, withinMs, signal);
    } finally {
      this.#waiting--;
    }
  }

  /** The page behind a link; `cookie` is the browser's, made where it has none. Throws CONNECT_LINK_INVALID. */
  async page(
    ticket: string,
    cookie: string | undefined,
  ): Promise<{ view: PageView; cookie: string }> {
    const now = this.#deps.clock.now();
    const opened = this.#tickets.openPage(ticket, now);
    const principal = opened && this.#deps.principal(opened.principalId);
    if (opened === undefined || principal === undefined) throw invalidLink();
    const own = cookie !== undefined && cookieShape.test(cookie) ? cookie : randomToken(32);
    const browserHash = hashOf(own);
    const views = await this.list(principal);
    const servers = views
      .filter((view) => view.mayConnect && view.state !== "automatic")
      .map((view) => {
        const wanted = view.server === opened.wish?.server;
        const wish = this.#wishAt(view.server, wanted ? opened.wish : undefined);
        const action = this.#tickets.action({ principalId: principal.id, wish, browserHash }, now);
        return {
          ...view,
          wanted,
          start: `${CONNECT_PATH}/start?ticket=${action}`,
          ...(view.state !== "needed" && { end: `${CONNECT_PATH}/end?ticket=${action}` }),
        };
      })
      .toSorted((one, other) => Number(other.wanted) - Number(one.wanted));
    return { view: { principal: principal.name, servers }, cookie: own };
  }

  /** Where the browser goes to consent. Throws CONNECT_LINK_INVALID, OAUTH_FAILED and what fetching throws. */
  async start(
    ticket: string,
    cookie: string | undefined,
    origin: AuditOrigin = {},
  ): Promise<string> {
    const now = this.#deps.clock.now();
    const { principal, wish, browserHash, nonce } = this.#action(ticket, cookie, now);
    const server = this.#connectable(principal, wish.server);
    const tokens = this.tokensFor(server);
    const { metadata, resource, scopesSupported } = await tokens.discovery(wish.resourceMetadata);
    const subject = subjectOf(server, principal);
    const requested = wantedScopes({
      challenged: wish.scopes,
      configured: server.oauth.scopes,
      supported: scopesSupported,
      before: await this.#requestedBefore(server, subject, metadata.issuer),
      ofAuthorizationServer: metadata.scopes_supported,
    });
    const identity = this.#identity();
    const { store, http } = this.#deps;
    const sealer = this.#clientSealer;
    const client = await clientFor(server, metadata, { store, http, sealer, identity, now });
    const party: Party = { metadata, client, resource };
    const asked = await askForConsent(party, identity.redirectUri, requested);
    const flow: Flow = {
      principalId: principal.id,
      server: server.name,
      serverUrl: server.url,
      browserHash,
      codeVerifier: asked.codeVerifier,
      redirectUri: identity.redirectUri,
      metadata,
      client,
      resource,
      requested,
    };
    const stateHash = hashOf(asked.state);
    const sealed = this.#flowSealer.seal(JSON.stringify(flow), sealedFlows.place(stateHash));
    const until = now + TICKET_MS;
    if (!(await store.putFlow({ stateHash, nonce, sealed, expiresAt: until }))) throw invalidLink();
    this.#tell("connection.start", { principal, origin }, server.name);
    return asked.url;
  }

  /**
   * The browser is back from the authorization server: the connection is made, or it is said why not.
   * Throws CONNECT_LINK_INVALID, OAUTH_FAILED.
   */
  async finish(
    answer: URLSearchParams,
    cookie: string | undefined,
    origin: AuditOrigin = {},
  ): Promise<ConnectResult> {
    const now = this.#deps.clock.now();
    const state = answer.get("state") ?? "";
    const stateHash = hashOf(state);
    const row = stateShape.test(state) ? await this.#deps.store.takeFlow(stateHash) : undefined;
    const text =
      row && row.expiresAt > now
        ? this.#flowSealer.open(row.sealed, sealedFlows.place(stateHash))
        : undefined;
    if (text === undefined) throw invalidLink();
    const flow: Flow = JSON.parse(text);
    const principal = this.#deps.principal(flow.principalId);
    if (principal === undefined || !isBrowserOf(cookie, flow.browserHash)) throw invalidLink();
    const server = this.#connectable(principal, flow.server);
    if (server.url !== flow.serverUrl) throw invalidLink();
    try {
      await this.#redeem(server, subjectOf(server, principal), flow, answer, state);
    } catch (error) {
      const failure = await this.#finishFailed(flow, error);
      this.#tell("connection.complete", { principal, origin }, server.name, failure.code);
      // RFC 6749, section 4.1.2.1: nothing is broken, somebody said no.
      if (oauthErrorOf(error) !== "access_denied") throw failure;
      const { requested: scopes } = flow;
      return this.#result(principal, { server: server.name, scopes }, "denied", now);
    }
    this.#tell("connection.complete", { principal, origin }, server.name);
    return this.#result(principal, { server: server.name, scopes: [] }, "connected", now);
  }

  /** A person ends a connection on the page. Throws CONNECT_LINK_INVALID, and as `remove`. */
  async end(
    ticket: string,
    cookie: string | undefined,
    origin: AuditOrigin = {},
  ): Promise<ConnectResult> {
    const now = this.#deps.clock.now();
    const { principal, wish } = this.#action(ticket, cookie, now);
    await this.remove(principal, wish.server, origin);
    return this.#result(principal, { server: wish.server, scopes: [] }, "ended", now);
  }

  /** Ends a principal's connection, here and at the authorization server. False where there was none. Throws SERVER_NOT_FOUND, FORBIDDEN. */
  async remove(principal: Principal, name: string, origin: AuditOrigin = {}): Promise<boolean> {
    const server = this.#connectable(principal, name);
    const row = await this.#deps.store.remove(name, subjectOf(server, principal));
    if (row === undefined) return false;
    this.#tell("connection.remove", { principal, origin }, name);
    await this.#end([row]);
    return true;
  }

  /** Ends the connections of principals that were revoked; each is looked for once. */
  async endAllOf(principalIds: readonly string[]): Promise<void> {
    const fresh = principalIds.filter((id) => !this.#ended.has(id));
    if (fresh.length === 0) return;
    for (const id of fresh) this.#ended.add(id);
    for (const tokens of [...this.#tokens.values()].flat())
      for (const id of fresh) tokens.forget(id);
    try {
      const rows = await this.#deps.store.removeOfSubjects(fresh);
      for (const { server, subject } of rows)
        this.#deps.audit?.({
          action: "connection.remove",
          actor: GATEWAY_ACTOR,
          target: `server:${server}`,
          outcome: "ok",
          details: { principal: subject, reason: "revoked" },
        });
      await this.#end(rows);
    } catch (error) {
      for (const id of fresh) this.#ended.delete(id);
      throw error;
    }
  }

  /** The gateway's client ID metadata document. */
  clientDocument(): object {
    const identity = this.#identity();
    return {
      client_id: `${this.#deps.publicUrl()}${CONNECT_PATH}/client.json`,
      client_uri: this.#deps.publicUrl(),
      ...clientMetadata(identity),
      token_endpoint_auth_method: "none",
    };
  }

  /** How `finish` and the cookie are addressed: by https, or on this machine. */
  get secure(): boolean {
    return this.#deps.publicUrl().startsWith("https:");
  }

  // ---

  get #tickets(): Tickets {
    return new Tickets(this.#sealer("oauth-tickets"));
  }

  get #tokenSealer(): TextSealer {
    return this.#sealer(sealedTokens.purpose);
  }

  get #flowSealer(): TextSealer {
    return this.#sealer(sealedFlows.purpose);
  }

  get #clientSealer(): TextSealer {
    return this.#sealer(sealedClients.purpose);
  }

  #sealer(purpose: string): TextSealer {
    const sealer = this.#sealers.get(purpose) ?? this.#deps.sealerFor(purpose);
    this.#sealers.set(purpose, sealer);
    return sealer;
  }

  #identity(): ClientIdentity {
    const { clientMetadataUrl, clientName } = this.#deps;
    const publicUrl = this.#deps.publicUrl();
    const own = this.secure ? `${publicUrl}${CONNECT_PATH}/client.json` : undefined;
    const metadataUrl = clientMetadataUrl ?? own;
    return {
      name: clientName,
      redirectUri: `${publicUrl}${CONNECT_PATH}/callback`,
      ...(metadataUrl !== undefined && { metadataUrl }),
    };
  }

  // What stands on the page works only in the browser that was shown it.
  #action(
    ticket: string,
    cookie: string | undefined,
    now: number,
  ): ActionTicket & { readonly principal: Principal } {
    const opened = this.#tickets.openAction(ticket, now);
    const principal = opened && this.#deps.principal(opened.principalId);
    if (opened === undefined || principal === undefined || !isBrowserOf(cookie, opened.browserHash))
      throw invalidLink();
    return { ...opened, principal };
  }

  #result(
    principal: Principal,
    wish: Wish,
    outcome: ConnectResult["outcome"],
    now: number,
  ): ConnectResult {
    const { url } = this.#pageLink(principal, wish, now);
    return { server: wish.server, outcome, page: url };
  }

  #pageLink({ id }: Principal, wish: Wish, now: number): ConnectLink {
    const ticket = this.#tickets.page({ principalId: id, wish }, now);
    return {
      url: `${this.#deps.publicUrl()}${CONNECT_PATH}?ticket=${ticket}`,
      expiresAt: now + TICKET_MS,
    };
  }

  // Who asks for a connection by hand does not know what the server wants; the server may have said so.
  #wishAt(name: string, wish: Wish | undefined): Wish {
    const server = this.#server(name);
    if (server === undefined || (wish !== undefined && wish.scopes.length > 0))
      return wish ?? { server: name, scopes: [] };
    return this.tokensFor(server).wish;
  }

  #server(name: string): ProtectedServer | undefined {
    return this.#deps.servers().find((server) => server.name === name);
  }

  #connectable(principal: Principal, name: string): ProtectedServer {
    const server = this.#server(name);
    if (server === undefined || !this.#deps.sees(principal, name)) {
      throw new SignalboxError(
        "SERVER_NOT_FOUND",
        `There is no server "${name.slice(0, 64)}" that is connected to by consent.`,
      );
    }
    if (server.oauth.grant === "client_credentials") {
      throw new SignalboxError(
        "CONFLICT",
        `Server "${name}" is connected by the gateway's own credentials; nobody has to consent.`,
      );
    }
    if (mayConnect(server, principal)) return server;
    throw new SignalboxError(
      "FORBIDDEN",
      `All callers share the connection to "${name}": only an operator may make or end it.`,
    );
  }

  #view(
    server: ProtectedServer,
    principal: Principal,
    row: ConnectionRow | undefined,
  ): ConnectionView {
    const shared = isShared(server.oauth);
    const kept = row && openTokens(row, this.#tokenSealer);
    const usable = kept !== undefined && areFor(kept, server);
    const base = {
      server: server.name,
      mode: shared ? ("gateway" as const) : ("principal" as const),
      mayConnect: mayConnect(server, principal),
    };
    if (server.oauth.grant === "client_credentials") return { ...base, state: "automatic" };
    if (row === undefined || !usable) return { ...base, state: "needed" };
    const spent = this.tokensFor(server).isSpent(row.subject);
    const over =
      kept.refreshToken === undefined && (kept.expiresAt ?? Infinity) <= this.#deps.clock.now();
    return {
      ...base,
      state: spent || over ? "refused" : "connected",
      issuer: row.issuer,
      scopes: row.scopes,
      connectedAt: row.createdAt,
      ...(row.expiresAt !== undefined && { expiresAt: row.expiresAt }),
    };
  }

  async #requestedBefore(
    server: ProtectedServer,
    subject: string,
    issuer: string,
  ): Promise<readonly string[]> {
    const row = await this.#deps.store.get(server.name, subject);
    const kept = row && openTokens(row, this.#tokenSealer);
    return kept !== undefined && kept.issuer === issuer && areFor(kept, server)
      ? kept.requested
      : [];
  }

  async #redeem(
    server: ProtectedServer,
    subject: string,
    flow: Flow,
    answer: URLSearchParams,
    state: string,
  ): Promise<void> {
    const { store, http, clock, changed } = this.#deps;
    const checked = checkedAnswer(flow, answer, state);
    const tokens = await redeemCode(flow, checked, flow, { http, now: clock.now() });
    // The tokens before are not revoked: many authorization servers would end the whole grant with them, these included.
    await store.put(sealTokens(server, subject, keptOf(tokens, flow), this.#tokenSealer));
    for (const one of this.#tokens.get(server.name) ?? []) one.forget(subject);
    changed(server.name);
  }

  // A client that the authorization server no longer knows is registered anew the next time.
  async #finishFailed(flow: Flow, error: unknown): Promise<SignalboxError> {
    if (oauthErrorOf(error) === "invalid_client")
      await this.#deps.store.removeClient(flow.metadata.issuer, flow.redirectUri);
    return oauthFailure(
      flow.server,
      "the answer of the authorization server is not accepted",
      error,
    );
  }

  async #end(rows: readonly ConnectionRow[]): Promise<void> {
    for (const row of rows) {
      for (const one of this.#tokens.get(row.server) ?? []) one.forget(row.subject);
      this.#deps.changed(row.server);
    }
    await Promise.all(rows.map((row) => this.#revoke(row)));
  }

  // What cannot be revoked is gone here all the same, and ends by itself.
  async #revoke(row: ConnectionRow): Promise<void> {
    const kept = openTokens(row, this.#tokenSealer);
    if (kept === undefined) return;
    const server = this.#server(row.server);
    if (server === undefined || server.url !== kept.serverUrl) return;
    try {
      const { metadata } = await this.tokensFor(server).discovery();
      if (metadata.issuer !== kept.issuer) return;
      const { http, clock } = this.#deps;
      const { client, resource } = kept;
      await revoke({ metadata, client, resource }, kept, { http, now: clock.now() });
    } catch (error) {
      const problem = messageOf(oauthFailure(row.server, "a token could not be revoked", error));
      this.#deps.log.warn({ serverId: row.server, problem }, "A token could not be revoked");
    }
  }

  /** With a code, that it failed. */
  #tell(action: string, by: Asker, server: string, code?: string): void {
    const { id, name } = by.principal;
    const actor: AuditActor = { id, name, kind: "person" };
    this.#deps.audit?.({
      action,
      actor,
      target: `server:${server}`,
      ...(code === undefined ? { outcome: "ok" } : { outcome: "failed", code }),
      ...by.origin,
    });
  }
}

interface Asker {
  readonly principal: Principal;
  readonly origin: AuditOrigin;
}

/** What is remembered between the way to the authorization server and the way back. */
interface Flow {
  readonly principalId: string;
  readonly server: string;
  readonly serverUrl: string;
  readonly browserHash: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
  readonly metadata: AuthorizationServerMetadata;
  readonly client: OAuthClient;
  readonly resource: string;
  readonly requested: readonly string[];
}

/** Definitions of one name that are remembered: the one that is served, one that is tested, those that run out. */
const DEFINITIONS_MAX = 4;
/** Calls at once that wait for their callers to consent. */
const WAITING_MAX = 200;

function keptOf(tokens: Tokens, flow: Flow): KeptTokens {
  const { metadata, resource, client, requested, serverUrl } = flow;
  return { ...tokens, issuer: metadata.issuer, resource, client, requested, serverUrl };
}

function subjectOf(server: ProtectedServer, principal: Principal): string {
  return isShared(server.oauth) ? GATEWAY_SUBJECT : principal.id;
}

// Who makes the connection that all share decides whose account everybody uses.
function mayConnect({ oauth }: ProtectedServer, principal: Principal): boolean {
  return !isShared(oauth) || allowsOverApi(principal, "operate");
}

function invalidLink(): SignalboxError {
  return new SignalboxError(
    "CONNECT_LINK_INVALID",
    "This link has expired, was used before, or belongs to another browser.",
  );
}

const cookieShape = /^[A-Za-z0-9_-]{43}$/;
const stateShape = /^[A-Za-z0-9_-]{43}$/;
