/**
 * What one server offers: its tools, prompts, resources and templates, fetched from it and kept.
 *
 * A listing moves between these states, and a reader is never held up by a server that is known to be slow or down:
 *
 *   unknown ── first fetch under way ──▶ fresh ── ttl, age or list_changed ──▶ stale ── fetched again ──▶ fresh
 *      └────────── fetch failed ──▶ failed (last good items, if any, are still served; fetched again after a pause)
 *
 * Readers wait for a fetch only while the server has not yet been given its `list_timeout`: once it has missed that, what
 * is there is served and named as old, and the fetch goes on in the background.
 */
import { projectOf } from "../access/index.ts";
import {
  SignalboxError,
  isSignalboxError,
  messageOf,
  type Clock,
  type ErrorCode,
  type Log,
} from "../foundation/index.ts";
import {
  RPC,
  isJsonObject,
  toModernParams,
  type Envelope,
  type JsonObject,
} from "../protocol/index.ts";
import {
  ask,
  resultOf,
  type Lane,
  type LaneKey,
  type ServerStatus,
  type UpstreamServer,
} from "../upstream/index.ts";
import { sentenceForCallers } from "./caller-sentence.ts";
import type { Limits } from "./options.ts";
import { instructionsItem, type Held, type PinGuard } from "./pins.ts";

export type ListKind = "tools" | "prompts" | "resources" | "templates";
export const LIST_KINDS: readonly ListKind[] = ["tools", "prompts", "resources", "templates"];

const METHOD: Record<ListKind, string> = {
  tools: "tools/list",
  prompts: "prompts/list",
  resources: "resources/list",
  templates: "resources/templates/list",
};
const MEMBER: Record<ListKind, string> = {
  tools: "tools",
  prompts: "prompts",
  resources: "resources",
  templates: "resourceTemplates",
};
const CAPABILITY: Record<ListKind, string> = {
  tools: "tools",
  prompts: "prompts",
  resources: "resources",
  templates: "resources",
};

/** Why a server's part of a list is missing or old. */
export interface Missing {
  readonly server: string;
  readonly reason: ErrorCode;
  readonly message: string;
  /** ISO time since when. */
  readonly since: string;
  /** Whether items of an earlier time are served all the same. */
  readonly stale: boolean;
}

/** What a reader of one listing gets at once. */
export interface ListingView {
  readonly items: readonly JsonObject[];
  readonly ttlMs: number | undefined;
  readonly cacheScope: "public" | "private";
  readonly missing: Missing | undefined;
  /** What the server lists but is not served until it is approved. */
  readonly held: readonly Held[];
}

/** A server's state as the API shows it. */
export interface CatalogStatus extends ServerStatus {
  readonly tools: number;
  /** Why its part of lists is missing or old. */
  readonly missing?: Pick<Missing, "reason" | "message" | "since">;
}

/** When a failed server is asked again without anyone asking: later each time, up to the maximum. */
const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 60_000;
/** How much sooner or later, as a share: servers that failed together are not asked together. */
const RETRY_JITTER = 0.15;
/** How often a failed listing is tried again while it is asked for. */
const RETRY_PAUSE_MS = 2_000;
const PAGES_MAX = 1_000;

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Limits;
  /** 0 up to 1; default Math.random. */
  readonly random?: () => number;
  readonly envelope: Envelope;
  /** Called when the items or the failure of a listing change; `news` where no reader can have been told before. */
  readonly changed: (kind: ListKind, news: boolean) => void;
  /** Compares what is listed with what was approved; without it everything is served. */
  readonly pins?: PinGuard | undefined;
}

export class ServerCatalog {
  readonly server: UpstreamServer;
  readonly project: string;
  /** Calls to the server that have not ended. */
  inflight = 0;
  readonly #deps: Deps;
  readonly #listings = new Map<string, Listing>();
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_FIRST_MS;
  #stopped = false;
  /** The instructions that were compared last. */
  #instructions: { item: JsonObject; text: string; served: boolean } | undefined;

  constructor(server: UpstreamServer, deps: Deps) {
    this.server = server;
    this.project = projectOf(server.definition);
    this.#deps = deps;
  }

  /** Asks for nothing more by itself. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
  }

  /** The server's state with what its lists say: how many tools, and why they are missing. */
  status(): CatalogStatus {
    const { items, missing } = this.listing("tools").view();
    return {
      ...this.server.status(),
      tools: items.length,
      ...(missing === undefined
        ? {}
        : { missing: { reason: missing.reason, message: missing.message, since: missing.since } }),
    };
  }

  /** Starts fetching everything, so that the first reader finds it; never throws. */
  async warm(): Promise<void> {
    await Promise.all(LIST_KINDS.map(async (kind) => await this.listing(kind).settle()));
  }

  /**
   * The listing of a kind. `audience` tells apart clients whose declared abilities change what a legacy server lists; it is
   * "" for all others, and `key` says on whose lane it is then fetched.
   */
  listing(kind: ListKind, audience = "", key: LaneKey = SHARED): Listing {
    const name = `${kind} ${audience}`;
    const known = this.#listings.get(name);
    if (known !== undefined) {
      if (audience !== "") known.key = key;
      return known;
    }
    if (this.#listings.size >= LISTINGS_MAX) this.#dropAudiences();
    const listing = new Listing(kind, audience === "", this.server, key, {
      ...this.#deps,
      failed: () => this.#retryLater(),
      stopped: () => this.#stopped,
    });
    this.#listings.set(name, listing);
    return listing;
  }

  /** The server said that its list changed, or was gone for a while. */
  invalidate(kind: "tools" | "prompts" | "resources"): void {
    for (const listing of this.#listings.values()) {
      const hit = listing.kind === kind || (kind === "resources" && listing.kind === "templates");
      if (hit) listing.invalidate();
    }
  }

  /** What the server tells models about itself as a whole; undefined where it says nothing, or that is held back. */
  instructions(): string | undefined {
    const text = this.server.introduction?.instructions;
    if (text === undefined || this.#deps.pins === undefined) return text;
    if (text !== this.#instructions?.text) this.#admitInstructions(instructionsItem(text), true);
    return this.#instructions?.served === true ? text : undefined;
  }

  /** What is approved may have changed: looks again at what was fetched. `fresh` where that was never compared with it. */
  reconsider(fresh: boolean): void {
    if (this.#instructions !== undefined) this.#admitInstructions(this.#instructions.item, fresh);
    for (const listing of this.#listings.values()) listing.reconsider(fresh);
  }

  #admitInstructions(item: JsonObject, fresh: boolean): void {
    if (this.#stopped) return;
    const { definition: server } = this.server;
    const sight = { server, kind: "instructions", items: [item], shared: true, fresh } as const;
    const served = (this.#deps.pins?.admit(sight).served.length ?? 0) > 0;
    this.#instructions = { item, text: String(item["description"]), served };
  }

  // A server that comes back is to be noticed though nobody lists.
  #retryLater(): void {
    if (this.#stopped || this.#retry !== undefined) return;
    const { random = Math.random } = this.#deps;
    const delayMs = this.#retryMs * (1 + RETRY_JITTER * (2 * random() - 1));
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
      for (const kind of LIST_KINDS) this.listing(kind).refreshIfDue();
      const failing = LIST_KINDS.some((kind) => this.listing(kind).view().missing !== undefined);
      if (!failing) this.#retryMs = RETRY_FIRST_MS;
    }, delayMs).unref();
  }

  #dropAudiences(): void {
    for (const name of this.#listings.keys()) if (!name.endsWith(" ")) this.#listings.delete(name);
  }
}

interface ListingDeps extends Deps {
  readonly failed: () => void;
  /** True once the gateway has closed the server itself: that its lists then fail is no news. */
  readonly stopped: () => boolean;
}

const SHARED: LaneKey = { kind: "shared" };
const LISTINGS_MAX = 256;

export class Listing {
  readonly kind: ListKind;
  key: LaneKey;
  readonly #shared: boolean;
  readonly #server: UpstreamServer;
  readonly #deps: ListingDeps;
  /** What the server lists, and of it what is served and what is held back. */
  #listed: readonly JsonObject[] = [];
  #listedText = "";
  #items: readonly JsonObject[] = [];
  #held: readonly Held[] = [];
  #ttlMs: number | undefined;
  #scope: "public" | "private" = "private";
  /** When what is held was fetched; undefined before the first success. */
  #fetchedAt: number | undefined;
  #invalid = true;
  #invalidations = 0;
  #fetching: { readonly done: Promise<void>; readonly startedAt: number } | undefined;
  #failure: { code: ErrorCode; message: string; since: number; at: number } | undefined;

  constructor(
    kind: ListKind,
    shared: boolean,
    server: UpstreamServer,
    key: LaneKey,
    deps: ListingDeps,
  ) {
    this.kind = kind;
    this.#shared = shared;
    this.key = key;
    this.#server = server;
    this.#deps = deps;
  }

  /** What is held now, without waiting. */
  view(): ListingView {
    const failure = this.#failure;
    return {
      items: this.#items,
      ttlMs: this.#ttlMs,
      cacheScope: this.#scope,
      held: this.#held,
      missing:
        failure === undefined
          ? undefined
          : {
              server: this.#server.name,
              reason: failure.code,
              message: failure.message,
              since: new Date(failure.since).toISOString(),
              stale: this.#fetchedAt !== undefined,
            },
    };
  }

  /** How much longer what is held may be kept by whoever reads it now, in milliseconds. */
  get ttlLeftMs(): number {
    if (this.#ttlMs === undefined || this.#fetchedAt === undefined || this.#invalid) return 0;
    const left = this.#fetchedAt + this.#ttlMs - this.#deps.clock.monotonicMs();
    return Math.max(0, Math.floor(left));
  }

  /** Undefined when a reader need not wait; else a promise that settles when it need wait no longer (never rejects). */
  settle(): Promise<void> | undefined {
    this.refreshIfDue();
    const fetching = this.#fetching;
    if (fetching === undefined || this.#failure !== undefined) return undefined;
    const left = fetching.startedAt + this.#timeoutMs() - this.#deps.clock.monotonicMs();
    if (left <= 0) {
      this.#fail("SERVER_TIMEOUT", "The server has not answered its list yet.");
      return undefined;
    }
    return this.#wait(fetching.done, left);
  }

  /** What is held is old, or the server is back. A session's listing waits for a reader, whose lane is then alive. */
  invalidate(): void {
    this.#invalid = true;
    this.#invalidations++;
    // What was missing for want of a consent may be had now: readers wait for it as for a new server.
    if (this.#failure?.code === "CONSENT_NEEDED") this.#failure = undefined;
    if (this.#failure !== undefined) this.#failure = { ...this.#failure, at: -Infinity };
    if (this.key.kind !== "session") this.refreshIfDue();
  }

  refreshIfDue(): void {
    if (this.#fetching !== undefined || !this.#due()) return;
    const startedAt = this.#deps.clock.monotonicMs();
    const done = this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    this.#fetching = { done, startedAt };
  }

  /** Looks again at what was fetched, and tells where other items are served than before. */
  reconsider(fresh: boolean): void {
    if (!isPinned(this.kind) || this.#listed.length === 0) return;
    const before = this.#items;
    const heldBefore = this.#held;
    this.#admit(fresh);
    const same = sameMembers(before, this.#items) && sameReasons(heldBefore, this.#held);
    if (!same) this.#deps.changed(this.kind, true);
  }

  #due(): boolean {
    const now = this.#deps.clock.monotonicMs();
    if (this.#failure !== undefined && now - this.#failure.at < RETRY_PAUSE_MS) return false;
    if (this.#invalid || this.#fetchedAt === undefined || this.#failure !== undefined) return true;
    return now - this.#fetchedAt >= (this.#ttlMs ?? this.#deps.limits.list_age_max);
  }

  async #wait(done: Promise<void>, leftMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), leftMs);
    });
    let first = await Promise.race([done, late]);
    // What was fetched may be older than the change the reader has heard of: one more fetch is not.
    if (first !== "late" && this.#invalid) {
      this.refreshIfDue();
      first = await Promise.race([this.#fetching?.done, late]);
    }
    clearTimeout(timer);
    if (first === "late" && this.#fetching !== undefined) {
      this.#fail("SERVER_TIMEOUT", "The server has not answered its list yet.");
    }
  }

  async #fetch(): Promise<void> {
    const invalidations = this.#invalidations;
    try {
      const signal = AbortSignal.timeout(this.#server.connectTimeoutMs + this.#timeoutMs());
      const lane = this.#server.laneNow(this.key) ?? (await this.#server.lane(this.key, signal));
      const found = await this.#fetchPages(lane, signal);
      const text = JSON.stringify(found.items);
      const { kind } = this;
      if (text !== this.#listedText && isPinned(kind)) {
        const { definition } = this.#server;
        await this.#deps.pins?.examine({
          server: definition,
          kind,
          items: found.items,
          shared: this.#shared,
        });
      }
      this.#keep(found, text, invalidations);
    } catch (error) {
      const { code, message } = reasonOf(error);
      this.#fail(code, message);
    }
  }

  async #fetchPages(lane: Lane, signal: AbortSignal): Promise<Fetched> {
    const found: Fetched = { items: [], ttlMs: undefined, scope: "private" };
    if (!isJsonObject(lane.capabilities[CAPABILITY[this.kind]])) return found;
    let cursor: string | undefined;
    for (let page = 0; page < PAGES_MAX; page++) {
      const result = await this.#fetchPage(lane, cursor, signal);
      if (result === undefined) return found;
      takePage(found, result, MEMBER[this.kind], page === 0);
      cursor = typeof result["nextCursor"] === "string" ? result["nextCursor"] : undefined;
      if (found.items.length > this.#deps.limits.list_items_max) break;
      if (cursor === undefined) return found;
    }
    throw new SignalboxError(
      "SERVER_TOO_LARGE",
      `The server lists more than ${this.#deps.limits.list_items_max} ${this.kind}.`,
    );
  }

  async #fetchPage(
    lane: Lane,
    cursor: string | undefined,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> {
    const method = METHOD[this.kind];
    const params: JsonObject = cursor === undefined ? {} : { cursor };
    const response = await ask(
      lane,
      method,
      lane.era === "modern" ? toModernParams(params, this.#deps.envelope) : params,
      { timeoutMs: this.#deps.limits.call_timeout, signal },
    );
    if (response.error?.code === RPC.methodNotFound) return undefined;
    return resultOf(response, this.#server.name, method);
  }

  #keep(found: Fetched, text: string, invalidations: number): void {
    const differs = text !== this.#listedText;
    const changed = differs || this.#failure !== undefined;
    const news = differs && (this.#failure !== undefined || !this.#invalid);
    if (differs) {
      this.#listed = found.items;
      this.#listedText = text;
      this.#admit(true);
    }
    this.#ttlMs = found.ttlMs;
    this.#scope = found.scope;
    this.#fetchedAt = this.#deps.clock.monotonicMs();
    this.#failure = undefined;
    this.#invalid = invalidations !== this.#invalidations;
    if (changed) this.#deps.changed(this.kind, news);
  }

  // A server that is being let go is no longer heard: what it says last must not be noted for one that has its name next.
  #admit(fresh: boolean): void {
    const { kind } = this;
    const { pins } = this.#deps;
    if (pins === undefined || !isPinned(kind)) {
      this.#items = this.#listed;
      return;
    }
    if (this.#deps.stopped()) return;
    const { definition } = this.#server;
    const sight = { server: definition, kind, items: this.#listed, shared: this.#shared, fresh };
    const { served, held } = pins.admit(sight);
    this.#items = served;
    this.#held = held;
  }

  #fail(code: ErrorCode, message: string): void {
    const since = this.#failure?.since ?? this.#deps.clock.now();
    const isNew = this.#failure?.code !== code;
    this.#failure = { code, message, since, at: this.#deps.clock.monotonicMs() };
    this.#deps.failed();
    if (!isNew) return;
    // One line for a server, not one for each of its lists.
    const loud = this.kind === "tools" && !this.#deps.stopped();
    this.#deps.log[loud ? "warn" : "debug"](
      { serverId: this.#server.name, code, kind: this.kind },
      `Server "${this.#server.name}" is missing from lists: ${message}`,
    );
    this.#deps.changed(this.kind, false);
  }

  #timeoutMs(): number {
    return this.#server.definition.options.list_timeout ?? this.#deps.limits.list_timeout;
  }
}

function isPinned(kind: ListKind): kind is "tools" | "prompts" {
  return kind === "tools" || kind === "prompts";
}

function sameMembers(one: readonly JsonObject[], other: readonly JsonObject[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}

function sameReasons(one: readonly Held[], other: readonly Held[]): boolean {
  return (
    one.length === other.length &&
    one.every(
      ({ name, reason }, index) => name === other[index]?.name && reason === other[index].reason,
    )
  );
}

interface Fetched {
  items: JsonObject[];
  ttlMs: number | undefined;
  scope: "public" | "private";
}

function takePage(found: Fetched, result: JsonObject, member: string, first: boolean): void {
  const items = result[member];
  if (!Array.isArray(items)) {
    throw new SignalboxError("SERVER_GARBAGE", `The server's list has no "${member}".`);
  }
  for (const item of items) if (isJsonObject(item)) found.items.push(item);
  const ttl = result["ttlMs"];
  if (typeof ttl === "number") {
    found.ttlMs = Math.max(0, first ? ttl : Math.min(found.ttlMs ?? ttl, ttl));
  }
  if (first && result["cacheScope"] === "public") found.scope = "public";
}

function reasonOf(error: unknown): { code: ErrorCode; message: string } {
  if (isSignalboxError(error)) return { code: error.code, message: sentenceForCallers(error) };
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { code: "SERVER_TIMEOUT", message: "The server has not answered its list in time." };
  }
  return { code: "SERVER_UNREACHABLE", message: messageOf(error) };
}
