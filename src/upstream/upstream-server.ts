// One configured server: its endpoints, each with a link of its own, and what guards the calls to it.
//
// Calls are spread over the endpoints by the balance strategy. What the server lists and reports comes from one of them, the
// primary: the first that could be opened, until it is lost and another one is there to take over.
import { hash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  Emitter,
  HeldBytes,
  isSignalboxError,
  SignalboxError,
  type Clock,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import type { JsonObject } from "../protocol/index.ts";
import { EndpointChooser } from "./balance/endpoint-chooser.ts";
import type { ConnectionPoolOptions } from "./connection-pool-options.ts";
import { Delivery, type DeliveryHost, type Parcel } from "./delivery.ts";
import { breakerStates } from "./guard/breaker.ts";
import { Breakers, type BreakerChange } from "./guard/breakers.ts";
import { Bulkhead } from "./guard/bulkhead.ts";
import { Retries } from "./guard/retries.ts";
import { RetryPolicies, type ToolPolicy } from "./guard/retry-policies.ts";
import { guardDefaults, settingsOf, type GuardOptions } from "./guard-options.ts";
import type { Credentials } from "./credentials.ts";
import type { LaneKey } from "./lane-slot.ts";
import type { ExchangeHandle, Lane } from "./lane.ts";
import {
  Link,
  PATIENCE_MS,
  type EndpointDefinition,
  type Introduction,
  type LinkDeps,
  type LinkOwner,
  type ProcessDeps,
} from "./link.ts";
import type { LinkTransition } from "./link-history.ts";
import { CrashLoop, type CrashLoopState } from "./processes/crash-loop.ts";
import {
  plainProcess,
  processModeOf,
  type ProcessMode,
  type ProcessOptions,
} from "./processes/process-options.ts";
import type { Processes } from "./processes/processes.ts";
import { ReconnectRate } from "./reconnect-rate.ts";
import type { ServerDefinition, ServerOptions } from "./server-options.ts";
import { isFailing, type LinkState, type ServerStatus } from "./server-status.ts";
import { offeredKinds, type ListKind } from "./subscriptions.ts";
import { failureOf } from "./transports/http-failure.ts";
import { StderrRing } from "./transports/stderr-ring.ts";
import { StdioLane } from "./transports/stdio.ts";

/** What the gateway sets for all servers. */
export interface UpstreamOptions {
  /** Who the gateway says it is on its own lanes. */
  clientInfo: JsonObject;
  /** Default 64 MiB; a server's `response_bytes_max` overrides it. */
  responseBytesMax?: number;
  /** Default 1 MiB. */
  inspectBytesMax?: number;
  /** A principal's lane is closed when unused for so long; default 10 min. */
  principalIdleMs?: number;
  /**
   * Lanes of principals and sessions together, default 10,000; of a local server also its processes, default 32, where its
   * own options do not say how many.
   */
  lanesMax?: number;
  /** How often idle lanes and old verdicts are looked for, and quiet links asked whether they live; default 30 s. */
  tendEveryMs?: number;
  /** What every server has where its own options say nothing else. */
  guards?: Partial<GuardOptions>;
  /** Where control groups for local processes may be made; default nowhere. */
  cgroupFolder?: string;
  /** The gateway's own folder, which local processes in a runner do not see; default none. */
  home?: string;
}

export interface UpstreamDeps {
  log: Log;
  clock: Clock;
  metrics?: Metrics;
  options: UpstreamOptions;
  /** What answers that are held whole may take together; one for all servers of a gateway, default 256 MiB for this one. */
  held?: HeldBytes;
  /** One for all servers of a gateway; default: the server's own. */
  reconnects?: ReconnectRate;
  /** Where local processes take their turn to start; one for all servers of a gateway. */
  processes?: Processes;
  /** Where the tokens come from that its calls carry; for a server with `oauth` options. */
  credentials?: Credentials;
  /** 0 up to 1; default Math.random. */
  random?: () => number;
}

/** A link's change of state, as it is stored. */
export interface LinkChange extends LinkTransition {
  readonly endpoint: string;
}

// A type and not an interface, because an emitter's events are a record.
export type UpstreamEvents = {
  listChanged: { kind: ListKind };
  resourceUpdated: { uri: string };
  stateChanged: ServerStatus;
  linkChanged: LinkChange;
  breakerChanged: BreakerChange;
  /** A call that found no place at once waits no longer. */
  waited: { ms: number };
};

/** One configured server. */
export class UpstreamServer implements LinkOwner, DeliveryHost {
  definition: ServerDefinition;
  readonly events = new Emitter<UpstreamEvents>();
  readonly clock: Clock;
  readonly breakers: Breakers;
  readonly bulkhead: Bulkhead;
  readonly retries: Retries;
  readonly held: HeldBytes;
  /** In the order of the configuration. */
  links: readonly Link[];
  /** Links to endpoints that are no longer configured, until they are closed. */
  readonly #leaving = new Set<Link>();
  readonly #shared: Omit<LinkDeps, "endpoint">;
  readonly #log: Log;
  readonly #pool: ConnectionPoolOptions;
  readonly #policies: RetryPolicies;
  readonly #strategy: string;
  readonly #process: ProcessOptions | undefined;
  readonly #crashLoop: CrashLoop | undefined;
  readonly #slowStartMs: number;
  readonly #chooser: EndpointChooser<Link>;
  readonly #stderr = new StderrRing();
  /** The endpoint of each client session, where there are several to choose from. */
  readonly #sessionLinks = new Map<string, Link>();
  #primary: Link;
  #fingerprint: string | undefined;
  #resources: ReadonlySet<string> = new Set();
  #introduction: Introduction | undefined;
  #state: LinkState;
  #since: number;
  #calls = 0;
  #errors = 0;
  #closed = false;
  readonly #held: AsyncDisposable | undefined;

  constructor(definition: ServerDefinition, deps: UpstreamDeps) {
    const { clock, options, random = Math.random } = deps;
    const own = definition.options;
    this.definition = definition;
    this.held = deps.held ?? new HeldBytes(256 * 1024 * 1024);
    this.clock = clock;
    this.#log = deps.log.child({ area: "upstream", serverId: definition.name });
    const guards = { ...guardDefaults, ...options.guards };
    this.#pool = settingsOf(guards.connection_pool, own.connection_pool);
    const balance = settingsOf(guards.load_balancer, own.load_balancer);
    this.breakers = new Breakers(
      definition.name,
      settingsOf(guards.circuit_breaker, own.circuit_breaker),
      { clock, changed: (change) => this.#breakerChanged(change) },
    );
    this.bulkhead = new Bulkhead(definition.name, settingsOf(guards.bulkhead, own.bulkhead), {
      clock,
      waited: (ms) => this.events.emit("waited", { ms }),
    });
    this.#policies = new RetryPolicies(guards.retry_policy, own.retry_policy);
    this.retries = new Retries(this.#policies.budget, { clock, random });
    this.#strategy = balance.strategy;
    this.#slowStartMs = balance.slow_start;
    this.#chooser = new EndpointChooser<Link>({
      options: balance,
      clock,
      random,
      listener: {
        onEjected: (link, untilMs, reason) =>
          this.#log.warn(
            { endpoint: link.id, until: untilMs, reason },
            "An endpoint gets no calls for a while",
          ),
        onReturned: (link) => this.#log.info({ endpoint: link.id }, "An endpoint gets calls again"),
      },
    });
    if (own.command !== undefined) {
      this.#crashLoop = new CrashLoop(clock);
      this.#process = own.process ?? plainProcess;
    }
    const shared = this.#linkDeps(deps);
    this.#shared = shared;
    this.links = endpointsOf(definition).map((endpoint) => new Link({ ...shared, endpoint }));
    const [first] = this.links;
    if (first === undefined)
      throw failureOf(definition.name, "SERVER_UNREACHABLE", "has no address");
    this.#held = definition.service?.hold?.();
    this.#primary = first;
    this.#state = first.state;
    this.#since = clock.now();
  }

  #linkDeps({ options, ...deps }: UpstreamDeps): Omit<LinkDeps, "endpoint"> {
    const { definition, clock } = this;
    const own = definition.options;
    const processes = this.#processDeps({ options, ...deps });
    return {
      definition,
      owner: this,
      log: this.#log,
      clock,
      random: deps.random ?? Math.random,
      ...(deps.metrics && { metrics: deps.metrics }),
      stderr: this.#stderr,
      pool: this.#pool,
      reconnects: deps.reconnects ?? new ReconnectRate(clock),
      ...(processes && { processes }),
      ...(deps.credentials && { credentials: deps.credentials }),
      clientInfo: options.clientInfo,
      responseBytesMax: own.response_bytes_max ?? options.responseBytesMax ?? 64 * 1024 * 1024,
      inspectBytesMax: options.inspectBytesMax ?? 1024 * 1024,
      held: this.held,
      connectTimeoutMs: this.#pool.connection_timeout,
      principalIdleMs: options.principalIdleMs ?? 10 * 60_000,
      lanesMax: own.process?.processes_max ?? options.lanesMax ?? 10_000,
      tendEveryMs: options.tendEveryMs ?? this.#pool.health_check_interval,
    };
  }

  #processDeps({ options, processes }: UpstreamDeps): ProcessDeps | undefined {
    if (this.#process === undefined || this.#crashLoop === undefined) return undefined;
    return {
      options: this.#process,
      crashLoop: this.#crashLoop,
      processesMax: options.lanesMax ?? 32,
      ...(processes && { starts: processes }),
      ...(options.cgroupFolder !== undefined && { cgroupFolder: options.cgroupFolder }),
      ...(options.home !== undefined && { home: options.home }),
    };
  }

  get name(): string {
    return this.definition.name;
  }

  /** The endpoint whose lists and reports are the server's. */
  get primary(): Link {
    return this.#primary;
  }

  /** How calls are spread over the endpoints. */
  get strategy(): string {
    return this.#strategy;
  }

  /** Changes whenever the options do. */
  get fingerprint(): string {
    this.#fingerprint ??= hash("sha256", JSON.stringify(this.definition.options), "base64url");
    return this.#fingerprint;
  }

  /** A local process or a service of this one: nothing that a session of its own would cost little for. */
  get local(): boolean {
    const { service, options } = this.definition;
    return service !== undefined || options.command !== undefined;
  }

  /** Who shares a local process; `askable`: the client can be asked for something. Undefined where there is none. */
  processMode(askable: boolean): ProcessMode | undefined {
    return this.#process === undefined ? undefined : processModeOf(this.#process, askable);
  }

  /** Whether its process ends again and again soon after its start. */
  get crashLoop(): CrashLoopState | undefined {
    return this.#crashLoop?.explain();
  }

  /** How long a call of the tool may last, in milliseconds, where the tool or the server has a say. */
  timeoutOf(tool: string | undefined): number | undefined {
    const own = tool === undefined ? undefined : this.#policies.of(tool).timeoutMs;
    return own ?? this.definition.options.timeout;
  }

  /** Longest opening of a lane, a local process's start included. */
  get connectTimeoutMs(): number {
    return this.#pool.connection_timeout;
  }

  /** Whether legacy clients are served in their own era; assumed until the server has refused it. */
  get servesLegacy(): boolean {
    return this.#primary.servesLegacy;
  }

  /** How the server last introduced itself; undefined before its first lane was open. */
  get introduction(): Introduction | undefined {
    return this.#introduction;
  }

  /** The lane for `key` if it is open: it waits for nothing. */
  laneNow(key: LaneKey): Lane | undefined {
    return this.#linkNow(key)?.laneNow(key);
  }

  /**
   * The lane for `key`, opened where needed, at another endpoint where one fails. Rejects with the SignalboxError of the
   * last opening, or with the signal's reason; the opening itself goes on for the others who wait.
   */
  async lane(key: LaneKey, signal: AbortSignal): Promise<Lane> {
    const failed: Link[] = [];
    for (;;) {
      const link =
        (failed.length === 0 ? this.#linkNow(key) : this.choose(key, failed)) ?? this.#primary;
      if (failed.includes(link)) throw this.noLink();
      try {
        const isLast = !this.hasOther([...failed, link]);
        const lane = await link.lane(key, isLast ? signal : impatient(signal));
        if (key.kind === "shared") this.#lead(link);
        return lane;
      } catch (error) {
        if (signal.aborted) throw error;
        failed.push(link);
        if (failed.length === this.links.length)
          throw isSignalboxError(error) ? error : this.noLink();
      }
    }
  }

  /** Sends a call that ends at `deadlineMs` of monotonic time at the latest, unless progress puts it off; what comes of it reaches `parcel`, possibly before this returns. */
  deliver(parcel: Parcel, key: LaneKey, deadlineMs: number): ExchangeHandle {
    return new Delivery(this, parcel, key, deadlineMs).start();
  }

  /** Closes a client session's lane. */
  release(sessionId: string): void {
    this.#sessionLinks.delete(sessionId);
    for (const link of this.links) link.release(sessionId);
  }

  /** Replaces the set of resources whose updates the shared lane asks for; resolves once the server has taken it. */
  async setResourceInterest(uris: ReadonlySet<string>): Promise<void> {
    this.#resources = uris;
    await this.#primary.setResourceInterest(uris);
  }

  /** Counts a finished call, for the status. */
  recordCall(failed: boolean): void {
    this.#calls++;
    if (failed) this.#errors++;
  }

  status(): ServerStatus {
    const link = this.#primary;
    const lane = link.anyLane;
    const { era, revision, eraProbedAt } = link;
    const { lastError } = latestOf(this.links);
    return {
      name: this.name,
      transport: transportOf(this.definition),
      state: this.#state,
      since: this.#since,
      calls: this.#calls,
      errors: this.#errors,
      ...(era && { era }),
      ...(revision && { revision }),
      ...(lastError && {
        lastError: {
          code: lastError.error.code,
          message: lastError.error.message,
          at: lastError.at,
        },
      }),
      ...(lane instanceof StdioLane && { pid: lane.pid, skippedLines: lane.skippedLines }),
      ...(eraProbedAt !== undefined && { era_probed_at: eraProbedAt }),
      ...(this.links.length > 1 && {
        endpoints: this.links.map(({ id, state }) => ({ id, state })),
      }),
    };
  }

  /** How many lanes are open. */
  get openLanes(): number {
    return this.links.reduce((sum, link) => sum + link.openLanes, 0);
  }

  /** Somebody connected to it by OAuth, or disconnected: what it offers may be other things now. */
  credentialsChanged(): void {
    for (const link of this.links) link.credentialsChanged();
    for (const kind of LIST_KINDS) this.events.emit("listChanged", { kind });
  }

  /** The last lines of a local process's standard error. */
  stderr(): string[] {
    return this.#stderr.lines();
  }

  /** The endpoint of that id; throws ENDPOINT_NOT_FOUND. */
  endpoint(id: string): Link {
    const link = this.links.find((one) => one.id === id);
    if (link !== undefined) return link;
    const ids = this.links.map((one) => `"${one.id}"`).join(", ");
    throw new SignalboxError(
      "ENDPOINT_NOT_FOUND",
      `Server "${this.name}" has no endpoint "${id}"; it has ${ids}.`,
    );
  }

  /** By hand. Without a tool it is the server's own breaker; closing that one closes those of its tools as well. */
  setBreaker(state: "open" | "closed", tool?: string): void {
    const { breakers } = this;
    if (state === "open") {
      breakers.open(BY_HAND, tool === undefined ? {} : { tool });
      return;
    }
    breakers.close(tool);
    if (tool !== undefined) return;
    for (const each of Object.keys(breakers.explain().tools)) breakers.close(each);
  }

  /**
   * Takes over the endpoints of a definition that differs in nothing else. Those that stay keep their connections, history
   * and standing; new ones come in by slow start; those that are gone take no more calls and are closed when theirs have ended.
   */
  setEndpoints(definition: ServerDefinition): void {
    const before = this.links;
    const links = endpointsOf(definition).map((endpoint) => {
      const known = before.find((link) => isSameEndpoint(link.endpoint, endpoint));
      if (known === undefined) return this.#newcomer(endpoint);
      known.endpoint = endpoint;
      return known;
    });
    const [first] = links;
    if (this.#closed || first === undefined) return;
    this.definition = definition;
    this.#fingerprint = undefined;
    this.links = links;
    for (const link of before) if (!links.includes(link)) this.#dismiss(link);
    if (!links.includes(this.#primary)) this.#succeed(links.find((one) => one.connected) ?? first);
    this.#restate(this.clock.now());
  }

  #newcomer(endpoint: EndpointDefinition): Link {
    const link = new Link({ ...this.#shared, endpoint });
    link.health.beginSlowStart(this.#slowStartMs);
    return link;
  }

  #dismiss(link: Link): void {
    for (const [session, its] of this.#sessionLinks)
      if (its === link) this.#sessionLinks.delete(session);
    this.#leaving.add(link);
    link
      .leave()
      .catch((error: unknown) => {
        this.#log.debug({ endpoint: link.id, err: error }, "An endpoint did not close cleanly");
      })
      .finally(() => this.#leaving.delete(link));
  }

  // The primary is gone. Where no other endpoint is open the next one is the first, once it is.
  #succeed(next: Link): void {
    if (next.connected) {
      this.#lead(next);
      return;
    }
    this.#primary = next;
    void next.setResourceInterest(this.#resources);
    const opening = this.lane({ kind: "shared" }, AbortSignal.timeout(TAKE_OVER_MS));
    opening
      .then(() => this.#announceLists(this.#primary))
      .catch((error: unknown) => {
        this.#log.debug({ err: error }, "No other endpoint could take over the lists");
      });
  }

  /** Everything the balance knows of one endpoint. */
  explain(link: Link): ReturnType<EndpointChooser<Link>["explain"]> {
    return this.#chooser.explain(link);
  }

  /** Closes every lane and connection; calls in flight fail. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sessionLinks.clear();
    await Promise.all([...this.links, ...this.#leaving].map((link) => link.close()));
    this.bulkhead.refuseAll(
      failureOf(this.name, "SERVER_CLOSED", "was disconnected by the gateway"),
    );
    await this.#held?.[Symbol.asyncDispose]();
  }

  // --- what deliveries ask

  policyOf(tool: string): ToolPolicy {
    return this.#policies.of(tool);
  }

  choose(key: LaneKey, avoid: readonly Link[] | undefined): Link | undefined {
    const { links } = this;
    if (links.length === 1) return this.#primary.state === "draining" ? undefined : this.#primary;
    if (key.kind !== "session") {
      const sticky = key.kind === "principal" ? key.id : undefined;
      return this.#chooser.choose(links, pickOf(sticky, avoid));
    }
    const known = this.#sessionLinks.get(key.id);
    const kept = known ?? links.find((one) => one.hasSession(key.id));
    const keeps = kept?.usable === true && kept.ready && avoid?.includes(kept) !== true;
    const chosen = keeps ? kept : this.#chooser.choose(links, pickOf(key.id, avoid));
    if (chosen !== undefined && chosen !== known) this.#sessionLinks.set(key.id, chosen);
    return chosen;
  }

  get isDown(): boolean {
    return this.#state === "error" || this.#state === "needs_auth";
  }

  get hasSeveral(): boolean {
    return this.links.length > 1;
  }

  hasOther(than: readonly Link[]): boolean {
    return this.links.length > 1 && this.#chooser.hasOther(this.links, than);
  }

  noLink(): SignalboxError {
    const { lastError } = latestOf(this.links);
    const drained = this.links.every(({ state }) => state === "draining");
    return (
      (drained ? undefined : lastError?.error) ??
      failureOf(
        this.name,
        "SERVER_DISABLED",
        "takes no calls: its endpoints are draining or disabled",
      )
    );
  }

  #linkNow(key: LaneKey): Link | undefined {
    if (this.links.length === 1) return this.#primary;
    if (key.kind !== "shared") return this.choose(key, undefined);
    if (this.#primary.usable && this.#primary.ready) return this.#primary;
    return this.choose(key, undefined) ?? this.#primary;
  }

  // What opened the breaker is over: the first calls are let in without waiting for its time.
  #cameBack(link: Link): void {
    link.health.comeBack(this.links.length > 1 ? this.#slowStartMs : 0);
    const { reason, state } = this.breakers.explain().server;
    if (state === "open" && reason !== BY_HAND) this.breakers.close();
  }

  #breakerChanged(change: BreakerChange): void {
    const { tool, from, to, reason } = change;
    this.#log.warn(
      { tool, from: breakerStates[from], to: breakerStates[to], reason },
      "A circuit breaker changed its state",
    );
    this.events.emit("breakerChanged", change);
  }

  // --- what links report

  linkChanged(link: Link, transition: LinkTransition): void {
    this.events.emit("linkChanged", { endpoint: link.id, ...transition });
    if (transition.to === "connected" && isFailing(transition.from)) this.#cameBack(link);
    this.#restate(transition.at);
  }

  #restate(at: number): void {
    const [only] = this.links;
    const state = only !== undefined && this.links.length === 1 ? only.state : stateOf(this.links);
    if (state === this.#state) return;
    this.#state = state;
    this.#since = at;
    this.events.emit("stateChanged", this.status());
  }

  linkFailed(link: Link): void {
    if (this.links.length > 1) this.#chooser.report(link, this.links);
  }

  linkIntroduced(link: Link, introduction: Introduction, isShared: boolean): void {
    if (this.#introduction === undefined || (isShared && link === this.#primary))
      this.#introduction = introduction;
  }

  linkLost(link: Link): void {
    if (link !== this.#primary || this.#closed) return;
    const next = this.choose({ kind: "shared" }, [link]);
    if (next === undefined || next === link) return;
    this.lane({ kind: "shared" }, AbortSignal.timeout(TAKE_OVER_MS)).catch((error: unknown) => {
      this.#log.debug({ err: error }, "No other endpoint could take over the lists");
    });
  }

  listChanged(link: Link, kind: ListKind): void {
    if (link === this.#primary) this.events.emit("listChanged", { kind });
  }

  resourceUpdated(link: Link, uri: string): void {
    if (link === this.#primary) this.events.emit("resourceUpdated", { uri });
  }

  // Replicas should list the same; whether they do is seen when their lists are fetched.
  #lead(link: Link): void {
    if (link === this.#primary) return;
    const before = this.#primary;
    this.#primary = link;
    void before.setResourceInterest(new Set());
    void link.setResourceInterest(this.#resources);
    this.#log.info(
      { endpoint: link.id, before: before.id },
      "Another endpoint tells what the server offers",
    );
    this.#announceLists(link);
  }

  #announceLists(link: Link): void {
    const lane = link.anyLane;
    if (lane !== undefined)
      for (const kind of offeredKinds(lane)) this.events.emit("listChanged", { kind });
  }
}

function impatient(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
}

/** How long another endpoint may take to open that is to tell what the server offers. */
const TAKE_OVER_MS = 30_000;

const BY_HAND = "opened by an operator";
const LIST_KINDS: readonly ListKind[] = ["tools", "prompts", "resources"];

function pickOf(
  key: string | undefined,
  avoid: readonly Link[] | undefined,
): { key?: string; avoid?: readonly Link[] } {
  return { ...(key !== undefined && { key }), ...(avoid !== undefined && { avoid }) };
}

// Best first: a server is as well as its best endpoint, and degraded where another one is not.
const BEST_FIRST: readonly LinkState[] = [
  "connected",
  "degraded",
  "connecting",
  "idle",
  "reconnecting",
  "needs_auth",
  "error",
  "draining",
  "disabled",
];
const WELL: ReadonlySet<LinkState> = new Set(["connected", "idle", "connecting", "draining"]);

function stateOf(links: readonly Link[]): LinkState {
  const states = links.map(({ state }) => state);
  const best = BEST_FIRST.find((state) => states.includes(state)) ?? "idle";
  return best === "connected" && states.some((state) => !WELL.has(state)) ? "degraded" : best;
}

function latestOf(links: readonly Link[]): Pick<Link, "lastError"> {
  const failing = links.filter(({ lastError }) => lastError !== undefined);
  return failing.toSorted((a, b) => (b.lastError?.at ?? 0) - (a.lastError?.at ?? 0))[0] ?? NO_ERROR;
}

const NO_ERROR = { lastError: undefined };

function transportOf({ service, options }: ServerDefinition): ServerStatus["transport"] {
  if (service !== undefined) return "in-process";
  if (options.command !== undefined) return "stdio";
  return options.transport ?? "streamable-http";
}

function endpointsOf({ service, options }: ServerDefinition): EndpointDefinition[] {
  const plain = { headers: {}, weight: 1, priority: 0 };
  if (service !== undefined) return [{ ...plain, id: "built-in" }];
  if (options.command !== undefined) return [{ ...plain, id: "local" }];
  const { headers = {} } = options;
  const seen = new Map<string, number>();
  return remotes(options).map((one) => {
    const host = URL.parse(one.url)?.host ?? one.url;
    const count = (seen.get(host) ?? 0) + 1;
    seen.set(host, count);
    return {
      id: count === 1 ? host : `${host}#${count}`,
      url: one.url,
      headers: { ...headers, ...one.headers },
      weight: one.weight ?? 1,
      priority: one.priority ?? 0,
    };
  });
}

function isSameEndpoint(one: EndpointDefinition, other: EndpointDefinition): boolean {
  return (
    one.id === other.id && one.url === other.url && isDeepStrictEqual(one.headers, other.headers)
  );
}

function remotes({ url, endpoints = [] }: ServerOptions): NonNullable<ServerOptions["endpoints"]> {
  return url === undefined ? endpoints : [{ url }, ...endpoints];
}
