// One configured server and the lanes to it.
//
//   idle ──lane()──▶ connecting ──▶ connected ──lane gone──▶ idle or error
//                        └─failed─▶ error ──after a back-off, lane()──▶ connecting
//
// Who shares a lane: a modern server keeps nothing between requests, so all use one. A legacy server may
// keep anything in a session, so each client session, or each principal, has its own; the shared one
// serves the catalog. A lane is opened once however many ask for it, and a server that fails is left in
// peace: during the back-off everyone gets the last error at once.
import {
  Emitter,
  isSignalboxError,
  SignalboxError,
  type Clock,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import { type Era, type JsonObject, type JsonRpcNotification } from "../protocol/index.ts";
import { BackOff } from "./back-off.ts";
import { modernMeta, probeEra } from "./era-probe.ts";
import { isFresh } from "./era-verdict.ts";
import { LaneSlot, type LaneKey, type SlotOwner } from "./lane-slot.ts";
import type { Lane, LaneContext, TransportDeps } from "./lane.ts";
import { offeredCapabilities } from "./local-answers.ts";
import type { ServerDefinition, ServerOptions } from "./server-options.ts";
import type { ServerState, ServerStatus } from "./server-status.ts";
import {
  kindsOf,
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
import { StderrRing } from "./transports/stderr-ring.ts";
import { StdioLane, open as openStdio } from "./transports/stdio.ts";
import { open as openStreamableHttp } from "./transports/streamable-http.ts";

/** What the gateway sets for all servers. */
export interface UpstreamOptions {
  /** Who the gateway says it is on its own lanes. */
  clientInfo: JsonObject;
  /** Longest opening of a lane, a local process's start included; default 30 s. */
  connectTimeoutMs?: number;
  /** Default 64 MiB; a server's `response_bytes_max` overrides it. */
  responseBytesMax?: number;
  /** Default 1 MiB. */
  inspectBytesMax?: number;
  /** A principal's lane is closed when unused for so long; default 10 min. */
  principalIdleMs?: number;
  /** Lanes of principals and sessions together; default 10,000. */
  lanesMax?: number;
  /** How often idle lanes and old verdicts are looked for; default 30 s. */
  tendEveryMs?: number;
}

export interface UpstreamDeps {
  log: Log;
  clock: Clock;
  metrics?: Metrics;
  options: UpstreamOptions;
}

/** What a server says of itself when a lane to it opens. */
export interface Introduction {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions?: string;
}

// A type and not an interface, because an emitter's events are a record.
export type UpstreamEvents = {
  listChanged: { kind: ListKind };
  resourceUpdated: { uri: string };
  stateChanged: ServerStatus;
};

/** A lane that is lost sooner after its opening counts as a failed opening. */
const shortLifeMs = 10_000;
/** How often a lost shared lane is opened again without anyone asking. */
const reopensMax = 10;
/** An old lane that was replaced may finish its calls for so long. */
const retireMs = 10 * 60_000;

/** One configured server. */
export class UpstreamServer implements SlotOwner, ReportListener {
  readonly definition: ServerDefinition;
  readonly events = new Emitter<UpstreamEvents>();
  readonly #deps: UpstreamDeps;
  readonly #log: Log;
  readonly #backOff: BackOff;
  readonly #stderr = new StderrRing();
  readonly #endpoints: (HttpEndpoint | undefined)[] = [];
  #shared: LaneSlot;
  readonly #principals = new Map<string, LaneSlot>();
  readonly #sessions = new Map<string, LaneSlot>();
  readonly #retired = new Map<Lane, NodeJS.Timeout>();
  #endpointIndex = 0;
  /** The one lane of a modern server, for everyone. */
  #modern: Lane | undefined;
  #era: Era | undefined;
  #revision: string | undefined;
  #lastError: { error: SignalboxError; at: number } | undefined;
  #state: ServerState;
  #since: number;
  #subscriptions: Subscriptions | undefined;
  #resources: ReadonlySet<string> = new Set();
  #sharedWasLost = false;
  #tending: NodeJS.Timeout | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #reprobing = false;
  #calls = 0;
  #errors = 0;
  /** A client session's `initialize` was refused by a server that speaks the modern era. */
  #modernOnly = false;
  #introduction: Introduction | undefined;
  #closed = false;

  constructor(definition: ServerDefinition, deps: UpstreamDeps) {
    this.definition = definition;
    this.#deps = deps;
    this.#log = deps.log.child({ area: "upstream", serverId: definition.name });
    this.#backOff = new BackOff(deps.clock);
    this.#shared = new LaneSlot({ kind: "shared" }, this);
    this.#state = definition.options.enabled === false ? "disabled" : "idle";
    this.#since = deps.clock.now();
  }

  get name(): string {
    return this.definition.name;
  }

  /** A local process or a service of this one: nothing that a session of its own would cost little for. */
  get local(): boolean {
    const { service, options } = this.definition;
    return service !== undefined || options.command !== undefined;
  }

  /** Whether legacy clients are served in their own era; assumed until the server has refused it. */
  get servesLegacy(): boolean {
    const { service, options } = this.definition;
    return service === undefined && options.protocol_era !== "modern" && !this.#modernOnly;
  }

  /** How the server last introduced itself; undefined before its first lane was open. */
  get introduction(): Introduction | undefined {
    return this.#introduction;
  }

  /** The lane for `key` if it is open: the hot path, which waits for nothing. */
  laneNow(key: LaneKey): Lane | undefined {
    const modern = this.#modern;
    if (modern !== undefined && !modern.closed && !this.#wantsLegacy(key)) return modern;
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
    this.#drop(slot);
  }

  /** Replaces the set of resources whose updates the shared lane asks for; resolves once the server has taken it. */
  async setResourceInterest(uris: ReadonlySet<string>): Promise<void> {
    this.#resources = uris;
    await this.#subscriptions?.watch(uris);
  }

  /** Counts a finished call, for the status. */
  recordCall(failed: boolean): void {
    this.#calls++;
    if (failed) this.#errors++;
  }

  status(): ServerStatus {
    const lane = this.#anyLane();
    const probedAt = this.#eraProbedAt(lane);
    return {
      name: this.name,
      transport: transportOf(this.definition),
      state: this.#state,
      since: this.#since,
      calls: this.#calls,
      errors: this.#errors,
      ...(this.#era && { era: this.#era }),
      ...(this.#revision && { revision: this.#revision }),
      ...(this.#lastError && {
        lastError: {
          code: this.#lastError.error.code,
          message: this.#lastError.error.message,
          at: this.#lastError.at,
        },
      }),
      ...(lane instanceof StdioLane && { pid: lane.pid, skippedLines: lane.skippedLines }),
      ...(probedAt !== undefined && { era_probed_at: probedAt }),
    };
  }

  /** How many lanes are open. */
  get openLanes(): number {
    let count = 0;
    for (const { lane } of this.#slots()) if (lane !== undefined && !lane.closed) count++;
    return count;
  }

  /** The last lines of a local process's standard error. */
  stderr(): string[] {
    return this.#stderr.lines();
  }

  /** Closes every lane and connection; calls in flight fail. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#tending);
    clearTimeout(this.#reopening);
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
    await Promise.allSettled(this.#endpoints.map(async (endpoint) => endpoint?.close()));
    this.#log.debug({ lanes: lanes.length }, "Closed");
    this.#enter("idle");
  }

  // --- opening

  async #laneSoon(key: LaneKey): Promise<Lane> {
    if (this.#wantsLegacy(key)) {
      const lane = await this.#legacyLane(key);
      if (lane !== undefined) return lane;
    } else if (key.kind !== "shared" && this.#era === "modern") {
      const lane = await this.#opened(this.#shared);
      if (lane.era === "modern") return lane;
    }
    const slot = this.#slotFor(key);
    const lane = await this.#opened(slot);
    if (lane.era !== "modern" || slot === this.#shared) return lane;
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
    const verdict = this.#endpoints[this.#endpointIndex]?.verdict;
    try {
      const lane = await this.#opened(slot);
      return lane.era === "legacy" ? lane : undefined;
    } catch (error) {
      if (!slot.tentative || !isSignalboxError(error)) throw error;
      if (error.code !== "SERVER_REFUSED" && error.code !== "SERVER_GARBAGE") throw error;
      this.#modernOnly = true;
      const endpoint = this.#endpoints[this.#endpointIndex];
      if (endpoint !== undefined) endpoint.verdict ??= verdict;
      return undefined;
    }
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
      this.#checkMayOpen();
      this.#enter("connecting");
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
    if (this.#state === "disabled")
      throw failureOf(this.name, "SERVER_DISABLED", "is disabled in its configuration");
    const waitMs = this.#backOff.remainingMs;
    if (waitMs <= 0 || this.#lastError === undefined) return;
    const { code, message, details } = this.#lastError.error;
    throw new SignalboxError(code, message, {
      cause: this.#lastError.error,
      details: { ...details, retryAfterMs: Math.ceil(waitMs) },
    });
  }

  async #connect(slot: LaneSlot): Promise<Lane> {
    const abort = new AbortController();
    slot.abort = abort;
    const lane = slot.key.kind;
    const begunMs = this.#deps.clock.monotonicMs();
    this.#log.debug({ lane }, "Connecting");
    const timeoutMs = this.#connectTimeoutMs();
    // The transports keep this bound themselves and say more when they do; this one makes it certain.
    const timer = setTimeout(
      () =>
        abort.abort(failureOf(this.name, "SERVER_TIMEOUT", `did not open within ${timeoutMs} ms`)),
      timeoutMs + 1000,
    );
    try {
      const opened = await this.#openTransport(slot, abort.signal);
      const duration = Math.round(this.#deps.clock.monotonicMs() - begunMs);
      const { era, revision } = opened;
      this.#log.debug({ lane, era, revision, duration }, "Connected");
      return opened;
    } catch (thrown) {
      const error = this.#asFailure(abort.signal.aborted ? abort.signal.reason : thrown);
      if (!slot.released && !slot.tentative && !this.#closed) this.#failed(error);
      throw error;
    } finally {
      clearTimeout(timer);
      slot.abort = undefined;
    }
  }

  #openTransport(slot: LaneSlot, signal: AbortSignal): Promise<Lane> {
    const { service } = this.definition;
    const options = this.#optionsFor(slot);
    const context = this.#contextOf(slot.key, signal);
    const deps = this.#transportDeps();
    if (service !== undefined) return openInProcess(service, context, slot, deps);
    if (options.command !== undefined)
      return openStdio(options, context, slot, { ...deps, stderr: this.#stderr });
    return this.#openRemote(context, slot, deps);
  }

  /** Tries the endpoints in turn, beginning with the one that worked last. */
  async #openRemote(context: LaneContext, slot: LaneSlot, deps: TransportDeps): Promise<Lane> {
    const options = this.#optionsFor(slot);
    const open = options.transport === "http-sse" ? openHttpSse : openStreamableHttp;
    const urls = endpointsOf(options);
    let failure: unknown = failureOf(this.name, "SERVER_UNREACHABLE", "has no address");
    for (let tried = 0; tried < urls.length; tried++) {
      const index = (this.#endpointIndex + tried) % urls.length;
      const endpoint = this.#endpoint(index);
      try {
        const lane = await open(options, context, slot, { ...deps, endpoint });
        this.#endpointIndex = index;
        return lane;
      } catch (error) {
        failure = error;
        if (context.signal?.aborted) break;
      }
    }
    throw failure;
  }

  #optionsFor(slot: LaneSlot): ServerOptions {
    const { options } = this.definition;
    return slot.tentative ? { ...options, protocol_era: "legacy" } : options;
  }

  #endpoint(index: number): HttpEndpoint {
    const known = this.#endpoints[index];
    if (known !== undefined) return known;
    const { url, headers } = endpointsOf(this.definition.options)[index] ?? {
      url: "",
      headers: {},
    };
    const endpoint = new HttpEndpoint({
      url,
      headers,
      clock: this.#deps.clock,
      connectTimeoutMs: this.#connectTimeoutMs(),
    });
    this.#endpoints[index] = endpoint;
    return endpoint;
  }

  #contextOf(key: LaneKey, signal?: AbortSignal): LaneContext {
    const { options } = this.definition;
    if (key.kind !== "session") {
      return {
        clientInfo: this.#deps.options.clientInfo,
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
    const { clock, metrics, options } = this.#deps;
    return {
      serverName: this.name,
      log: this.#log,
      clock,
      ...(metrics && { metrics }),
      responseBytesMax:
        this.definition.options.response_bytes_max ?? options.responseBytesMax ?? 64 * 1024 * 1024,
      inspectBytesMax: options.inspectBytesMax ?? 1024 * 1024,
      connectTimeoutMs: this.#connectTimeoutMs(),
    };
  }

  #succeeded(slot: LaneSlot, lane: Lane): void {
    this.#backOff.succeeded();
    if (slot === this.#shared || this.#era === undefined) {
      this.#era = lane.era;
      this.#revision = lane.revision;
    }
    if (slot === this.#shared || this.#introduction === undefined) {
      const { capabilities, serverInfo, instructions } = lane;
      this.#introduction = { capabilities, serverInfo, ...(instructions && { instructions }) };
    }
    if (slot.key.kind === "session") slot.key.opened?.(lane);
    slot.opened(lane, this.#deps.clock.monotonicMs());
    if (slot === this.#shared) this.#sharedOpened(lane);
    this.#enter("connected");
    const everyMs = this.#deps.options.tendEveryMs ?? 30_000;
    this.#tending ??= setInterval(() => this.#tend(), everyMs).unref();
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
    if (!this.#sharedWasLost) return;
    this.#sharedWasLost = false;
    for (const kind of kindsOf(lane)) this.listChanged(kind);
    for (const uri of this.#resources) this.resourceUpdated(uri);
  }

  #failed(error: SignalboxError): void {
    this.#backOff.failed();
    this.#lastError = { error, at: this.#deps.clock.now() };
    this.#log.warn({ code: error.code }, error.message);
    this.#enter(this.#anyLane() === undefined ? "error" : "connected");
  }

  // --- what slots and subscriptions report

  listChanged(kind: ListKind): void {
    this.events.emit("listChanged", { kind });
  }

  resourceUpdated(uri: string): void {
    this.events.emit("resourceUpdated", { uri });
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
    if (slot !== this.#shared) this.#forget(slot);
    this.#lastError = { error, at: this.#deps.clock.now() };
    if (livedMs < shortLifeMs) this.#backOff.failed();
    this.#log.warn({ code: error.code }, error.message);
    if (slot === this.#shared) this.#sharedLost();
    if (this.#anyLane() === undefined) this.#enter("error");
  }

  #sharedLost(): void {
    this.#modern = undefined;
    this.#sharedWasLost = true;
    this.#subscriptions?.stop();
    this.#subscriptions = undefined;
    this.#reopenLater();
  }

  #reopenLater(): void {
    if (this.#closed || this.#reopening !== undefined) return;
    if (this.#backOff.failures > reopensMax) return;
    const delayMs = this.#backOff.remainingMs + 10;
    this.#reopening = setTimeout(() => void this.#reopen(), delayMs).unref();
  }

  async #reopen(): Promise<void> {
    this.#reopening = undefined;
    try {
      await this.#opened(this.#shared);
    } catch {
      this.#reopenLater();
    }
  }

  // --- tending what is open

  #tend(): void {
    const idleMs = this.#deps.options.principalIdleMs ?? 10 * 60_000;
    const before = this.#deps.clock.monotonicMs() - idleMs;
    for (const [id, slot] of this.#principals) {
      if (slot.lane === undefined || slot.usedAtMs > before) continue;
      this.#principals.delete(id);
      this.#drop(slot);
    }
    if (this.#anyLane() === undefined && this.#state === "connected") this.#enter("idle");
    void this.#reprobe();
  }

  // A server may be upgraded while its legacy session still works: the verdict is asked for anew every day.
  async #reprobe(): Promise<void> {
    const { options } = this.definition;
    const endpoint = this.#endpoints[this.#endpointIndex];
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
      timeoutMs: this.#connectTimeoutMs(),
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

  // --- slots

  #slotOf(key: LaneKey): LaneSlot | undefined {
    if (key.kind === "shared") return this.#shared;
    return (key.kind === "session" ? this.#sessions : this.#principals).get(key.id);
  }

  #slotFor(key: LaneKey): LaneSlot {
    const known = this.#slotOf(key);
    if (known !== undefined || key.kind === "shared") return known ?? this.#shared;
    const lanesMax = this.#deps.options.lanesMax ?? 10_000;
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

  #enter(state: ServerState): void {
    if (this.#state === state || this.#state === "disabled") return;
    if (state === "connecting" && this.#anyLane() !== undefined) return;
    this.#state = state;
    this.#since = this.#deps.clock.now();
    this.events.emit("stateChanged", this.status());
  }

  #eraProbedAt(lane: Lane | undefined): number | undefined {
    if (lane instanceof StdioLane) return lane.eraProbedAt;
    return this.#endpoints[this.#endpointIndex]?.verdict?.at;
  }

  #connectTimeoutMs(): number {
    return this.#deps.options.connectTimeoutMs ?? 30_000;
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

function transportOf({ service, options }: ServerDefinition): ServerStatus["transport"] {
  if (service !== undefined) return "in-process";
  if (options.command !== undefined) return "stdio";
  return options.transport ?? "streamable-http";
}

function endpointsOf(options: ServerOptions): { url: string; headers: Record<string, string> }[] {
  const { url, headers = {}, endpoints = [] } = options;
  const more = endpoints.map((one) => ({ url: one.url, headers: { ...headers, ...one.headers } }));
  return url === undefined ? more : [{ url, headers }, ...more];
}

function abandonable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => reject(signal.reason);
    signal.addEventListener("abort", abandon, { once: true });
    promise.finally(() => signal.removeEventListener("abort", abandon)).then(resolve, reject);
  });
}
