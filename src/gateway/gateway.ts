/** The data plane: one snapshot, the sessions and streams of its clients, and the doors through which they come. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import {
  API_PLACE,
  Denials,
  allows,
  anonymous,
  apiScopeOf,
  checkHost,
  type AuthOutcome,
  type CallerLimits,
  type Grant,
  type HostPolicy,
  type KeyRecord,
  type Principal,
  type ProtectedServer,
  type Scope,
} from "../access/index.ts";
import {
  HeldBytes,
  SignalboxError,
  isSignalboxError,
  messageOf,
  randomToken,
  type AuditSink,
  type Clock,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import {
  JsonBoundsError,
  RPC,
  isJsonObject,
  parseJson,
  readIngress,
  stringify,
  type JsonBounds,
} from "../protocol/index.ts";
import {
  Processes,
  ReconnectRate,
  UpstreamServer,
  factsOf,
  serverCacheOptions,
  type Credentials,
  type GuardOptions,
  type LinkChange,
  type ServerDefinition,
  type ServerFacts,
} from "../upstream/index.ts";
import { readBody } from "./body.ts";
import { CallMeters } from "./call-meters.ts";
import { explain, type Explanation, type Question } from "./explain.ts";
import { readCatalog, type CatalogView } from "./catalog-view.ts";
import type { ConsentPort } from "./consent.ts";
import type { Identity } from "./greeting.ts";
import { sendError } from "./http-errors.ts";
import { LegacyDoor, refuse } from "./legacy-door.ts";
import { Listens } from "./listens.ts";
import { ModernDoor, type Arrival, type Post } from "./modern-door.ts";
import { bundleName, type Limits } from "./options.ts";
import { CLIENT_GONE, OpenPost, OpenPosts } from "./open-posts.ts";
import type { PinGuard } from "./pins.ts";
import type { Reply } from "./reply.ts";
import { Requests } from "./requests.ts";
import { ServerCatalog, type CatalogStatus } from "./server-catalog.ts";
import type { CacheOptions } from "./cache/cache-options.ts";
import { policyFor } from "./cache/cache-policy.ts";
import type { ResultCache } from "./cache/result-cache.ts";
import { GuardMeters } from "./guard-meters.ts";
import { ServerMeters } from "./server-meters.ts";
import { Sessions } from "./sessions.ts";
import { SingleStreamDoor } from "./single-stream-door.ts";
import { buildSnapshot, newServers, type GatewayConfiguration, type Snapshot } from "./snapshot.ts";
import {
  Authenticate,
  refusalError,
  type AuthenticateOptions,
  type Presented,
} from "./stages/authenticate.ts";
import { authorize } from "./stages/authorize.ts";
import { Limit } from "./stages/limit.ts";
import { neededScope } from "./stages/needed-scope.ts";
import { Record, type CallRecord } from "./stages/record.ts";
import { testServer, type TestReport } from "./test-server.ts";
import { Traffic } from "./traffic.ts";
import { WarmUp } from "./warm-up.ts";
import type { Bound, View, ViewDeps } from "./view.ts";

export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits: Limits;
  /** What guards the calls to every server; the defaults where it is left out. */
  readonly guards?: GuardOptions;
  /** Answers that are kept; nothing is where it is left out. */
  readonly cache?: { readonly results: ResultCache; readonly options: CacheOptions };
  /** Compares what servers list with what was approved; everything is served where it is left out. */
  readonly pins?: PinGuard;
  readonly hostPolicy: HostPolicy;
  /** How often callers may do what; as often as they like where it is left out. */
  readonly callerLimits?: CallerLimits;
  /** Takes a finished call; must neither wait nor throw. */
  readonly record: (call: CallRecord) => void;
  /** Hears of every change of state of a server's link; must neither wait nor throw. */
  readonly linkChanged?: (server: string, change: LinkChange) => void;
  /** Connections to servers by OAuth; such servers are not to be had where it is left out. */
  readonly oauth?: ConsentPort & { tokensFor(server: ProtectedServer): Credentials };
  /** Hears which keys there are, whenever that changes. */
  readonly keysChanged?: (keys: readonly KeyRecord[]) => void;
  /** Whether calls' arguments are put into their records. */
  readonly recordArguments: boolean;
  readonly auth: AuthenticateOptions;
  /** Hears what was refused because of who asked. */
  readonly audit?: AuditSink;
  readonly version: string;
  /** The gateway's own folder, which local processes in a runner do not see. */
  readonly home?: string;
}

/** For servers of whose cache nothing is configured. */
const PLAIN_CACHE = serverCacheOptions.parse({});
/** Servers that are made before other work gets its turn. */
const SERVERS_AT_ONCE = 25;
/** Housekeeping: idle sessions, streams that need a sign of life. */
const SWEEP_MS = 1_000;
const MCP_PATH = "/mcp";

export class Gateway {
  readonly #deps: GatewayDeps;
  readonly #identity: Identity;
  readonly #bounds: JsonBounds;
  readonly #meters: CallMeters;
  readonly #traffic: Traffic;
  readonly #serverMeters: ServerMeters;
  readonly #guardMeters: GuardMeters;
  readonly #authenticate: Authenticate;
  readonly #denials: Denials;
  readonly #sessions: Sessions;
  readonly #listens: Listens;
  readonly #modern: ModernDoor;
  readonly #legacy: LegacyDoor;
  readonly #single: SingleStreamDoor;
  readonly #open = new OpenPosts();
  readonly #warmUp = new WarmUp();
  readonly #reconnects: ReconnectRate;
  readonly #held: HeldBytes;
  readonly #processes: Processes;
  readonly #sweeper: NodeJS.Timeout;
  /** Servers that are no longer configured and finish their calls. */
  readonly #retiring = new Set<ServerCatalog>();
  /** When the next key or token expires, epoch milliseconds: what it has open then ends. */
  #nextExpiry = Infinity;
  #lastKeepAlive = 0;
  #watchSoon: Promise<void> | undefined;
  #snapshot: Snapshot;
  #epoch = 0;
  #requestCount = 0;
  #draining = false;
  /** The last change, which the next one waits for. */
  #applying: Promise<void> = Promise.resolve();
  readonly #requestPrefix: string;

  constructor(deps: GatewayDeps) {
    const { clock, limits, log, metrics } = deps;
    this.#deps = deps;
    this.#identity = { name: "signalbox", version: deps.version };
    this.#bounds = { depthMax: limits.json_depth_max, elementsMax: limits.json_elements_max };
    this.#requestPrefix = `r${clock.now().toString(36)}${randomToken(3)}-`;
    this.#meters = new CallMeters(metrics);
    this.#held = new HeldBytes(limits.held_bytes_max);
    this.#reconnects = new ReconnectRate(clock);
    this.#processes = new Processes(clock, { totalMax: limits.processes_total_max });
    this.#traffic = new Traffic(metrics);
    this.#authenticate = new Authenticate(metrics, deps.auth);
    this.#denials = new Denials(metrics, deps.audit);
    this.#sessions = new Sessions({
      clock,
      limits,
      ended: (session) => {
        for (const server of session.servers()) server.release(session.id);
        if (session.watchesAny) void this.#watchChanged();
      },
    });
    this.#listens = new Listens({
      sessions: () => this.#sessions.all(),
      max: limits.listens_max,
      watchChanged: () => this.#watchChanged(),
    });
    const record = new Record({
      clock,
      log,
      meters: this.#meters,
      write: deps.record,
      withArguments: deps.recordArguments,
    });
    const limit = new Limit({ limits: deps.callerLimits, metrics, log, audit: deps.audit });
    const requests = new Requests({
      limits,
      clock,
      log,
      limit,
      record,
      traffic: this.#traffic,
      denials: this.#denials,
      cache: deps.cache?.results,
      consent: deps.oauth,
    });
    const identity = this.#identity;
    this.#modern = new ModernDoor({ requests, listens: this.#listens, identity });
    this.#legacy = new LegacyDoor({
      requests,
      limit,
      sessions: this.#sessions,
      identity,
      limits,
      held: this.#held,
      clock,
      log,
      traffic: this.#traffic,
      watchChanged: () => this.#watchChanged(),
    });
    this.#single = new SingleStreamDoor({
      legacy: this.#legacy,
      limit,
      sessions: this.#sessions,
      traffic: this.#traffic,
    });
    const servers = (): UpstreamServer[] =>
      [...this.#snapshot.catalogs.values()].map((catalog) => catalog.server);
    const disabled = (): string[] =>
      this.#snapshot.configuration.servers
        .filter(({ options }) => options.enabled === false)
        .map(({ name }) => name);
    this.#serverMeters = new ServerMeters(metrics, clock, servers, disabled);
    this.#guardMeters = new GuardMeters(metrics, servers);
    this.#snapshot = this.#build(
      { version: 0, servers: [], bundles: [], keys: [] },
      new Map(),
    ).snapshot;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
    const held = metrics
      .gauge("mcp_held_bytes", "Bytes of answers that are held whole, of limits.held_bytes_max.")
      .slot();
    metrics.collect(() => held.set(this.#held.taken));
    const sessions = metrics.gauge("mcp_sessions", "Legacy sessions that are open.").slot();
    metrics.collect(() => sessions.set(this.#sessions.count));
  }

  /**
   * Serves a new configuration: builds it whole, switches, then lets what is gone finish its calls and closes it. Throws
   * SignalboxError and goes on with the old one where the new one cannot be served.
   */
  apply(configuration: GatewayConfiguration): Promise<void> {
    const applied = this.#applying.then(() => this.#apply(configuration));
    this.#applying = applied.catch(() => undefined);
    return applied;
  }

  // Hundreds of servers are made a few at a time, so that calls go on in between.
  async #apply(configuration: GatewayConfiguration): Promise<void> {
    const made = new Map<ServerDefinition, ServerCatalog>();
    const wanted = newServers(configuration, this.#snapshot);
    for (const [index, definition] of wanted.entries()) {
      if (index % SERVERS_AT_ONCE === 0 && index > 0) await setImmediate();
      made.set(definition, this.#createCatalog(definition));
    }
    try {
      this.#swap(configuration, made);
    } catch (error) {
      for (const { server } of made.values()) void server.close();
      throw error;
    }
  }

  #swap(
    configuration: GatewayConfiguration,
    made: ReadonlyMap<ServerDefinition, ServerCatalog>,
  ): void {
    const { snapshot, created, dropped, moved } = this.#build(configuration, made);
    const { bundles, roles } = this.#snapshot.configuration;
    const offersChanged =
      !isDeepStrictEqual(bundles, configuration.bundles) ||
      !isDeepStrictEqual(roles, configuration.roles);
    this.#snapshot = snapshot;
    this.#epoch++;
    this.#deps.log.debug(
      {
        version: configuration.version,
        servers: snapshot.catalogs.size,
        bundles: snapshot.bundles.size,
        keys: configuration.keys.length,
        created: created.length,
        dropped: dropped.length,
      },
      "Applied a configuration",
    );
    for (const { catalog, to } of moved) {
      catalog.server.setEndpoints(to);
      this.#deps.cache?.results.invalidateServer(to.name);
    }
    this.#deps.keysChanged?.(configuration.keys);
    for (const { server } of dropped) this.#deps.pins?.gone(server.name);
    this.#warmUp.remove(dropped);
    this.#warmUp.add(created);
    this.#rebindClients();
    if (created.length + dropped.length > 0 || offersChanged) this.#listens.everythingChanged();
    for (const catalog of dropped) {
      const { name } = catalog.server;
      this.#deps.cache?.results.invalidateServer(name);
      if (!snapshot.catalogs.has(name)) this.#meters.forget(name);
      catalog.stop();
      this.#retire(catalog).catch((error: unknown) => {
        this.#deps.log.warn(
          { serverId: catalog.server.name, error: messageOf(error) },
          `Server "${catalog.server.name}" did not close cleanly`,
        );
      });
    }
  }

  /** Takes a request where its path is the data plane's; false leaves it to the caller. */
  handle(req: IncomingMessage, res: ServerResponse): boolean {
    const url = req.url ?? "";
    const query = url.indexOf("?");
    const path = query < 0 ? url : url.slice(0, query);
    const bundle = bundleOfPath(path);
    if (bundle === undefined && path !== "/sse" && path !== "/messages") return false;
    const requestId = this.#requestId();
    const open = new OpenPost(this.#deps.clock.monotonicMs());
    res.on("close", () => this.#closed(open, req, res, path));
    try {
      this.#enter({ req, res, requestId, open }, path, bundle);
    } catch (error) {
      this.#broken(res, requestId, error);
    }
    return true;
  }

  /** Whether a request may come in at all: its Host and Origin (DNS rebinding). Answers it where not. */
  admits(req: IncomingMessage, res: ServerResponse): boolean {
    const outcome = checkHost(req.headers, this.#deps.hostPolicy);
    if (outcome.ok) return true;
    sendError(res, new SignalboxError(outcome.code, outcome.message), this.#requestId());
    return false;
  }

  /** Who calls the HTTP API; a promise only where a token has to be looked at. */
  authenticate(request: Presented, requestId?: string): AuthOutcome | Promise<AuthOutcome> {
    return this.#authenticated(request, API_PLACE, requestId);
  }

  // With what the roles of the moment permit: a token may have been looked at under others.
  #authenticated(
    request: Presented,
    place: string,
    requestId?: string,
  ): AuthOutcome | Promise<AuthOutcome> {
    const outcome = this.#authenticate.run(this.#snapshot.keys, request, place, requestId);
    return outcome instanceof Promise ? outcome.then(this.#current) : this.#current(outcome);
  }

  readonly #current = (outcome: AuthOutcome): AuthOutcome => {
    const { roles } = this.#snapshot;
    if (!outcome.ok || outcome.principal.permissions.issuer === roles) return outcome;
    return { ok: true, principal: roles.current(outcome.principal) };
  };

  /** The refusal where a principal's token does not reach a scope of the HTTP API. */
  lacksScope(principal: Principal, scope: Scope): SignalboxError | undefined {
    return this.#authenticate.lacks(principal, apiScopeOf(scope), API_PLACE);
  }

  /** The holder of a key on record, or why it could not be used; undefined where there is no such key. */
  keyHolder(keyId: string): AuthOutcome | undefined {
    return this.#snapshot.keys.byId(keyId);
  }

  /** Whether a principal may do something, and why. */
  explain(principal: Principal, question: Question): Promise<Explanation> {
    const { bundle } = question;
    const view = bundle === undefined ? this.#snapshot.whole : this.#snapshot.bundles.get(bundle);
    return explain(principal, question, view);
  }

  /** The holder of a grant, with what the roles of the moment permit. */
  holder(grant: Grant): Principal {
    return this.#snapshot.roles.principal(grant);
  }

  /** The principal of that id; undefined where its key is unknown, expired or revoked. */
  principal(id: string): Principal | undefined {
    if (id === anonymous.id) return this.#deps.auth.required ? undefined : anonymous;
    const holder = this.#snapshot.keys.byId(id);
    return holder?.ok === true ? holder.principal : undefined;
  }

  /** The servers that take tokens, as they are served. */
  protectedServers(): ProtectedServer[] {
    const servers = [...this.#snapshot.catalogs.values()];
    return servers.flatMap(({ server }) => protectedServer(server.definition) ?? []);
  }

  /** Somebody connected to a server by OAuth, or disconnected. */
  credentialsChanged(server: string): void {
    this.#snapshot.catalogs.get(server)?.server.credentialsChanged();
  }

  /** When keys were last used since the last time this was asked: key id to epoch milliseconds. */
  takeLastUsed(): Map<string, number> {
    return this.#snapshot.keys.takeLastUsed();
  }

  serverStatus(): CatalogStatus[] {
    return [...this.#snapshot.catalogs.values()].map((catalog) => catalog.status());
  }

  /** Everything that is known of one server's endpoints and guards; undefined where there is none of that name. */
  serverFacts(name: string): ServerFacts | undefined {
    const catalog = this.#snapshot.catalogs.get(name);
    return catalog === undefined ? undefined : factsOf(catalog.server);
  }

  /** Takes an endpoint out of service, or back; what runs there may finish. Throws ENDPOINT_NOT_FOUND. */
  drainEndpoint(server: string, endpoint: string, drained: boolean): void {
    const link = this.#snapshot.catalogs.get(server)?.server.endpoint(endpoint);
    if (drained) link?.drain();
    else link?.resume();
  }

  /** Opens or closes a breaker by hand: the server's own, or that of one of its tools. */
  setBreaker(server: string, state: "open" | "closed", tool?: string): void {
    this.#snapshot.catalogs.get(server)?.server.setBreaker(state, tool);
  }

  /** Compares what servers list with what is approved now: of one server, or of all. `fresh` where it never was. */
  reconsiderPins(server?: string, fresh = false): void {
    const { catalogs } = this.#snapshot;
    if (server !== undefined) catalogs.get(server)?.reconsider(fresh);
    else for (const catalog of catalogs.values()) catalog.reconsider(fresh);
  }

  /** One server's state; undefined where there is none of that name. */
  statusOf(name: string): CatalogStatus | undefined {
    return this.#snapshot.catalogs.get(name)?.status();
  }

  /** Whether a principal can use anything of a server in that way, wherever it may go. */
  mayUse(principal: Principal, server: string, action: "read" | "write"): boolean {
    const owned = this.#snapshot.whole.owned(server);
    if (owned === undefined || !allows(principal, "call")) return false;
    return this.sees(principal, server) && principal.permissions.reaches(owned, action);
  }

  /** Whether a principal can reach anything of a server. */
  sees(principal: Principal, server: string): boolean {
    const bundles = principal.bundles === "all" ? [undefined] : principal.bundles;
    return bundles.some((name) => this.#view(principal, name)?.has(server) === true);
  }

  /** The last lines a local process wrote to its standard error; undefined where there is no such server. */
  stderr(name: string): string[] | undefined {
    return this.#snapshot.catalogs.get(name)?.server.stderr();
  }

  /** Connects to a server as it is defined, asks what it offers, and lets it go again. */
  testServer(definition: ServerDefinition, signal: AbortSignal): Promise<TestReport> {
    return testServer(this.#upstream(definition), this.#deps, this.#identity, signal);
  }

  /** What a principal sees at an endpoint; undefined where it may not or there is none. */
  async catalog(principal: Principal, bundle?: string): Promise<CatalogView | undefined> {
    const view = this.#view(principal, bundle);
    if (view === undefined || authorize(principal, bundle) !== undefined) return undefined;
    return readCatalog(view);
  }

  /** Takes nothing new, and waits until the calls in flight have ended or `signal` fires. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    this.#listens.close();
    while (this.#inflight() > 0 && !signal.aborted) await pause(DRAIN_POLL_MS);
    // The last answers are written once everything that has arrived is dealt with.
    await setImmediate();
  }

  /** Ends every session, stream and server. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#listens.close();
    this.#single.close();
    this.#sessions.close();
    const catalogs = [...this.#snapshot.catalogs.values(), ...this.#retiring];
    for (const catalog of catalogs) catalog.stop();
    await Promise.allSettled(catalogs.map((catalog) => catalog.server.close()));
  }

  // Nearly always who calls is known at once. Where a token has to be looked at first, the body stays unread meanwhile.
  #enter(arrival: Arrival, path: string, bundle: string | undefined): void {
    const { req, requestId } = arrival;
    const auth = this.#authenticated(req, placeOf(path), requestId);
    if (auth instanceof Promise) void this.#enterLater(arrival, path, bundle, auth);
    else this.#enterAs(auth, arrival, path, bundle);
  }

  async #enterLater(
    arrival: Arrival,
    path: string,
    bundle: string | undefined,
    later: Promise<AuthOutcome>,
  ): Promise<void> {
    try {
      const auth = await later;
      if (!arrival.open.gone) this.#enterAs(auth, arrival, path, bundle);
    } catch (error) {
      arrival.req.resume();
      this.#broken(arrival.res, arrival.requestId, error);
    }
  }

  #enterAs(auth: AuthOutcome, arrival: Arrival, path: string, bundle: string | undefined): void {
    const admitted = this.#admitted(auth, arrival, path, bundle === "" ? undefined : bundle);
    if (admitted instanceof SignalboxError) {
      arrival.req.resume();
      this.#refuse(arrival, admitted);
      return;
    }
    // Written out, member by member: this runs for every request.
    const { req, res, requestId, open } = arrival;
    const { principal, view } = admitted;
    this.#route({ req, res, requestId, open, principal, view, startedAt: open.startedAt }, path);
  }

  // Who may not use a bundle is not told whether there is one of that name.
  #admitted(
    auth: AuthOutcome,
    { req, requestId }: Arrival,
    path: string,
    bundle: string | undefined,
  ): { principal: Principal; view: View } | SignalboxError {
    if (!auth.ok) return refusalError(auth);
    const { principal } = auth;
    const refusal =
      authorize(principal, bundle) ??
      this.#authenticate.lacks(principal, "mcp:read", placeOf(path));
    if (refusal !== undefined) {
      const address = req.socket.remoteAddress;
      const target = bundle === undefined ? "endpoint:/mcp" : `bundle:${bundle}`;
      const { code } = refusal;
      this.#denials.add({ principal, scope: "call", target, code, requestId, address });
      return refusal;
    }
    const view = this.#view(principal, bundle);
    if (view === undefined) {
      return new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${bundle}".`);
    }
    // What a POST says is not known yet: it may be the answer that a call in flight waits for.
    if (this.#draining && req.method !== "POST") return stopping();
    if (principal.expiresAt !== undefined) {
      this.#nextExpiry = Math.min(this.#nextExpiry, principal.expiresAt);
    }
    return { principal, view };
  }

  #refuse(arrival: Arrival, error: SignalboxError): void {
    this.#traffic.refused(error.code);
    sendError(arrival.res, error, arrival.requestId);
  }

  #route(post: Post, path: string): void {
    const { req, res } = post;
    const { method } = req;
    if (path === "/sse" && method === "GET") this.#single.open(post);
    else if (path === "/messages" && method === "POST") this.#readPost(post, path);
    else if (path === "/sse" || path === "/messages") this.#notAllowed(post, path);
    else if (method === "POST") this.#readPost(post, path);
    else if (isModern(req)) this.#notAllowed(post, path);
    else if (method === "GET") this.#legacy.stream(post);
    else if (method === "DELETE") this.#legacy.end(post);
    else {
      req.resume();
      this.#notAllowed(post, path);
    }
    if (res.writableEnded) req.resume();
  }

  #notAllowed(post: Post, path: string): void {
    const allow = path === "/sse" ? "GET" : path === "/messages" ? "POST" : "POST, GET, DELETE";
    post.res.setHeader("allow", allow);
    const error = new SignalboxError("METHOD_NOT_ALLOWED", `Use ${allow} here.`);
    this.#refuse(post, error);
  }

  #readPost(post: Post, path: string): void {
    readBody(
      post.req,
      this.#deps.limits.body_bytes_max,
      (body) => {
        try {
          this.#take(post, path, body);
        } catch (error) {
          this.#broken(post.res, post.requestId, error);
        }
      },
      (error) => this.#refuseBody(post, error),
    );
  }

  // Nothing of the message is looked at, so it is refused in the protocol's words but without its id.
  #refuseBody(post: Post, { code, message, status }: SignalboxError): void {
    this.#traffic.refused(code);
    refuse(post.res, status, RPC.invalidRequest, message, { code, requestId: post.requestId });
  }

  #take(post: Post, path: string, body: Buffer): void {
    const text = body.toString("utf8");
    let value: unknown;
    try {
      value = parseJson(text, this.#bounds);
    } catch (error) {
      const bounds = error instanceof JsonBoundsError;
      const code = bounds ? RPC.invalidRequest : RPC.parseError;
      this.#traffic.refused("BODY_INVALID");
      refuse(post.res, 400, code, bounds ? `Invalid request: ${error.message}.` : "Parse error");
      return;
    }
    if (this.#draining && !endsSomething(value)) {
      this.#refuseBody(post, stopping());
      return;
    }
    if (post.principal.scopes !== undefined) {
      const needed = neededScope(value, post.view);
      const refusal = this.#authenticate.lacks(post.principal, needed, placeOf(path));
      if (refusal !== undefined) {
        this.#refuse(post, refusal);
        return;
      }
    }
    if (path === "/messages") {
      const id = new URLSearchParams(post.req.url?.split("?")[1]).get("sessionId");
      this.#single.post(post, id, value);
      return;
    }
    const ingress = readIngress(value, post.req.headers, this.#deps.limits.batch_max);
    switch (ingress.kind) {
      case "modern-request":
        this.#await(post, this.#modern.handle(post, ingress.message, body.length));
        break;
      case "modern-notification":
        post.res.writeHead(202, { "content-length": 0 }).end();
        break;
      case "legacy":
        this.#await(post, this.#legacy.post(post, ingress.messages, ingress.batch, body.length));
        break;
      case "refused": {
        this.#traffic.refused("BODY_INVALID");
        const refused = stringify(ingress.body);
        post.res.writeHead(ingress.status, {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(refused),
        });
        post.res.end(refused);
        break;
      }
    }
  }

  // Answers that are slow to come become event streams with signs of life.
  #await(post: Post, reply: Reply | undefined): void {
    const { open } = post;
    if (reply === undefined || reply.ended) return;
    open.reply = reply;
    open.dueAt = open.startedAt + this.#deps.limits.events_after;
    this.#open.add(open);
  }

  #closed(open: OpenPost, req: IncomingMessage, res: ServerResponse, path: string): void {
    if (open.place >= 0) this.#open.remove(open);
    if (!res.writableFinished) {
      open.gone = true;
      open.call?.cancel(CLIENT_GONE);
    }
    const ms = this.#deps.clock.monotonicMs() - open.startedAt;
    const route = path.startsWith("/mcp/") ? "/mcp/{bundle}" : path;
    this.#traffic.served(req.method ?? "", route, res.statusCode, ms);
  }

  #sweep(): void {
    const now = this.#deps.clock.monotonicMs();
    this.#sessions.sweep();
    this.#single.sweep(now);
    if (this.#deps.clock.now() >= this.#nextExpiry) this.#rebindClients();
    const keepAlive = this.#deps.limits.keep_alive;
    this.#open.keepAlive(now, keepAlive - SWEEP_MS);
    if (now - this.#lastKeepAlive < keepAlive - SWEEP_MS) return;
    this.#lastKeepAlive = now;
    this.#listens.keepAlive();
    this.#single.keepAlive();
    for (const session of this.#sessions.all()) session.keepAlive();
  }

  // A bundle of another project is none. What a principal sees of an endpoint is looked up, not decided anew.
  #view({ permissions }: Principal, bundle: string | undefined): View | undefined {
    const { whole, bundles, narrowed } = this.#snapshot;
    const view = bundle === undefined ? whole : bundles.get(bundle);
    if (view === undefined || !permissions.inProject(view.project)) return undefined;
    return narrowed.of(view, permissions);
  }

  #build(
    configuration: GatewayConfiguration,
    made: ReadonlyMap<ServerDefinition, ServerCatalog>,
  ): ReturnType<typeof buildSnapshot> {
    return buildSnapshot(configuration, this.#snapshot, {
      clock: this.#deps.clock,
      view: {
        log: this.#deps.log,
        meters: this.#meters,
        cachePolicy: this.#cachePolicy,
        pageSize: this.#deps.limits.list_page,
        serverInfo: { ...this.#identity },
        epoch: () => this.#epoch,
      },
      create: (definition) => made.get(definition) ?? this.#createCatalog(definition),
    });
  }

  readonly #cachePolicy: NonNullable<ViewDeps["cachePolicy"]> = (
    { name: server, definition },
    method,
    name,
    annotations,
  ) => {
    const { cache } = this.#deps;
    if (cache === undefined) return undefined;
    const own = definition.options.cache ?? PLAIN_CACHE;
    return policyFor({ method, server, name, annotations }, cache.options, own);
  };

  #createCatalog(definition: ServerDefinition): ServerCatalog {
    const server = this.#upstream(definition);
    const catalog = new ServerCatalog(server, {
      clock: this.#deps.clock,
      log: this.#deps.log,
      limits: this.#deps.limits,
      envelope: { clientInfo: { ...this.#identity }, capabilities: {} },
      pins: this.#deps.pins,
      changed: (kind, news) => {
        this.#epoch++;
        if (news) this.#listens.listChanged(server.name, kind === "templates" ? "resources" : kind);
      },
    });
    this.#serverMeters.watch(server);
    this.#guardMeters.watch(server);
    server.events.on("listChanged", ({ kind }) => {
      catalog.invalidate(kind);
      this.#deps.cache?.results.invalidateServer(server.name);
      this.#listens.listChanged(server.name, kind);
    });
    server.events.on("linkChanged", (change) => this.#deps.linkChanged?.(server.name, change));
    server.events.on("resourceUpdated", ({ uri }) => {
      this.#deps.cache?.results.invalidateUri(server.name, uri);
      this.#listens.resourceUpdated(server, uri);
    });
    return catalog;
  }

  #upstream(definition: ServerDefinition): UpstreamServer {
    const { clock, log, metrics, limits, oauth } = this.#deps;
    const taking = oauth === undefined ? undefined : protectedServer(definition);
    return new UpstreamServer(definition, {
      ...(taking && oauth && { credentials: oauth.tokensFor(taking) }),
      clock,
      log,
      metrics,
      held: this.#held,
      reconnects: this.#reconnects,
      processes: this.#processes,
      options: {
        clientInfo: { ...this.#identity },
        responseBytesMax: limits.response_bytes_max,
        inspectBytesMax: limits.inspect_bytes_max,
        ...(this.#deps.guards && { guards: this.#deps.guards }),
        ...(definition.options.command === undefined ? {} : { lanesMax: limits.processes_max }),
        ...(limits.cgroup_folder !== undefined && { cgroupFolder: limits.cgroup_folder }),
        ...(this.#deps.home !== undefined && { home: this.#deps.home }),
      },
    });
  }

  // Sessions and listens go on under the new snapshot, with what their principal may do now; those whose key, token or
  // bundle is gone end.
  #rebindClients(): void {
    const now = this.#deps.clock.now();
    this.#nextExpiry = this.#expiryAfter(now);
    const boundNow = ({ principal: before, view: { name } }: Bound): Bound | undefined => {
      const principal = this.#principalNow(before);
      if (principal === undefined || authorize(principal, name) !== undefined) return undefined;
      const { expiresAt = Infinity } = principal;
      if (expiresAt <= now) return undefined;
      this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
      const view = this.#view(principal, name);
      return view === undefined ? undefined : { principal, view };
    };
    for (const session of this.#sessions.all()) {
      const bound = boundNow(session);
      if (bound === undefined) this.#sessions.end(session);
      else session.rebind(bound);
    }
    this.#listens.rebind(boundNow);
    this.#single.rebind(boundNow);
    void this.#watchChanged();
  }

  #principalNow(before: Principal): Principal | undefined {
    if (before.keyId === undefined) return this.#snapshot.roles.current(before);
    const holder = this.#snapshot.keys.byId(before.keyId);
    return holder?.ok === true ? holder.principal : undefined;
  }

  #expiryAfter(now: number): number {
    const times = this.#snapshot.configuration.keys.map(({ expiresAt }) => expiresAt ?? Infinity);
    return times.filter((time) => time > now).reduce((a, b) => Math.min(a, b), Infinity);
  }

  // Resolves when the servers have taken it, so that a client is not told of a watch that does not stand yet. Changes that
  // come together, as when many sessions end, are told once.
  #watchChanged(): Promise<void> {
    this.#watchSoon ??= setImmediate().then(() => {
      this.#watchSoon = undefined;
      return this.#tellWatched();
    });
    return this.#watchSoon;
  }

  // Every server is told the union of its resources that someone watches.
  async #tellWatched(): Promise<void> {
    const wanted = new Map<string, Set<string>>();
    for (const { view, uri } of this.#listens.watched()) {
      const owned = view.ownerOf(uri);
      if (owned === undefined) continue;
      const uris = wanted.get(owned.server) ?? new Set();
      wanted.set(owned.server, uris.add(owned.uri));
    }
    const taken = [...this.#snapshot.catalogs].map(([name, catalog]) =>
      catalog.server.setResourceInterest(wanted.get(name) ?? NOTHING),
    );
    await Promise.race([Promise.allSettled(taken), pause(WATCH_TAKEN_MS)]);
  }

  async #retire(catalog: ServerCatalog): Promise<void> {
    const until = this.#deps.clock.monotonicMs() + this.#deps.limits.drain;
    this.#retiring.add(catalog);
    while (catalog.inflight > 0 && this.#deps.clock.monotonicMs() < until) {
      await pause(DRAIN_POLL_MS);
    }
    await catalog.server.close();
    this.#retiring.delete(catalog);
  }

  #inflight(): number {
    let count = 0;
    for (const catalog of this.#snapshot.catalogs.values()) count += catalog.inflight;
    return count;
  }

  #requestId(): string {
    return this.#requestPrefix + (++this.#requestCount).toString(36);
  }

  #broken(res: ServerResponse, requestId: string, error: unknown): void {
    this.#deps.log.error({ requestId, error: messageOf(error) }, "Request failed");
    const known = isSignalboxError(error) ? error : undefined;
    sendError(
      res,
      known ?? new SignalboxError("INTERNAL", "The gateway failed on this request."),
      requestId,
    );
  }
}

const DRAIN_POLL_MS = 20;
/** A server that has not taken a changed wish by then is not waited for. */
const WATCH_TAKEN_MS = 1_000;
const NOTHING: ReadonlySet<string> = new Set();

// "" is the endpoint of everything, undefined another path.
function bundleOfPath(path: string): string | undefined {
  if (path === MCP_PATH || path === "/mcp/" || path === "/sse" || path === "/messages") return "";
  if (!path.startsWith("/mcp/")) return undefined;
  const name = path.slice("/mcp/".length);
  return bundleName.safeParse(name).success ? name : undefined;
}

// Under which name a path's tokens and metadata go: the two paths of 2024-11-05 are one endpoint.
function placeOf(path: string): string {
  if (path === "/messages") return "/sse";
  return path === "/mcp/" ? MCP_PATH : path;
}

function protectedServer({ name, options }: ServerDefinition): ProtectedServer | undefined {
  const url = options.url ?? options.endpoints?.[0]?.url;
  if (options.oauth === undefined || url === undefined) return undefined;
  return { name, url, oauth: options.oauth };
}

function stopping(): SignalboxError {
  return new SignalboxError("SHUTTING_DOWN", "The gateway is stopping.");
}

// An answer to a server's question, or a notification such as a cancellation, lets calls in flight come to their end.
function endsSomething(message: unknown): boolean {
  return isJsonObject(message) && !("method" in message && "id" in message);
}

function isModern(req: IncomingMessage): boolean {
  const version = req.headers["mcp-protocol-version"];
  return typeof version === "string" && version >= "2026";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
