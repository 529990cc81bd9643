// What a server is asked to report: changes of its lists, and updates of the resources that someone
// watches. Modern servers are asked with one `subscriptions/listen` that names everything; it cannot be
// changed, so a changed wish opens a second one, and the first ends when the second is acknowledged.
// Legacy servers report lists unasked, and resources one by one.
import type { Clock, Log, SignalboxError } from "../foundation/index.ts";
import {
  isJsonObject,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
} from "../protocol/index.ts";
import { ask } from "./ask.ts";
import { BackOff } from "./back-off.ts";
import type { ExchangeHandle, ExchangeSink, Lane } from "./lane.ts";

export type ListKind = "tools" | "prompts" | "resources";

/** Hears what a server reports. */
export interface ReportListener {
  listChanged(kind: ListKind): void;
  resourceUpdated(uri: string): void;
}

/** One server's reports over one lane. */
export interface Subscriptions {
  /** Replaces the set of resources whose updates are wanted; resolves once the server has taken it, or will not. */
  watch(uris: ReadonlySet<string>): Promise<void>;
  /** The server has forgotten what it was asked. */
  renew(): void;
  stop(): void;
}

export interface SubscriptionParts {
  lane: Lane;
  /** The `_meta` of the gateway's own modern requests. */
  meta: JsonObject;
  listener: ReportListener;
  log: Log;
  clock: Clock;
  serverName: string;
}

export function subscriptionsOf(parts: SubscriptionParts): Subscriptions {
  return parts.lane.era === "modern"
    ? new ModernSubscriptions(parts)
    : new LegacySubscriptions(parts);
}

/** Passes a server's notification to `listener`; false where it is no report. */
export function report(message: JsonRpcNotification, listener: ReportListener): boolean {
  const kind = listKinds.get(message.method);
  if (kind !== undefined) {
    listener.listChanged(kind);
    return true;
  }
  const uri = message.params?.["uri"];
  if (message.method !== "notifications/resources/updated" || typeof uri !== "string") return false;
  listener.resourceUpdated(uri);
  return true;
}

const listKinds: ReadonlyMap<string, ListKind> = new Map([
  ["notifications/tools/list_changed", "tools"],
  ["notifications/prompts/list_changed", "prompts"],
  ["notifications/resources/list_changed", "resources"],
]);

const acknowledgeTimeoutMs = 10_000;
/** A listen that lived this long was no failure when it ends. */
const settledMs = 10_000;
const resourcesMax = 10_000;

class ModernSubscriptions implements Subscriptions {
  readonly #parts: SubscriptionParts;
  readonly #backOff: BackOff;
  #uris: ReadonlySet<string> = new Set();
  #current: Listen | undefined;
  #next: Listen | undefined;
  #changed = false;
  #gap = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #waiting: (() => void)[] = [];

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#backOff = new BackOff(parts.clock);
    this.#open();
  }

  watch(uris: ReadonlySet<string>): Promise<void> {
    const unchanged = sameSet(uris, this.#uris);
    if (!unchanged) this.#uris = new Set(uris);
    if (!mayWatchResources(this.#parts.lane)) return Promise.resolve();
    if (unchanged && this.#next === undefined) return Promise.resolve();
    const taken = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (unchanged) return taken;
    if (this.#next === undefined && this.#timer === undefined) this.#open();
    else this.#changed = true;
    return taken;
  }

  renew(): void {}

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#current?.cancel();
    this.#next?.cancel();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #open(): void {
    this.#timer = undefined;
    this.#changed = false;
    const filter = filterOf(this.#parts.lane, this.#uris);
    if (filter === undefined) {
      this.#current?.cancel();
      this.#current = undefined;
      this.#release();
      return;
    }
    this.#next = new Listen(this.#parts, filter, {
      acknowledged: (listen) => this.#acknowledged(listen),
      ended: (listen, outcome) => this.#ended(listen, outcome),
    });
    this.#next.start();
  }

  #acknowledged(listen: Listen): void {
    if (listen !== this.#next) return;
    const previous = this.#current;
    this.#current = listen;
    this.#next = undefined;
    previous?.cancel();
    if (this.#gap) this.#reportAll();
    this.#gap = false;
    if (this.#changed) this.#open();
    else this.#release();
  }

  #ended(listen: Listen, outcome: "broken" | "unsupported"): void {
    if (this.#stopped || (listen !== this.#current && listen !== this.#next)) return;
    if (listen === this.#current) {
      this.#current = undefined;
      this.#gap = true;
      if (this.#next !== undefined) return; // its successor is on the way
    } else {
      this.#next = undefined;
      this.#gap ||= this.#current === undefined;
    }
    this.#release();
    if (outcome === "unsupported") return;
    if (listen.livedMs >= settledMs) this.#backOff.succeeded();
    this.#backOff.failed();
    this.#timer ??= setTimeout(() => this.#open(), this.#backOff.remainingMs).unref();
  }

  // While nobody listened, anything may have changed.
  #reportAll(): void {
    const { lane, listener } = this.#parts;
    for (const kind of kindsOf(lane)) listener.listChanged(kind);
    for (const uri of this.#uris) listener.resourceUpdated(uri);
  }
}

interface ListenOwner {
  acknowledged(listen: Listen): void;
  ended(listen: Listen, outcome: "broken" | "unsupported"): void;
}

/** One `subscriptions/listen` request. */
class Listen implements ExchangeSink {
  readonly #parts: SubscriptionParts;
  readonly #owner: ListenOwner;
  readonly #message: JsonRpcRequest;
  readonly #startedMs: number;
  #handle: ExchangeHandle | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #acknowledged = false;
  #over = false;

  constructor(parts: SubscriptionParts, filter: JsonObject, owner: ListenOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#startedMs = parts.clock.monotonicMs();
    this.#message = {
      jsonrpc: "2.0",
      id: `sbx-listen-${++lastListen}`,
      method: "subscriptions/listen",
      params: { notifications: filter, _meta: parts.meta },
    };
  }

  get livedMs(): number {
    return this.#acknowledged ? this.#parts.clock.monotonicMs() - this.#startedMs : 0;
  }

  start(): void {
    this.#deadline = setTimeout(() => this.#late(), acknowledgeTimeoutMs).unref();
    const request = { message: this.#message, timeoutMs: Infinity };
    const handle = this.#parts.lane.send(request, this);
    if (this.#over) return;
    this.#handle = handle;
  }

  cancel(): void {
    if (this.#end()) this.#handle?.cancel("no longer needed");
  }

  message(message: JsonRpcNotification | JsonRpcRequest): void {
    if (this.#over || "id" in message) return;
    if (message.method === "notifications/subscriptions/acknowledged") this.#acknowledge();
    else if (report(message, this.#parts.listener)) this.#acknowledge();
  }

  answer(body: Buffer): void {
    if (!this.#end()) return;
    const refused = /"error":\s*\{[^{}]*"code":\s*-32601\b/.test(body.toString("latin1"));
    this.#owner.ended(this, refused ? "unsupported" : "broken");
  }

  begin(): void {}

  chunk(): boolean {
    return true;
  }

  end(): void {
    if (this.#end()) this.#owner.ended(this, "broken");
  }

  fail(error: SignalboxError): void {
    if (!this.#end()) return;
    const { log, serverName } = this.#parts;
    log.debug({ serverId: serverName, err: error }, "the server's subscription stream broke");
    this.#owner.ended(this, "broken");
  }

  #acknowledge(): void {
    if (this.#acknowledged) return;
    this.#acknowledged = true;
    clearTimeout(this.#deadline);
    this.#owner.acknowledged(this);
  }

  #late(): void {
    if (!this.#end()) return;
    this.#handle?.cancel("not acknowledged in time");
    this.#owner.ended(this, "broken");
  }

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.#deadline);
    return true;
  }
}

let lastListen = 0;

class LegacySubscriptions implements Subscriptions {
  readonly #parts: SubscriptionParts;
  readonly #abort = new AbortController();
  #wanted: ReadonlySet<string> = new Set();
  #known = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  watch(uris: ReadonlySet<string>): Promise<void> {
    this.#wanted = new Set(uris);
    return this.#work();
  }

  renew(): void {
    this.#known = new Set();
    void this.#work();
  }

  stop(): void {
    this.#abort.abort(new Error("the subscriptions are no longer needed"));
  }

  #work(): Promise<void> {
    if (!mayWatchResources(this.#parts.lane)) return Promise.resolve();
    this.#working ??= this.#takeSteps().finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  async #takeSteps(): Promise<void> {
    for (let step = this.#step(); step !== undefined; step = this.#step()) await step;
  }

  /** The next request that brings what the server knows closer to what is wanted. */
  #step(): Promise<void> | undefined {
    if (this.#abort.signal.aborted || this.#parts.lane.closed) return undefined;
    for (const uri of this.#wanted) {
      if (this.#known.has(uri) || this.#known.size >= resourcesMax) continue;
      this.#known.add(uri);
      return this.#ask("resources/subscribe", uri);
    }
    for (const uri of this.#known) {
      if (this.#wanted.has(uri)) continue;
      this.#known.delete(uri);
      return this.#ask("resources/unsubscribe", uri);
    }
    return undefined;
  }

  async #ask(method: string, uri: string): Promise<void> {
    const { lane, log, serverName } = this.#parts;
    try {
      const options = { timeoutMs: acknowledgeTimeoutMs, signal: this.#abort.signal };
      await ask(lane, method, { uri }, options);
    } catch (error) {
      log.debug({ serverId: serverName, err: error }, `${method} failed`);
    }
  }
}

function filterOf(lane: Lane, uris: ReadonlySet<string>): JsonObject | undefined {
  const filter: JsonObject = {};
  for (const kind of kindsOf(lane)) filter[`${kind}ListChanged`] = true;
  if (uris.size > 0 && mayWatchResources(lane))
    filter["resourceSubscriptions"] = [...uris].slice(0, resourcesMax);
  return Object.keys(filter).length === 0 ? undefined : filter;
}

/** The lists whose changes the server says it reports. */
export function kindsOf(lane: Pick<Lane, "capabilities">): ListKind[] {
  const kinds: ListKind[] = ["tools", "prompts", "resources"];
  return kinds.filter((kind) => {
    const capability = lane.capabilities[kind];
    return isJsonObject(capability) && capability["listChanged"] === true;
  });
}

/** The lists that the server has, whether it reports their changes or not. */
export function offeredKinds(lane: Pick<Lane, "capabilities">): ListKind[] {
  const kinds: ListKind[] = ["tools", "prompts", "resources"];
  return kinds.filter((kind) => isJsonObject(lane.capabilities[kind]));
}

function mayWatchResources(lane: Lane): boolean {
  const capability = lane.capabilities["resources"];
  return isJsonObject(capability) && capability["subscribe"] === true;
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
