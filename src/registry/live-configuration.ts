// What the gateway serves, and the one way to change it: changes go through a queue, and each makes the next state,
// has the gateway build and serve it, then stores it. When the gateway cannot build it nothing is stored; when the
// store fails the gateway is put back to what it served. While the database is away the last state is served (at
// start: what the configuration file and the product define), changes fail with STORE_UNAVAILABLE, and the store is
// asked again until it answers. A stored bundle that cannot be served (two owners of one bare name) is set aside, so
// that it holds up neither the start nor the revocation of a key by another process.
import { isDeepStrictEqual } from "node:util";
import { isSignalboxError, messageOf, SignalboxError } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import type { GatewayConfiguration, ServerDefinition } from "../gateway/index.ts";
import { ChangeQueue } from "./change-queue.ts";
import { configurationOf, emptyState, sameState } from "./configured-state.ts";
import type { FileState, FixedState, StoredState } from "./configured-state.ts";
import { loadState } from "./load-state.ts";
import type { RegistryGateway, RegistryStore } from "./ports.ts";
import type { ServerReferences } from "./server-references.ts";

export interface LiveConfigurationDeps {
  store?: RegistryStore | undefined;
  gateway: Pick<RegistryGateway, "apply">;
  log: Log;
  builtin: readonly ServerDefinition[];
  references: Pick<ServerReferences, "fill" | "outdated">;
}

/** One step of a change: makes the next state and says how to store it. Throw to refuse the change. */
export interface Step<T> {
  next: StoredState;
  persist: (store: RegistryStore) => Promise<unknown>;
  result: T;
}

/** The configuration as the gateway serves it and the store holds it. */
export class LiveConfiguration {
  readonly #deps: LiveConfigurationDeps;
  readonly #queue = new ChangeQueue(changesWaitingMax);
  #store: RegistryStore | undefined;
  #fixed: FixedState;
  #stored: StoredState = emptyState;
  #aside: ReadonlySet<string> = new Set();
  #version = 0;
  #loaded = false;
  #started = false;
  #reloadWaits = false;
  #stopped = false;
  #stopListening: (() => void) | undefined;
  #timers: NodeJS.Timeout[] = [];
  /** Called in the queue's turn, once, when the stored state was first read after a start without it. */
  onLateLoad: (() => Promise<void>) | undefined;
  /** Called before the gateway is given something else to serve. */
  onBeforeServe: (() => void) | undefined;

  constructor(deps: LiveConfigurationDeps) {
    this.#deps = deps;
    this.#store = deps.store;
    this.#fixed = { ...emptyState, builtin: deps.builtin };
  }

  get stored(): StoredState {
    return this.#stored;
  }

  get fixed(): FixedState {
    return this.#fixed;
  }

  /** The store as it is now; absent while it could not be opened. */
  get store(): RegistryStore | undefined {
    return this.#store;
  }

  /** Counts what the gateway was given to serve. */
  get version(): number {
    return this.#version;
  }

  /** False while the stored state was never read. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** All definitions, merged. */
  get merged(): GatewayConfiguration {
    return configurationOf(this.#fixed, this.#stored, this.#version);
  }

  /** Loads and serves everything, or without a database what is fixed. Throws when that cannot be served. */
  async start(file: FileState): Promise<void> {
    const fixed: FixedState = { builtin: this.#deps.builtin, ...file };
    await this.#queue.run(async () => {
      const state = await this.#tryLoad();
      await this.#serveLoaded(fixed, state ?? emptyState);
      this.#loaded = state !== undefined;
    });
    this.#started = true;
    this.#listen();
    this.#timers = [
      setInterval(() => void this.reload(), reloadEveryMs).unref(),
      setInterval(() => {
        if (!this.#loaded) void this.reload();
      }, reloadUntilLoadedEveryMs).unref(),
    ];
  }

  /** Ends watching the store; changes are refused from now on. */
  stop(): void {
    this.#stopped = true;
    this.#stopListening?.();
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Hands in the database; after the start, serves what it holds. */
  async attachStore(store: RegistryStore): Promise<void> {
    this.#store = store;
    if (!this.#started) return;
    this.#listen();
    await this.reload();
  }

  /** Serves a changed configuration file. When it cannot be served the old one stays and the reason is thrown. */
  async replaceFixed(file: FileState): Promise<void> {
    const fixed: FixedState = { builtin: this.#deps.builtin, ...file };
    await this.#queue.run(() => this.#serve(fixed, this.#stored));
  }

  /** Runs a task in its turn among the changes. */
  async inTurn<T>(task: () => Promise<T>): Promise<T> {
    return await this.#queue.run(task);
  }

  /** Makes a change in its turn. A step without a next state changes nothing. */
  async change<T>(
    step: (now: StoredState) => Step<T> | { next?: undefined; result: T },
  ): Promise<T> {
    return await this.#queue.run(async () => {
      if (this.#stopped) throw new SignalboxError("SHUTTING_DOWN", "The gateway is stopping.");
      if (this.#store === undefined || !this.#loaded) throw unavailable();
      const made = step(this.#stored);
      if (made.next !== undefined) await this.commit(made);
      return made.result;
    });
  }

  /** Serves the next state, then stores it; call it in the queue's turn only. */
  async commit({ next, persist }: Step<unknown>): Promise<void> {
    const before = this.#stored;
    await this.#serve(this.#fixed, next);
    try {
      if (this.#store === undefined) throw unavailable();
      await persist(this.#store);
    } catch (error) {
      await this.#serve(this.#fixed, before);
      throw isSignalboxError(error) ? error : unavailable(error);
    }
  }

  /** Serves a state that is not stored: what is valid until the store answers. Call it in the queue's turn only. */
  async serveUnstored(state: StoredState): Promise<void> {
    await this.#serve(this.#fixed, state);
  }

  /** Replaces the stored state by one that is served alike. */
  amend(amended: (state: StoredState) => StoredState): void {
    this.#stored = amended(this.#stored);
  }

  /** Reads the store again and serves what changed there; a failure is logged and tried again later. */
  async reload(): Promise<void> {
    if (this.#reloadWaits || this.#stopped) return;
    this.#reloadWaits = true;
    try {
      await this.#queue.run(async () => {
        this.#reloadWaits = false;
        await this.loadInTurn();
      });
    } catch (error) {
      this.#reloadWaits = false;
      const problem = messageOf(error);
      this.#deps.log.error({ problem }, "The stored configuration could not be served");
    }
  }

  /** Reads the store and serves what changed; call it in the queue's turn only. */
  async loadInTurn(): Promise<void> {
    const state = await this.#tryLoad();
    if (state === undefined) return;
    const late = !this.#loaded;
    if (late || !sameState(state, this.#stored) || this.#deps.references.outdated) {
      await this.#serveLoaded(this.#fixed, state);
      this.#deps.log.info({ version: this.#version }, "Serving the stored configuration");
    }
    this.#loaded = true;
    if (late) await this.onLateLoad?.();
  }

  async #tryLoad(): Promise<StoredState | undefined> {
    if (this.#store === undefined) return undefined;
    try {
      return await loadState(this.#store, this.#deps.log);
    } catch (error) {
      this.#deps.log.warn(
        { problem: messageOf(error) },
        "The stored configuration cannot be read; the last one is served meanwhile",
      );
      return undefined;
    }
  }

  // A change of the bundle that is set aside brings it back; anything else leaves it where it is.
  async #serve(fixed: FixedState, stored: StoredState): Promise<void> {
    const unchanged = [...this.#aside].filter(
      (name) =>
        stored.bundles.has(name) && stored.bundles.get(name) === this.#stored.bundles.get(name),
    );
    await this.#serveWithout(new Set(unchanged), fixed, stored);
  }

  async #serveLoaded(fixed: FixedState, stored: StoredState): Promise<void> {
    try {
      await this.#serveWithout(new Set(), fixed, stored);
    } catch (error) {
      if (stored.bundles.size === 0) throw error;
      await this.#serveAllThatFit(fixed, stored);
      this.#deps.log.error(
        { problem: messageOf(error), bundles: [...this.#aside] },
        "Stored bundles cannot be served and are set aside until they are changed",
      );
    }
  }

  async #serveAllThatFit(fixed: FixedState, stored: StoredState): Promise<void> {
    // What is served as it is stays, since its clients would be cut off.
    const asideNow = this.#aside;
    const candidates = [...stored.bundles].filter(
      ([name, options]) =>
        asideNow.has(name) || !isDeepStrictEqual(options, this.#stored.bundles.get(name)),
    );
    const aside = new Set(candidates.map(([name]) => name));
    await this.#serveWithout(new Set(aside), fixed, stored);
    for (const [name] of candidates) {
      aside.delete(name);
      try {
        await this.#serveWithout(new Set(aside), fixed, stored);
      } catch {
        aside.add(name);
      }
    }
  }

  async #serveWithout(
    aside: ReadonlySet<string>,
    fixed: FixedState,
    stored: StoredState,
  ): Promise<void> {
    const version = this.#version + 1;
    const bundles = new Map([...stored.bundles].filter(([name]) => !aside.has(name)));
    this.onBeforeServe?.();
    const served = withoutUnconfigured(configurationOf(fixed, { ...stored, bundles }, version));
    await this.#deps.gateway.apply(this.#deps.references.fill(served, stored.secrets));
    this.#version = version;
    this.#fixed = fixed;
    this.#stored = stored;
    this.#aside = aside;
  }

  #listen(): void {
    this.#stopListening?.();
    this.#stopListening = this.#store?.onChange(() => void this.reload());
  }
}

// A service that lacks something is shown and not served.
function withoutUnconfigured(configuration: GatewayConfiguration): GatewayConfiguration {
  const servers = configuration.servers.filter(({ needs }) => needs === undefined);
  return { ...configuration, servers };
}

function unavailable(cause?: unknown): SignalboxError {
  return new SignalboxError(
    "STORE_UNAVAILABLE",
    "The database does not answer, so nothing was changed; calls go on meanwhile.",
    cause === undefined ? {} : { cause },
  );
}

const changesWaitingMax = 100;
const reloadUntilLoadedEveryMs = 2_000;
// Notifications are lost with their connection; this bounds how long a change can then go unseen.
const reloadEveryMs = 30_000;
