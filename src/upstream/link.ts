// The live relation to one endpoint of a server: its lanes, its state, and how it has been doing.
//
//   idle ──lane()──▶ connecting ──▶ connected ◀──better──▶ degraded (ejected, or most of its calls fail)
//                        │              │ └──unused──▶ idle
//                     failed        lane lost
//                        ▼              ▼
//              error or needs_auth   reconnecting ──opened again──▶ connected
//                        ▲              └──ten tries in vain──▶ error
//                        └── tried again after the longest wait, for ever
//
//   any of them ──drain()──▶ draining ──resume()──▶ as before          disabled: switched off in the configuration
//
// Every transition is kept with its reason; owners are told and may store them.
//
// Who shares a lane: a modern server keeps nothing between requests, so all use one. A legacy server may
// keep anything in a session, so each client session, or each principal, has its own; the shared one
// serves the catalog. A local process that is not to be shared (`process.mode`) is not, whatever its era. A lane is
// opened once however many ask for it, and a server that fails is left in peace: during the back-off everyone gets
// the last error at once.
import { setTimeout as delay } from "node:timers/promises";
import {
  isSignalboxError,
  SignalboxError,
  type Clock,
  type HeldBytes,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import { type Era, type JsonObject, type JsonRpcNotification } from "../protocol/index.ts";
import { ask } from "./ask.ts";
import { BackOff } from "./back-off.ts";
import { EndpointHealth } from "./balance/endpoint-health.ts";
import { classify } from "./guard/failure-class.ts";
import type { ConnectionPoolOptions } from "./connection-pool-options.ts";
import type { Credentials } from "./credentials.ts";
import { modernMeta, probeEra } from "./era-probe.ts";
import { isFresh } from "./era-verdict.ts";
import { LaneSlot, type LaneKey, type SlotOwner } from "./lane-slot.ts";
import type { Lane, LaneContext, TransportDeps } from "./lane.ts";
import { LinkHistory, type LinkTransition } from "./link-history.ts";
import { offeredCapabilities } from "./local-answers.ts";
import { CrashLoop, type Life } from "./processes/crash-loop.ts";
import { idleTimeoutOf, type ProcessOptions } from "./processes/process-options.ts";
import type { Processes } from "./processes/processes.ts";
import type { ReconnectRate } from "./reconnect-rate.ts";
import type { ServerDefinition, ServerOptions } from "./server-options.ts";
import { isFailing, type LinkState } from "./server-status.ts";
import {
  kindsOf,
  offeredKinds,
  report,
  subscriptionsOf,
  type ListKind,
  type ReportListener,
  type Subscriptions,
} from "./subscriptions.ts";
import { HttpEndpoint } from "./transports/http-endpoint.ts";
import { failureOf } from "./transports/http-failure.ts";
import { open as openHttpSse } from "./transports/http-sse.ts";
import { open as openInProcess } from "./transports/in-process.ts";
import type { StderrRing } from "./transports/stderr-ring.ts";
import { StdioLane, open as openStdio } from "./transports/stdio.ts";
import { open as openStreamableHttp } from "./transports/streamable-http.ts";

/** One endpoint as configured. */
export interface EndpointDefinition {
  /** Host and port of its URL, made unique; "local" for a process, "built-in" for a service of this one. */
  readonly id: string;
  readonly url?: string;
  readonly headers: Record<string, string>;
  readonly weight: number;
  /** 0 first. */
  readonly priority: number;
}

/** How a server introduces itself when a lane to it opens. */
export interface Introduction {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions?: string;
}

/** What a link tells the server it belongs to. */
export interface LinkOwner {
  linkChanged(link: Link, transition: LinkTransition): void;
  /** A call over it failed, of which its health has heard. */
  linkFailed(link: Link): void;
  linkIntroduced(link: Link, introduction: Introduction, isShared: boolean): void;
  /** The shared lane, whose lists and reports are the server's, is gone. */
  linkLost(link: Link): void;
  listChanged(link: Link, kind: ListKind): void;
  resourceUpdated(link: Link, uri: string): void;
}

/** What a local server's processes share. */
export interface ProcessDeps {
  /** Where every start takes its turn; without it, at once. */
  readonly starts?: Processes;
  readonly options: ProcessOptions;
  /** Where `options` names no number. */
  readonly processesMax: number;
  readonly crashLoop: CrashLoop;
  readonly cgroupFolder?: string;
  readonly home?: string;
}

export interface LinkDeps {
  readonly definition: ServerDefinition;
  readonly endpoint: EndpointDefinition;
  readonly owner: LinkOwner;
  readonly log: Log;
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  readonly metrics?: Metrics;
  readonly stderr: StderrRing;
  readonly pool: ConnectionPoolOptions;
  readonly reconnects: ReconnectRate;
  /** Of a local server. */
  readonly processes?: ProcessDeps;
  /** Of a server that takes tokens. */
  readonly credentials?: Credentials;
  readonly clientInfo: JsonObject;
  readonly responseBytesMax: number;
  readonly inspectBytesMax: number;
  readonly held: HeldBytes;
  readonly connectTimeoutMs: number;
  readonly principalIdleMs: number;
  readonly lanesMax: number;
  readonly tendEveryMs: number;
}

interface Turn {
  /** Monotonic. */
  readonly atMs: number;
  readonly timer: NodeJS.Timeout;
  readonly come: PromiseWithResolvers<void>;
}

/** A lane that is lost sooner after its opening counts as a failed opening. */
const shortLifeMs = 10_000;
/** So many tries in a row to open a lost lane again come as fast as the back-off lets them; then one after the longest wait. */
const fastReopensMax = 10;
/** So many calls in a row without a connection, or with one that broke, and the endpoint is taken to be gone. */
const brokenMax = 3;
/** An opening that takes longer may come to nothing: where there is another endpoint, calls no longer wait for it. */
export const PATIENCE_MS = 1000;
/** A local process waits at most so long for its turn to start. */
const START_QUEUE_MS = 60_000;
/** A server that refuses calls for want of credentials is asked at most so often whether it refuses everything. */
const DOUBT_EVERY_MS = 5000;
/** How much sooner or later than said a link is looked after, as a share. */
const TEND_JITTER = 0.15;
/** So many clients' crash loops are remembered. */
const OWN_LOOPS_MAX = 1000;
/** Below this score a connected link is called degraded. */
const degradedBelow = 0.5;
/** How often a link that leaves is asked whether it has calls. */
const LEAVE_POLL_MS = 50;
/** An old lane that was replaced may finish its calls for so long. */
const retireMs = 10 * 60_000;

/** One endpoint's link. */
export class Link implements SlotOwner, ReportListener {
  readonly definition: ServerDefinition;
  /** Its weight and priority may be changed while it runs. */
  endpoint: EndpointDefinition;
  readonly health: EndpointHealth;
  readonly history: LinkHistory;
  /** Whether requests over it carry their caller's tokens. */
  readonly takesTokens: boolean;
  readonly #deps: LinkDeps;
  readonly #log: Log;
  readonly #backOff: BackOff;
  readonly #http: HttpEndpoint | undefined;
  /** Whether the configuration says that not everyone shares a process: a modern lane is then not for everyone either. */
  readonly #keepsApart: boolean;
  #shared: LaneSlot;
  readonly #principals = new Map<string, LaneSlot>();
  readonly #sessions = new Map<string, LaneSlot>();
  readonly #retired = new Map<Lane, NodeJS.Timeout>();
  /** How the processes of single clients end, by principal or session. */
  readonly #ownLoops = new Map<string, CrashLoop>();
  /** The one lane of a modern server, for everyone. */
  #modern: Lane | undefined;
  #era: Era | undefined;
  #revision: string | undefined;
  #lastError: { error: SignalboxError; at: number } | undefined;
  #state: LinkState;
  #draining = false;
  #subscriptions: Subscriptions | undefined;
  #resources: ReadonlySet<string> = new Set();
  #sharedWasLost = false;
  /** It was lost, or could not be opened: what is known of the server may be old. */
  #wasMissed = false;
  /** Since when it is being opened for the first time. */
  #openingSinceMs = Infinity;
  #tending: NodeJS.Timeout | undefined;
  /** When it is to be opened again by itself. */
  #turn: Turn | undefined;
  #reprobing = false;
  /** When it was last asked if it refuses everything, as it had refused a call. */
  #doubtedMs = -Infinity;
  /** Calls that ended before the last look at the link's health. */
  #endedBefore = 0;
  #ended = 0;
  /** A client session's `initialize` was refused by a server that speaks the modern era. */
  #modernOnly = false;
  #closed = false;

  constructor(deps: LinkDeps) {
    const { definition, endpoint, clock } = deps;
    this.definition = definition;
    this.endpoint = endpoint;
    this.#deps = deps;
    this.takesTokens = deps.credentials !== undefined;
    this.#log = deps.log;
    this.health = new EndpointHealth(clock);
    this.#backOff = new BackOff(clock, deps.random, {
      firstMs: deps.pool.reconnect_backoff,
      lastMs: deps.pool.max_reconnect_backoff,
    });
    this.#http =
      endpoint.url === undefined || definition.problem !== undefined
        ? undefined
        : new HttpEndpoint({
            url: endpoint.url,
            headers: endpoint.headers,
            clock,
            connectTimeoutMs: deps.connectTimeoutMs,
            connectionsMax: deps.pool.max_connections,
            idleMs: deps.pool.max_idle_time,
            ageMs: deps.pool.max_connection_age,
          });
    const { mode = "shared" } = deps.processes?.options ?? {};
    this.#keepsApart = mode !== "shared";
    this.#shared = new LaneSlot({ kind: "shared" }, this);
    this.#state = definition.options.enabled === false ? "disabled" : "idle";
    if (definition.problem !== undefined) {
      const { code, message } = definition.problem;
      const error = failureOf(definition.name, code, message);
      this.#state = "error";
      this.#lastError = { error, at: clock.now() };
    }
    this.history = new LinkHistory(this.#state, clock.now());
  }

  get id(): string {
    return this.endpoint.id;
  }

  get name(): string {
    return this.definition.name;
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  get priority(): number {
    return this.endpoint.priority;
  }

  get state(): LinkState {
    return this.#draining ? "draining" : this.#state;
  }

  get era(): Era | undefined {
    return this.#era;
  }

  get revision(): string | undefined {
    return this.#revision;
  }

  get lastError(): { error: SignalboxError; at: number } | undefined {
    return this.#lastError;
  }

  /** Whether it can take a call now, or may be asked to open. */
  get usable(): boolean {
    if (this.#closed || this.#draining || this.#state === "disabled") return false;
    if (this.definition.problem !== undefined) return false;
    return this.#anyLane() !== undefined || this.#waitMs() <= 0;
  }

  /** Whether it is open, or nothing speaks against its being so as soon as it is asked. */
  get ready(): boolean {
    if (this.#sharedWasLost) return false;
    if (this.#anyLane() !== undefined) return true;
    if (this.#backOff.failures > 0) return false;
    return this.#deps.clock.monotonicMs() < this.#openingSinceMs + PATIENCE_MS;
  }

  /** Whether legacy clients are served in their own era; assumed until the server has refused it. */
  get servesLegacy(): boolean {
    const { service, options } = this.definition;
    return service === undefined && options.protocol_era !== "modern" && !this.#modernOnly;
  }

  get connected(): boolean {
    return this.#anyLane() !== undefined;
  }

  /** The lane everything of the gateway's own goes over, where it is open. */
  get anyLane(): Lane | undefined {
    return this.#anyLane();
  }

  /** When its era was last asked for, epoch milliseconds. */
  get eraProbedAt(): number | undefined {
    const lane = this.#anyLane();
    return lane instanceof StdioLane ? lane.eraProbedAt : this.#http?.verdict?.at;
  }

  /** Connections to a remote endpoint: how many are open, in use, and wanted. */
  get connections(): { open: number; busy: number; waiting: number; max: number } | undefined {
    return this.#http?.connections;
  }

  /** Takes no new calls; what runs may finish. */
  drain(reason = "drained by an operator"): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#note("draining", reason);
  }

  /** Takes no new calls and is closed as soon as none is left, or after ten minutes. */
  async leave(): Promise<void> {
    this.drain("is no longer configured");
    const untilMs = this.#deps.clock.monotonicMs() + retireMs;
    while (this.health.inFlight > 0 && this.#deps.clock.monotonicMs() < untilMs && !this.#closed)
      await delay(LEAVE_POLL_MS, undefined, { ref: false });
    await this.close();
  }

  /** Whether a client session has a lane here. */
  hasSession(id: string): boolean {
    return this.#sessions.has(id);
  }

  /** Takes calls again after `drain`. */
  resume(): void {
    if (!this.#draining) return;
    this.#draining = false;
    this.#note(this.#state, "taken back by an operator");
  }

  /** A call over this link was answered. */
  succeeded(latencyMs: number): void {
    this.#ended++;
    this.#wentWell(latencyMs);
  }

  /** A call failed in a way that tells of the link; `broken` where there was no connection, or one that broke. */
  failed(latencyMs: number, error: SignalboxError, broken: boolean): void {
    this.#ended++;
    this.#wentBadly(latencyMs, error, broken);
  }

  #wentWell(latencyMs: number): void {
    this.health.ended("ok", latencyMs);
    if (this.#state === "degraded") this.#judge();
  }

  #wentBadly(latencyMs: number, error: SignalboxError, broken: boolean): void {
    this.health.ended("failed", latencyMs);
    this.#deps.owner.linkFailed(this);
    if (broken && this.#http !== undefined && this.health.failuresInARow >= brokenMax)
      this.#lose(error);
    else this.#judge();
  }

  /** A call was refused for want of credentials. It may have been the call's own fault: the server is asked for its own. */
  unauthorized(): void {
    const lane = this.#anyLane();
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#closed || lane === undefined || nowMs < this.#doubtedMs + DOUBT_EVERY_MS) return;
    this.#doubtedMs = nowMs;
    void this.#ask(lane);
  }

  /** A call failed for want of a consent. Where all callers share it, that is the server's state. */
  consentNeeded(error: SignalboxError): void {
    if (error.details?.["shared"] !== true) return;
    this.#lastError = { error, at: this.#deps.clock.now() };
    this.#enter("needs_auth", error.message, error.code);
  }

  /** Somebody connected to the server, or disconnected: what it refused it may now grant. */
  credentialsChanged(): void {
    this.#backOff.succeeded();
    if (this.#state !== "needs_auth") return;
    const open = this.#anyLane() !== undefined;
    this.#enter(open ? "connected" : "idle", "its connections changed");
  }

  // A remote server's lanes do not notice that it is gone: calls do. What still runs may finish.
  #lose(error: SignalboxError, state: "reconnecting" | "needs_auth" = "reconnecting"): void {
    if (this.#closed || this.#sharedWasLost || this.#anyLane() === undefined) return;
    const era = this.#era;
    this.#backOff.failed();
    this.#lastError = { error, at: this.#deps.clock.now() };
    this.#log.warn({ code: error.code, endpoint: this.id }, error.message);
    this.#retireAll();
    this.#era = era;
    this.#enter(state, error.message, error.code);
    this.#sharedLost();
  }

  #judge(): void {
    const poor = this.health.ejected || this.health.score < degradedBelow;
    if (poor && this.#state === "connected") this.#enter("degraded", "too many of its calls fail");
    else if (!poor && this.#state === "degraded") this.#enter("connected", "its calls succeed");
  }

  /** The lane for `key` if it is open: the hot path, which waits for nothing. */
  laneNow(key: LaneKey): Lane | undefined {
    const modern = this.#modern;
    if (modern !== undefined && !modern.closed && !this.#wantsOwn(key)) return modern;
    const slot = this.#slotOf(key);
    if (slot?.lane === undefined || slot.lane.closed) return undefined;
    slot.usedAtMs = this.#deps.clock.monotonicMs();
    return slot.lane;
  }

  /**
   * The lane for `key`, opened where needed. Rejects with the SignalboxError of the opening, or with the
   * signal's reason; the opening itself goes on for the others who wait.
   */
  async lane(key: LaneKey, signal: AbortSignal): Promise<Lane> {
    signal.throwIfAborted();
    const now = this.laneNow(key);
    if (now !== undefined) return now;
    return abandonable(this.#laneSoon(key), signal);
  }

  /** Closes a client session's lane. */
  release(sessionId: string): void {
    const slot = this.#sessions.get(sessionId);
    if (slot === undefined) return;
    this.#sessions.delete(sessionId);
    this.#ownLoops.delete(sessionId);
    this.#drop(slot);
  }

  /** Replaces the set of resources whose updates the shared lane asks for; resolves once the server has taken it. */
  async setResourceInterest(uris: ReadonlySet<string>): Promise<void> {
    this.#resources = uris;
    await this.#subscriptions?.watch(uris);
  }

  /** How many lanes are open. */
  get openLanes(): number {
    let count = 0;
    for (const { lane } of this.#slots()) if (lane !== undefined && !lane.closed) count++;
    return count;
  }

  /** Closes the lane that was opened for one call. */
  releaseOnce(id: string): void {
    const slot = this.#principals.get(id);
    if (slot === undefined) return;
    this.#principals.delete(id);
    this.#drop(slot);
  }

  /** The processes behind its lanes. */
  get stdioLanes(): StdioLane[] {
    return this.#slots().flatMap(({ lane }) => (lane instanceof StdioLane ? [lane] : []));
  }

  /** Closes every lane and connection; calls in flight fail. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#tending);
    clearTimeout(this.#turn?.timer);
    this.#turn?.come.resolve();
    this.#subscriptions?.stop();
    const lanes: Lane[] = [];
    for (const slot of this.#slots()) {
      slot.abort?.abort(this.#goneError());
      if (slot.lane !== undefined) lanes.push(slot.lane);
    }
    for (const [lane, timer] of this.#retired) {
      clearTimeout(timer);
      lanes.push(lane);
    }
    this.#principals.clear();
    this.#sessions.clear();
    await Promise.allSettled(lanes.map((lane) => lane.close()));
    await this.#http?.close();
    this.#log.debug({ lanes: lanes.length }, "Closed");
    this.#enter("idle", "closed");
  }

  // --- opening

  async #laneSoon(key: LaneKey): Promise<Lane> {
    if (this.#wantsLegacy(key)) {
      const lane = await this.#legacyLane(key);
      if (lane !== undefined) return lane;
    } else if (key.kind !== "shared" && this.#era === "modern" && !this.#keepsApart) {
      const lane = await this.#opened(this.#shared);
      if (lane.era === "modern") return lane;
    }
    const slot = this.#slotFor(key);
    const lane = await this.#opened(slot);
    if (lane.era !== "modern" || slot === this.#shared || this.#keepsApart) return lane;
    // The server turned out to be modern: this lane was made for one client, the shared one is for all.
    this.#forget(slot);
    this.#drop(slot);
    return this.#opened(this.#shared);
  }

  // A server that speaks both eras meets a legacy client in the client's own, where nothing has to be bridged. One
  // that refuses is modern only, and is remembered as such until its shared lane is opened anew.
  async #legacyLane(key: LaneKey): Promise<Lane | undefined> {
    if (this.#era === undefined) await this.#opened(this.#shared);
    const slot = this.#slotFor(key);
    slot.tentative = this.#era === "modern";
    const verdict = this.#http?.verdict;
    try {
      const lane = await this.#opened(slot);
      return lane.era === "legacy" ? lane : undefined;
    } catch (error) {
      if (!slot.tentative || !isSignalboxError(error)) throw error;
      if (error.code !== "SERVER_REFUSED" && error.code !== "SERVER_GARBAGE") throw error;
      this.#modernOnly = true;
      if (this.#http !== undefined) this.#http.verdict ??= verdict;
      return undefined;
    }
  }

  #wantsOwn(key: LaneKey): boolean {
    return (this.#keepsApart && key.kind !== "shared") || this.#wantsLegacy(key);
  }

  #wantsLegacy(key: LaneKey): boolean {
    return key.kind === "session" && this.servesLegacy;
  }

  #opened(slot: LaneSlot): Promise<Lane> {
    if (slot.lane !== undefined && !slot.lane.closed) return Promise.resolve(slot.lane);
    slot.opening ??= this.#open(slot).finally(() => {
      slot.opening = undefined;
    });
    return slot.opening;
  }

  async #open(slot: LaneSlot): Promise<Lane> {
    try {
      const waitMs = this.#waitMs();
      if (waitMs > 0 && waitMs <= PATIENCE_MS && this.#backOff.remainingMs <= 0)
        await this.#turn?.come.promise;
      this.#checkMayOpen();
      this.#enter("connecting", `a ${slot.key.kind} lane is wanted`);
      const lane = await this.#connect(slot);
      if (this.#closed || slot.released) {
        void lane.close();
        throw this.#goneError();
      }
      this.#succeeded(slot, lane);
      return lane;
    } catch (error) {
      if (slot !== this.#shared) this.#forget(slot);
      throw error;
    }
  }

  #checkMayOpen(): void {
    if (this.#closed) throw this.#goneError();
    if (this.definition.problem !== undefined && this.#lastError !== undefined)
      throw this.#lastError.error;
    if (this.#state === "disabled")
      throw failureOf(this.name, "SERVER_DISABLED", "is disabled in its configuration");
    const crashLoop = this.#deps.processes?.crashLoop;
    if (crashLoop !== undefined && crashLoop.retryAfterMs > 0) throw this.#loopingError(crashLoop);
    const waitMs = this.#waitMs();
    if (waitMs <= 0 || this.#lastError === undefined) return;
    const { code, message, details } = this.#lastError.error;
    throw new SignalboxError(code, message, {
      cause: this.#lastError.error,
      details: { ...details, retryAfterMs: Math.ceil(waitMs) },
    });
  }

  /** Until it may be opened: the back-off has to be over, and its turn among all links that open again to have come. */
  #waitMs(): number {
    const { remainingMs } = this.#backOff;
    const mayOpen = this.#anyLane() !== undefined && !this.#sharedWasLost;
    if (this.#turn === undefined || mayOpen) return remainingMs;
    return Math.max(remainingMs, this.#turn.atMs - this.#deps.clock.monotonicMs());
  }

  async #connect(slot: LaneSlot): Promise<Lane> {
    const abort = new AbortController();
    slot.abort = abort;
    const lane = slot.key.kind;
    const begunMs = this.#deps.clock.monotonicMs();
    this.#openingSinceMs = Math.min(this.#openingSinceMs, begunMs);
    this.#log.debug({ lane }, "Connecting");
    const timeoutMs = this.#openTimeoutMs();
    // The transports keep this bound themselves and say more when they do; this one makes it certain.
    const timer = setTimeout(
      () =>
        abort.abort(failureOf(this.name, "SERVER_TIMEOUT", `did not open within ${timeoutMs} ms`)),
      timeoutMs + 1000,
    );
    try {
      const opened = await this.#openTransport(slot, abort.signal);
      if (slot === this.#shared && this.#sharedWasLost) await this.#prove(opened, abort.signal);
      const duration = Math.round(this.#deps.clock.monotonicMs() - begunMs);
      const { era, revision } = opened;
      this.#log.debug({ lane, era, revision, duration }, "Connected");
      return opened;
    } catch (thrown) {
      const error = this.#asFailure(abort.signal.aborted ? abort.signal.reason : thrown);
      if (!slot.released && !slot.tentative && !this.#closed) this.#failed(slot, error);
      throw error;
    } finally {
      clearTimeout(timer);
      slot.abort = undefined;
      this.#openingSinceMs = Infinity;
    }
  }

  // A modern lane to a server that is known opens without a word to it: after a loss the server has to answer first.
  async #prove(lane: Lane, signal: AbortSignal): Promise<void> {
    if (this.#http === undefined || lane.era !== "modern") return;
    const params = { _meta: modernMeta(this.#contextOf(this.#shared.key)) };
    try {
      await ask(lane, "server/discover", params, {
        timeoutMs: this.#deps.connectTimeoutMs,
        signal,
      });
    } catch (error) {
      void lane.close();
      throw error;
    }
  }

  // A process may have to wait for its turn to start, and has its own time from then on.
  #openTimeoutMs(): number {
    const { processes, connectTimeoutMs } = this.#deps;
    if (processes === undefined) return connectTimeoutMs;
    return (processes.options.start_timeout ?? connectTimeoutMs) + START_QUEUE_MS;
  }

  #openTransport(slot: LaneSlot, signal: AbortSignal): Promise<Lane> {
    const { service } = this.definition;
    const options = this.#optionsFor(slot);
    const context = this.#contextOf(slot.key, signal);
    const deps = this.#transportDeps();
    if (service !== undefined) return openInProcess(service, context, slot, deps);
    if (options.command !== undefined) return this.#openProcess(options, context, slot, deps);
    return this.#openRemote(context, slot, deps);
  }

  async #openProcess(
    options: ServerOptions,
    context: LaneContext,
    slot: LaneSlot,
    deps: TransportDeps,
  ): Promise<Lane> {
    const { processes, stderr } = this.#deps;
    const own = this.#ownLoopOf(slot.key);
    if (own !== undefined && own.retryAfterMs > 0) throw this.#loopingError(own);
    const life = processes?.crashLoop.start();
    if (processes !== undefined && life === undefined)
      throw this.#loopingError(processes.crashLoop);
    try {
      const lane = await openStdio(options, context, slot, {
        ...deps,
        stderr,
        ...(processes && {
          process: processes.options,
          processesMax: processes.processesMax,
          ...(processes.starts && { processes: processes.starts }),
          ...(processes.cgroupFolder && { cgroupFolder: processes.cgroupFolder }),
          ...(processes.home !== undefined && { home: processes.home }),
        }),
      });
      slot.life = slot === this.#shared ? life : ownLife(life, own?.start());
      return lane;
    } catch (error) {
      if (isSignalboxError(error) && error.code === "SERVER_CRASHED") life?.crashed();
      else life?.closed();
      throw error;
    }
  }

  // A process that one client's calls end again and again is in a crash loop of that client's.
  #ownLoopOf(key: LaneKey): CrashLoop | undefined {
    if (key.kind === "shared" || (key.kind === "principal" && key.once === true)) return undefined;
    const known = this.#ownLoops.get(key.id);
    if (known !== undefined) return known;
    const [oldest] = this.#ownLoops.keys();
    if (oldest !== undefined && this.#ownLoops.size >= OWN_LOOPS_MAX) this.#ownLoops.delete(oldest);
    const loop = new CrashLoop(this.#deps.clock);
    this.#ownLoops.set(key.id, loop);
    return loop;
  }

  #loopingError(crashLoop: CrashLoop): SignalboxError {
    const { recentEnds, retryAfterMs } = crashLoop.explain();
    const why = this.#lastError === undefined ? "" : `: ${this.#lastError.error.message}`;
    return failureOf(
      this.name,
      "SERVER_CRASH_LOOP",
      `ended ${recentEnds} times within a minute and is started again only now and then${why}`,
      { details: { retryAfterMs } },
    );
  }

  #openRemote(context: LaneContext, slot: LaneSlot, deps: TransportDeps): Promise<Lane> {
    const { url } = this.endpoint;
    if (this.#http === undefined || url === undefined)
      return Promise.reject(failureOf(this.name, "SERVER_UNREACHABLE", "has no address"));
    const options = { ...this.#optionsFor(slot), url };
    const open = options.transport === "http-sse" ? openHttpSse : openStreamableHttp;
    return open(options, context, slot, { ...deps, endpoint: this.#http });
  }

  #optionsFor(slot: LaneSlot): ServerOptions {
    const { options } = this.definition;
    return slot.tentative ? { ...options, protocol_era: "legacy" } : options;
  }

  #contextOf(key: LaneKey, signal?: AbortSignal): LaneContext {
    const context = this.#plainContextOf(key, signal);
    const { credentials: of } = this.#deps;
    return of === undefined
      ? context
      : { ...context, credentials: { of, subject: subjectOf(key) } };
  }

  #plainContextOf(key: LaneKey, signal?: AbortSignal): LaneContext {
    const { options } = this.definition;
    if (key.kind !== "session") {
      return {
        clientInfo: this.#deps.clientInfo,
        capabilities: offeredCapabilities({}, options),
        shared: true,
        ...(signal && { signal }),
      };
    }
    return {
      clientInfo: key.clientInfo,
      capabilities: offeredCapabilities(key.capabilities, options),
      shared: false,
      ...(key.revision && { revision: key.revision }),
      ...(signal && { signal }),
    };
  }

  #transportDeps(): TransportDeps {
    const { clock, metrics, responseBytesMax, inspectBytesMax, held, connectTimeoutMs } =
      this.#deps;
    return {
      serverName: this.name,
      log: this.#log,
      clock,
      ...(metrics && { metrics }),
      responseBytesMax,
      inspectBytesMax,
      held,
      connectTimeoutMs,
    };
  }

  #succeeded(slot: LaneSlot, lane: Lane): void {
    this.#backOff.succeeded();
    if (slot === this.#shared || this.#era === undefined) {
      this.#era = lane.era;
      this.#revision = lane.revision;
    }
    const { capabilities, serverInfo, instructions } = lane;
    const introduction = { capabilities, serverInfo, ...(instructions && { instructions }) };
    this.#deps.owner.linkIntroduced(this, introduction, slot === this.#shared);
    if (slot.key.kind === "session") slot.key.opened?.(lane);
    slot.opened(lane, this.#deps.clock.monotonicMs());
    if (slot === this.#shared) this.#sharedOpened(lane);
    this.#enter("connected", `speaks ${lane.revision}`);
    this.#tending ??= setInterval(() => this.#tend(), this.#tendEveryMs()).unref();
  }

  #sharedOpened(lane: Lane): void {
    this.#modern = lane.era === "modern" ? lane : undefined;
    this.#modernOnly = false;
    this.#subscriptions?.stop();
    this.#subscriptions = subscriptionsOf({
      lane,
      meta: modernMeta(this.#contextOf(this.#shared.key)),
      listener: this,
      log: this.#log,
      clock: this.#deps.clock,
      serverName: this.name,
    });
    void this.#subscriptions.watch(this.#resources);
    void this.#fill(lane);
    this.#sharedWasLost = false;
    if (!this.#wasMissed) return;
    this.#wasMissed = false;
    // A server that was away may be another one now, whether it reports changes or not.
    for (const kind of offeredKinds(lane)) this.listChanged(kind);
    for (const uri of this.#resources) this.resourceUpdated(uri);
  }

  #failed(slot: LaneSlot, error: SignalboxError): void {
    // What the gateway itself refuses is no reason to leave the server in peace: whoever asks next may have more luck.
    if (isOwnRefusal(error)) {
      if (this.#state === "connecting") this.#enter("error", error.message, error.code);
      return;
    }
    if (error.code === "CONSENT_NEEDED") {
      this.#notConsented(error);
      return;
    }
    const isOld = isFailing(this.#state) && this.#lastError?.error.code === error.code;
    this.#log[isOld ? "debug" : "warn"]({ code: error.code, endpoint: this.id }, error.message);
    // Nor is what it refuses to one client while it serves others.
    const isForOne = slot !== this.#shared && this.#anyLane() !== undefined;
    if (isForOne && classify(error).kind === "non_retryable") return;
    this.#backOff.failed();
    this.#lastError = { error, at: this.#deps.clock.now() };
    if (this.#anyLane() !== undefined) this.#failedBeside(error);
    else if (error.code === "SERVER_UNAUTHORIZED")
      this.#enter("needs_auth", error.message, error.code);
    else if (!this.#sharedWasLost || this.#backOff.failures > fastReopensMax)
      this.#enter("error", error.message, error.code);
    else this.#enter("reconnecting", error.message, error.code);
    if (this.#shared.lane !== undefined) return;
    this.#wasMissed = true;
    this.#reopenLater();
  }

  // An endpoint that opens no more lanes is not well, though those that are open may not notice.
  #failedBeside(error: SignalboxError): void {
    const { kind } = classify(error);
    if (kind === "non_retryable" || kind === "throttled" || this.#http === undefined) return;
    this.health.started();
    this.#wentBadly(0, error, kind === "network");
  }

  // One caller's missing consent is no reason to leave the server in peace: the next one may have given it.
  #notConsented(error: SignalboxError): void {
    this.#log.debug({ code: error.code, endpoint: this.id }, error.message);
    if (this.#anyLane() !== undefined) return;
    this.#lastError = { error, at: this.#deps.clock.now() };
    this.#enter("needs_auth", error.message, error.code);
  }

  // --- what slots and subscriptions report

  listChanged(kind: ListKind): void {
    this.#deps.owner.listChanged(this, kind);
  }

  resourceUpdated(uri: string): void {
    this.#deps.owner.resourceUpdated(this, uri);
  }

  /** A notification on a lane of the gateway's own. */
  slotNotification(slot: LaneSlot, message: JsonRpcNotification): void {
    if (slot === this.#shared || this.#shared.lane === undefined) report(message, this);
  }

  /** The server forgot the session of a lane and has a new one. */
  slotRenewed(slot: LaneSlot): void {
    if (slot !== this.#shared) return;
    this.#subscriptions?.renew();
    for (const kind of kindsOf(slot.lane ?? { capabilities: {} })) this.listChanged(kind);
  }

  slotClosed(slot: LaneSlot, error: SignalboxError): void {
    if (this.#closed) return;
    const livedMs = this.#deps.clock.monotonicMs() - slot.openedAtMs;
    if (error.code === "SERVER_CRASHED") slot.life?.crashed();
    else slot.life?.closed();
    if (slot !== this.#shared) this.#forget(slot);
    this.#lastError = { error, at: this.#deps.clock.now() };
    // What one client's calls do to its own lane is not held against the others.
    if (livedMs < shortLifeMs && slot === this.#shared) this.#backOff.failed();
    this.#log.warn({ code: error.code }, error.message);
    if (slot === this.#shared) this.#sharedLost();
    if (this.#anyLane() === undefined) {
      this.#enter(
        this.#sharedWasLost && this.#turn !== undefined ? "reconnecting" : "error",
        error.message,
        error.code,
      );
    }
  }

  #sharedLost(): void {
    this.#modern = undefined;
    this.#sharedWasLost = true;
    this.#wasMissed = true;
    this.#subscriptions?.stop();
    this.#subscriptions = undefined;
    this.#deps.owner.linkLost(this);
    this.#reopenLater();
  }

  // A link that could not be opened, or was lost, is opened by itself and not by calls, which would wait for it in vain.
  // After an outage of many servers the gateway must not be the one that keeps them down: all links together open no
  // more lanes a second than the rate lets them.
  #reopenLater(leastMs = 10): void {
    if (this.#closed || this.#turn !== undefined) return;
    const slow = this.#backOff.failures > fastReopensMax || this.#state === "needs_auth";
    const slowMs = slow ? this.#deps.pool.max_reconnect_backoff : leastMs;
    const delayMs = this.#deps.reconnects.reserve(Math.max(this.#backOff.remainingMs, slowMs));
    this.#turn = {
      atMs: this.#deps.clock.monotonicMs() + delayMs,
      timer: setTimeout(() => void this.#reopen(), delayMs).unref(),
      come: Promise.withResolvers(),
    };
  }

  async #reopen(): Promise<void> {
    const turn = this.#turn;
    this.#turn = undefined;
    turn?.come.resolve();
    try {
      await this.#opened(this.#shared);
    } catch (error) {
      const refusal = isSignalboxError(error) && isOwnRefusal(error) ? error : undefined;
      const retryAfterMs = refusal?.details?.["retryAfterMs"];
      const { reconnect_backoff } = this.#deps.pool;
      this.#reopenLater(typeof retryAfterMs === "number" ? retryAfterMs : reconnect_backoff);
    }
  }

  // --- tending what is open

  // No two links at the same pace: what was opened together is not asked together for ever.
  #tendEveryMs(): number {
    return this.#deps.tendEveryMs * (1 + TEND_JITTER * (2 * this.#deps.random() - 1));
  }

  #tend(): void {
    this.#reap();
    if (this.health.inFlight === 0) this.#closeRetired();
    if (this.#anyLane() === undefined && this.#state === "connected")
      this.#enter("idle", "nobody has used it for a while");
    void this.#reprobe();
    void this.#check();
  }

  // A client's session with a remote server costs little and may hold much, so it lasts as long as the client's.
  #reap(): void {
    const options = this.#deps.processes?.options;
    const ownMs =
      options === undefined ? this.#deps.principalIdleMs : idleTimeoutOf(options, "session");
    const sharedMs = options === undefined ? undefined : idleTimeoutOf(options, "shared");
    const slots = [...this.#principals.values()];
    if (options !== undefined) slots.push(...this.#sessions.values());
    for (const slot of slots) {
      if (!this.#isIdle(slot, ownMs)) continue;
      this.#forget(slot);
      this.#drop(slot);
    }
    if (!this.#isIdle(this.#shared, sharedMs)) return;
    this.#subscriptions?.stop();
    this.#subscriptions = undefined;
    this.#modern = undefined;
    this.#drop(this.#shared);
    this.#shared = new LaneSlot({ kind: "shared" }, this);
  }

  #isIdle({ lane, usedAtMs }: LaneSlot, idleMs: number | undefined): boolean {
    if (lane === undefined || idleMs === undefined) return false;
    if (lane instanceof StdioLane && lane.busy) return false;
    return usedAtMs <= this.#deps.clock.monotonicMs() - idleMs;
  }

  // Calls tell how a link does. Where none went over it since the last look it is asked itself, in its era's way.
  async #check(): Promise<void> {
    const lane = this.#shared.lane;
    const quiet = this.#ended === this.#endedBefore;
    this.#endedBefore = this.#ended;
    if (!quiet || lane === undefined || lane.closed || this.definition.service !== undefined)
      return;
    await this.#ask(lane);
    void this.#fill(lane);
  }

  // So many connections are to be open before they are needed: as many questions at once open them.
  async #fill(lane: Lane): Promise<void> {
    const missing = this.#deps.pool.min_connections - (this.#http?.connections.open ?? Infinity);
    if (missing <= 0 || lane.closed) return;
    await Promise.all(Array.from({ length: missing }, () => this.#ask(lane)));
  }

  async #ask(lane: Lane): Promise<void> {
    const startedMs = this.#deps.clock.monotonicMs();
    const modern = lane.era === "modern";
    const params = modern ? { _meta: modernMeta(this.#contextOf(this.#shared.key)) } : undefined;
    this.health.started();
    try {
      await ask(lane, modern ? "server/discover" : "ping", params, {
        timeoutMs: this.#deps.connectTimeoutMs,
      });
      this.#wentWell(this.#deps.clock.monotonicMs() - startedMs);
    } catch (thrown) {
      const error = this.#asFailure(thrown);
      this.#log.debug({ endpoint: this.id, err: error }, "The health check failed");
      if (lacksCredentials(error)) {
        this.health.abandoned();
        this.#lose(error, "needs_auth");
        return;
      }
      if (this.#hadNoRoom(error)) {
        this.health.abandoned();
        return;
      }
      const tookMs = this.#deps.clock.monotonicMs() - startedMs;
      this.#wentBadly(tookMs, error, classify(error).kind === "network");
    }
  }

  /** A question that never left, because calls had all connections: they tell how the link does. */
  #hadNoRoom({ code, details }: SignalboxError): boolean {
    const { busy = 0, max = 1 } = this.connections ?? {};
    return code === "SERVER_TIMEOUT" && details?.["delivered"] === "no" && busy >= max;
  }

  // A server may be upgraded while its legacy session still works: the verdict is asked for anew every day.
  async #reprobe(): Promise<void> {
    const { options } = this.definition;
    const endpoint = this.#http;
    if (endpoint === undefined || this.#reprobing || this.#shared.lane === undefined) return;
    if ((options.protocol_era ?? "auto") !== "auto" || options.transport === "http-sse") return;
    if (isFresh(endpoint.verdict, this.#deps.clock.now())) return;
    this.#reprobing = true;
    try {
      await this.#renewVerdict(endpoint);
    } catch (error) {
      this.#log.debug({ err: error }, "the era could not be asked for again");
    } finally {
      this.#reprobing = false;
    }
  }

  async #renewVerdict(endpoint: HttpEndpoint): Promise<void> {
    const finding = await probeEra(endpoint, {
      serverName: this.name,
      context: this.#contextOf({ kind: "shared" }),
      timeoutMs: this.#deps.connectTimeoutMs,
    });
    if (finding.kind === "unproven" || this.#closed) return;
    const at = this.#deps.clock.now();
    endpoint.verdict =
      finding.kind === "modern"
        ? { era: "modern", at, discover: finding.discover }
        : { era: "legacy", at, provisional: false };
    if (finding.kind !== "modern" && this.#shared.lane?.era === "legacy") return;
    this.#retireAll();
    await this.#opened(this.#shared);
  }

  /** New calls get new lanes; the old ones may finish theirs. */
  #retireAll(): void {
    this.#subscriptions?.stop();
    this.#subscriptions = undefined;
    this.#modern = undefined;
    this.#era = undefined;
    for (const slot of [this.#shared, ...this.#principals.values()]) this.#retire(slot);
    this.#shared = new LaneSlot({ kind: "shared" }, this);
    this.#principals.clear();
  }

  #retire(slot: LaneSlot): void {
    slot.released = true;
    const { lane } = slot;
    if (lane === undefined) return;
    const close = (): void => {
      this.#retired.delete(lane);
      void lane.close();
    };
    this.#retired.set(lane, setTimeout(close, retireMs).unref());
  }

  #closeRetired(): void {
    for (const [lane, timer] of this.#retired) {
      clearTimeout(timer);
      void lane.close();
    }
    this.#retired.clear();
  }

  // --- slots

  #slotOf(key: LaneKey): LaneSlot | undefined {
    if (key.kind === "shared") return this.#shared;
    return (key.kind === "session" ? this.#sessions : this.#principals).get(key.id);
  }

  #slotFor(key: LaneKey): LaneSlot {
    const known = this.#slotOf(key);
    if (known !== undefined || key.kind === "shared") return known ?? this.#shared;
    if (key.kind === "session" && key.over?.() === true)
      throw failureOf(this.name, "SESSION_NOT_FOUND", "is not opened for a session that has ended");
    const { lanesMax } = this.#deps;
    if (this.#principals.size + this.#sessions.size >= lanesMax)
      throw failureOf(
        this.name,
        "SESSION_LIMIT",
        `has ${lanesMax} sessions open, which is the limit`,
      );
    const slot = new LaneSlot(key, this);
    (key.kind === "session" ? this.#sessions : this.#principals).set(key.id, slot);
    return slot;
  }

  #forget(slot: LaneSlot): void {
    const { key } = slot;
    if (key.kind === "shared") return;
    const slots = key.kind === "session" ? this.#sessions : this.#principals;
    if (slots.get(key.id) === slot) slots.delete(key.id);
  }

  #drop(slot: LaneSlot): void {
    slot.released = true;
    slot.abort?.abort(this.#goneError());
    const { lane } = slot;
    slot.lane = undefined;
    slot.life?.closed();
    if (lane !== undefined) void lane.close();
  }

  #slots(): LaneSlot[] {
    return [this.#shared, ...this.#principals.values(), ...this.#sessions.values()];
  }

  #anyLane(): Lane | undefined {
    if (this.#shared.lane !== undefined && !this.#shared.lane.closed) return this.#shared.lane;
    for (const slots of [this.#principals, this.#sessions])
      for (const { lane } of slots.values()) if (lane !== undefined && !lane.closed) return lane;
    return undefined;
  }

  // ---

  #enter(state: LinkState, reason: string, code?: string): void {
    if (this.#state === state || this.#state === "disabled") return;
    // One that fails goes on failing until it is open: that it is tried again is no news.
    if (state === "connecting" && (this.#anyLane() !== undefined || isFailing(this.#state))) return;
    this.#state = state;
    if (!this.#draining) this.#note(state, reason, code);
  }

  #note(state: LinkState, reason: string, code?: string): void {
    const transition = this.history.enter(state, this.#deps.clock.now(), reason, code);
    this.#deps.owner.linkChanged(this, transition);
  }

  #goneError(): SignalboxError {
    return failureOf(this.name, "SERVER_CLOSED", "was disconnected by the gateway");
  }

  #asFailure(thrown: unknown): SignalboxError {
    return isSignalboxError(thrown)
      ? thrown
      : failureOf(this.name, "SERVER_UNREACHABLE", "could not be opened", { cause: thrown });
  }
}

/** One client's process: that it has started tells of the server, how it ends of the client's calls. */
function ownLife(servers: Life | undefined, own: Life | undefined): Life {
  return {
    crashed: () => {
      servers?.closed();
      own?.crashed();
    },
    closed: () => {
      servers?.closed();
      own?.closed();
    },
  };
}

function isOwnRefusal({ code }: SignalboxError): boolean {
  return code === "PROCESS_LIMIT" || code === "SESSION_LIMIT" || code === "SERVER_CRASH_LOOP";
}

/** Whether the server refuses whoever asks it so, and not this call alone. */
export function lacksCredentials({ code, details }: SignalboxError): boolean {
  return code === "SERVER_UNAUTHORIZED" && details?.["status"] === 401;
}

function subjectOf(key: LaneKey): string | undefined {
  if (key.kind === "shared") return undefined;
  return key.kind === "principal" ? key.id : key.principalId;
}

function abandonable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason);
    signal.addEventListener("abort", abandon, { once: true });
    promise.finally(() => signal.removeEventListener("abort", abandon)).then(resolve, reject);
  });
}
