// The control plane. Every change goes through one queue and has one shape: make the next state, have the gateway
// build and serve it, then store it; when the gateway cannot build it nothing is stored, and when the store fails
// the gateway is put back to what it served. While the database is away the gateway serves the last state (at start:
// what the configuration file and the product define), changes fail with STORE_UNAVAILABLE, and the registry asks
// again until the database answers.
import { mintKey } from "../access/index.ts";
import type { KeyRecord } from "../access/index.ts";
import { isSignalboxError, messageOf, newId, SignalboxError } from "../foundation/index.ts";
import type { Clock, Log } from "../foundation/index.ts";
import type {
  BundleOptions,
  ServerDefinition,
  ServerOptions,
  TestReport,
} from "../gateway/index.ts";
import { planSeed, seededRecord } from "./admin-key-seed.ts";
import { ChangeQueue } from "./change-queue.ts";
import { configurationOf, emptyState, sameState } from "./configured-state.ts";
import type { FixedState, StoredState } from "./configured-state.ts";
import { requireKey, viewOfKey } from "./key-input.ts";
import type { KeyView, NewKey } from "./key-input.ts";
import { loadState } from "./load-state.ts";
import { unmaskServer } from "./masking.ts";
import { requireBundleName, requireServerName } from "./names.ts";
import type { RegistryGateway, RegistryStore } from "./ports.ts";
import { viewOfBundle, viewOfServer } from "./views.ts";
import type { BundleView, ServerView } from "./views.ts";

export interface RegistryDeps {
  /** Absent while the database cannot be reached at start; `attachStore` hands it in later. */
  store?: RegistryStore | undefined;
  gateway: RegistryGateway;
  log: Log;
  clock: Clock;
  /** The servers and bundles of the configuration file as it stands at start. */
  configServers(): ReadonlyMap<string, ServerOptions>;
  configBundles(): ReadonlyMap<string, BundleOptions>;
  builtin: readonly ServerDefinition[];
}

/** Servers, bundles and keys: who defines them, what is stored, and what the gateway serves of them. */
export class Registry {
  readonly #deps: RegistryDeps;
  readonly #queue = new ChangeQueue(changesWaitingMax);
  #store: RegistryStore | undefined;
  #fixed: FixedState;
  #stored: StoredState = emptyState;
  #loaded = false;
  #reloadWaits = false;
  #version = 0;
  #adminKey: string | undefined;
  #unheardLastUsed = new Map<string, number>();
  #stopListening: (() => void) | undefined;
  #timers: NodeJS.Timeout[] = [];
  #stopped = false;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    this.#store = deps.store;
    this.#fixed = { builtin: deps.builtin, servers: new Map(), bundles: new Map() };
  }

  /** Loads and serves everything; without a database, what the configuration file defines. Throws when that cannot be served. */
  async start(): Promise<void> {
    const fixed: FixedState = {
      builtin: this.#deps.builtin,
      servers: this.#deps.configServers(),
      bundles: this.#deps.configBundles(),
    };
    await this.#queue.run(async () => {
      const state = await this.#tryLoad();
      await this.#serveAtStart(fixed, state ?? this.#withoutStore());
      this.#loaded = state !== undefined;
    });
    this.#watch();
  }

  /** Stops watching the store and writes the last uses of keys that are still unwritten. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    for (const timer of this.#timers) clearInterval(timer);
    await this.flushLastUsed();
  }

  /** Hands in the database when it could not be reached at start, and serves what it holds. */
  async attachStore(store: RegistryStore): Promise<void> {
    this.#store = store;
    this.#listen();
    await this.reload();
  }

  /** True once the stored state was read; false while the gateway lives on the configuration file alone. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Counts what the gateway was given to serve. */
  get version(): number {
    return this.#version;
  }

  /**
   * Makes sure that somebody can administer the gateway. A given key is put on record and replaces the one given
   * before; without one, and with no key on record, one is minted and returned to be shown once. Without a database
   * a given key is valid at once and stored when the database answers.
   */
  async seedAdminKey(given?: string): Promise<{ created?: string }> {
    this.#adminKey = given;
    return await this.#queue.run(async () => {
      if (this.#loaded) return await this.#seed();
      await this.#serve(this.#fixed, this.#withoutStore());
      return {};
    });
  }

  /** Serves a changed configuration file. When it cannot be served the old one stays and the reason is thrown. */
  async reloadConfig(
    servers: ReadonlyMap<string, ServerOptions>,
    bundles: ReadonlyMap<string, BundleOptions>,
  ): Promise<void> {
    await this.#queue.run(async () => {
      await this.#serve({ builtin: this.#deps.builtin, servers, bundles }, this.#stored);
    });
  }

  /** Reads the store again and serves what changed there; a failure is logged and tried again later. */
  async reload(): Promise<void> {
    if (this.#reloadWaits || this.#stopped) return;
    this.#reloadWaits = true;
    await this.#queue
      .run(async () => {
        this.#reloadWaits = false;
        await this.#reloadNow();
      })
      .catch((error: unknown) => {
        this.#reloadWaits = false;
        this.#deps.log.error({ problem: messageOf(error) }, "Stored changes could not be served");
      });
  }

  servers(): ServerView[] {
    const statuses = new Map(this.#deps.gateway.serverStatus().map((one) => [one.name, one]));
    return configurationOf(this.#fixed, this.#stored, this.#version).servers.map((definition) =>
      viewOfServer(definition, statuses.get(definition.name)),
    );
  }

  /** One server. Throws SERVER_NOT_FOUND. */
  server(name: string): ServerView {
    const definition = this.#definition(name);
    const status = this.#deps.gateway.serverStatus().find((one) => one.name === name);
    return viewOfServer(definition, status);
  }

  /** Adds a server. Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE, or why the gateway cannot serve it. */
  async addServer(name: string, options: ServerOptions): Promise<ServerView> {
    requireServerName(name);
    await this.#change(async (store, now) => {
      if (this.#has(name)) throw taken("server", name);
      const next = { ...now, servers: new Map(now.servers).set(name, options) };
      await this.#commit(next, () => store.servers.put(name, options));
    });
    return this.server(name);
  }

  /** Replaces a server's options; masked values keep what is stored. Throws SERVER_NOT_FOUND, CONFLICT for a read-only one. */
  async updateServer(name: string, options: ServerOptions): Promise<ServerView> {
    await this.#change(async (store, now) => {
      const restored = unmaskServer(options, this.#writable(name).options);
      const next = { ...now, servers: new Map(now.servers).set(name, restored) };
      await this.#commit(next, () => store.servers.put(name, restored));
    });
    return this.server(name);
  }

  /** Removes a server. Throws SERVER_NOT_FOUND, CONFLICT for a read-only one. */
  async removeServer(name: string): Promise<void> {
    await this.#change(async (store, now) => {
      this.#writable(name);
      const servers = new Map(now.servers);
      servers.delete(name);
      await this.#commit({ ...now, servers }, () => store.servers.remove(name));
    });
  }

  /** Connects to a configured server, or to one that is only described, and tells what it offers. */
  async testServer(
    server: string | { name: string; options: ServerOptions },
    signal: AbortSignal,
  ): Promise<TestReport> {
    if (typeof server === "string") {
      return await this.#deps.gateway.testServer(this.#definition(server), signal);
    }
    requireServerName(server.name);
    const before = this.#stored.servers.get(server.name);
    const options = unmaskServer(server.options, before ?? {});
    return await this.#deps.gateway.testServer(
      { name: server.name, options, origin: "store" },
      signal,
    );
  }

  /** The last lines a local server wrote to its standard error. Throws SERVER_NOT_FOUND. */
  logs(name: string): string[] {
    this.#definition(name);
    return this.#deps.gateway.stderr(name);
  }

  bundles(): BundleView[] {
    return configurationOf(this.#fixed, this.#stored, this.#version).bundles.map(viewOfBundle);
  }

  /** One bundle. Throws BUNDLE_NOT_FOUND. */
  bundle(name: string): BundleView {
    const bundle = this.bundles().find((one) => one.name === name);
    if (bundle === undefined) throw noBundle(name);
    return bundle;
  }

  /** Adds a bundle. Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE, or why the gateway cannot serve it. */
  async addBundle(name: string, options: BundleOptions): Promise<BundleView> {
    requireBundleName(name);
    await this.#change(async (store, now) => {
      if (this.bundles().some((one) => one.name === name)) throw taken("bundle", name);
      const next = { ...now, bundles: new Map(now.bundles).set(name, options) };
      await this.#commit(next, () => store.bundles.put(name, options));
    });
    return this.bundle(name);
  }

  /** Replaces a bundle's options. Throws BUNDLE_NOT_FOUND, CONFLICT for a read-only one. */
  async updateBundle(name: string, options: BundleOptions): Promise<BundleView> {
    await this.#change(async (store, now) => {
      this.#requireWritableBundle(name);
      const next = { ...now, bundles: new Map(now.bundles).set(name, options) };
      await this.#commit(next, () => store.bundles.put(name, options));
    });
    return this.bundle(name);
  }

  /** Removes a bundle. Throws BUNDLE_NOT_FOUND, CONFLICT for a read-only one. */
  async removeBundle(name: string): Promise<void> {
    await this.#change(async (store, now) => {
      this.#requireWritableBundle(name);
      const bundles = new Map(now.bundles);
      bundles.delete(name);
      await this.#commit({ ...now, bundles }, () => store.bundles.remove(name));
    });
  }

  /** Mints a key; the key itself is in the answer and nowhere else. */
  async createKey(wanted: NewKey): Promise<{ record: KeyView; key: string }> {
    return await this.#change(async (store, now) => {
      const at = this.#deps.clock.now();
      requireKey(wanted, new Set(this.bundles().map((bundle) => bundle.name)), at);
      if (now.keys.length >= keysMax) {
        throw new SignalboxError("CONFLICT", `No more than ${keysMax} keys are kept.`);
      }
      const { key, hash, prefix } = mintKey();
      const record: KeyRecord = {
        id: newId("key"),
        name: wanted.name,
        role: wanted.role,
        bundles: wanted.bundles ?? "all",
        hash,
        prefix,
        createdAt: at,
        ...(wanted.expiresAt !== undefined && { expiresAt: wanted.expiresAt }),
      };
      await this.#commit({ ...now, keys: [...now.keys, record] }, () => store.keys.insert(record));
      return { record: viewOfKey(record), key };
    });
  }

  /** Every key on record, revoked ones included, without its hash. */
  listKeys(): KeyView[] {
    return this.#stored.keys.map((record) => ({
      ...viewOfKey(record),
      ...lastUse(record, this.#unheardLastUsed),
    }));
  }

  /** Revokes a key: here at once, in other processes within a second. Throws NOT_FOUND. Revoking twice is no error. */
  async revokeKey(id: string): Promise<KeyView> {
    return await this.#change(async (store, now) => {
      const record = now.keys.find((key) => key.id === id);
      if (record === undefined)
        throw new SignalboxError("NOT_FOUND", "There is no key with this id.");
      if (record.revokedAt !== undefined) return viewOfKey(record);
      const at = this.#deps.clock.now();
      const next = revokedIn(now, new Set([id]), at);
      await this.#commit(next, () => store.keys.revoke(id, at));
      return viewOfKey({ ...record, revokedAt: at });
    });
  }

  /** Writes when keys were last used; what cannot be written now is kept for the next time. */
  async flushLastUsed(): Promise<void> {
    for (const [id, at] of this.#deps.gateway.takeLastUsed()) this.#unheardLastUsed.set(id, at);
    const taken = this.#unheardLastUsed;
    if (this.#store === undefined || taken.size === 0) return;
    this.#unheardLastUsed = new Map();
    try {
      await this.#store.keys.touch(taken);
      this.#rememberLastUsed(taken);
    } catch (error) {
      this.#deps.log.warn(
        { problem: messageOf(error) },
        "The last use of keys could not be written",
      );
      for (const [id, at] of taken) {
        if (!this.#unheardLastUsed.has(id)) this.#unheardLastUsed.set(id, at);
      }
    }
  }

  // --- changing ---

  async #change<T>(step: (store: RegistryStore, now: StoredState) => Promise<T>): Promise<T> {
    return await this.#queue.run(async () => {
      if (this.#stopped) throw new SignalboxError("SHUTTING_DOWN", "The gateway is stopping.");
      if (this.#store === undefined || !this.#loaded) throw unavailable();
      return await step(this.#store, this.#stored);
    });
  }

  async #commit(next: StoredState, persist: () => Promise<unknown>): Promise<void> {
    const before = this.#stored;
    await this.#serve(this.#fixed, next);
    try {
      await persist();
    } catch (error) {
      await this.#serve(this.#fixed, before);
      throw isSignalboxError(error) ? error : unavailable(error);
    }
  }

  async #serve(fixed: FixedState, stored: StoredState): Promise<void> {
    const version = this.#version + 1;
    await this.#deps.gateway.apply(configurationOf(fixed, stored, version));
    this.#version = version;
    this.#fixed = fixed;
    this.#stored = stored;
  }

  // A stored bundle that no longer fits must not keep the gateway from starting: it is removed or mended over the API.
  async #serveAtStart(fixed: FixedState, stored: StoredState): Promise<void> {
    try {
      await this.#serve(fixed, stored);
    } catch (error) {
      if (stored.bundles.size === 0) throw error;
      await this.#serve(fixed, { ...stored, bundles: new Map() });
      this.#deps.log.error(
        { problem: messageOf(error), bundles: [...stored.bundles.keys()] },
        "The stored bundles cannot be served and are left out",
      );
    }
  }

  // --- the store ---

  async #reloadNow(): Promise<void> {
    const state = await this.#tryLoad();
    if (state === undefined) return;
    const first = !this.#loaded;
    if (first || !sameState(state, this.#stored)) {
      await this.#serve(this.#fixed, state);
      this.#deps.log.info({ version: this.#version }, "Serving the configuration of the store");
    }
    this.#loaded = true;
    if (first && (this.#adminKey !== undefined || state.keys.length > 0)) await this.#seed();
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

  async #seed(): Promise<{ created?: string }> {
    const store = this.#store;
    if (store === undefined) return {};
    const now = this.#deps.clock.now();
    const { insert, revoke, created, refused } = planSeed(this.#stored.keys, this.#adminKey, now);
    if (refused) {
      this.#deps.log.warn(
        {},
        "The key of SIGNALBOX_ADMIN_KEY was revoked and stays so; choose another",
      );
    }
    if (insert === undefined && revoke.length === 0) return {};
    const kept = revokedIn(this.#stored, new Set(revoke), now);
    const next = { ...kept, keys: insert === undefined ? kept.keys : [...kept.keys, insert] };
    await this.#commit(next, async () => {
      if (insert !== undefined) await store.keys.insert(insert);
      for (const id of revoke) await store.keys.revoke(id, now);
    });
    return created === undefined ? {} : { created };
  }

  #withoutStore(): StoredState {
    if (this.#adminKey === undefined) return emptyState;
    return { ...emptyState, keys: [seededRecord(this.#adminKey, this.#deps.clock.now())] };
  }

  #watch(): void {
    this.#listen();
    const every = (ms: number, task: () => Promise<void>): NodeJS.Timeout =>
      setInterval(() => void task(), ms).unref();
    this.#timers = [
      every(lastUsedEveryMs, () => this.flushLastUsed()),
      every(reloadUntilLoadedEveryMs, async () => {
        if (!this.#loaded) await this.reload();
      }),
      every(reloadEveryMs, () => this.reload()),
    ];
  }

  #listen(): void {
    this.#stopListening?.();
    this.#stopListening = this.#store?.onChange(() => void this.reload());
  }

  #rememberLastUsed(lastUsed: ReadonlyMap<string, number>): void {
    const keys = this.#stored.keys.map((record) => ({ ...record, ...lastUse(record, lastUsed) }));
    this.#stored = { ...this.#stored, keys };
  }

  // --- names ---

  #has(name: string): boolean {
    const { builtin, servers } = this.#fixed;
    return (
      builtin.some((one) => one.name === name) ||
      servers.has(name) ||
      this.#stored.servers.has(name)
    );
  }

  #definition(name: string): ServerDefinition {
    const { servers } = configurationOf(this.#fixed, this.#stored, this.#version);
    const definition = servers.find((one) => one.name === name);
    if (definition === undefined) {
      throw new SignalboxError("SERVER_NOT_FOUND", `There is no server "${name.slice(0, 64)}".`);
    }
    return definition;
  }

  #writable(name: string): ServerDefinition {
    const definition = this.#definition(name);
    if (definition.origin !== "store") throw readOnly("server", name, definition.origin);
    return definition;
  }

  #requireWritableBundle(name: string): void {
    const { origin } = this.bundle(name);
    if (origin !== "store") throw readOnly("bundle", name, origin);
  }
}

function revokedIn(state: StoredState, ids: ReadonlySet<string>, at: number): StoredState {
  return {
    ...state,
    keys: state.keys.map((key) => (ids.has(key.id) ? { ...key, revokedAt: at } : key)),
  };
}

function lastUse(
  record: KeyRecord,
  lastUsed: ReadonlyMap<string, number>,
): { lastUsedAt?: number } {
  const at = lastUsed.get(record.id);
  return at === undefined ? {} : { lastUsedAt: Math.max(at, record.lastUsedAt ?? 0) };
}

function taken(kind: string, name: string): SignalboxError {
  return new SignalboxError("NAME_TAKEN", `There is already a ${kind} "${name}".`, {
    details: { name },
  });
}

function noBundle(name: string): SignalboxError {
  return new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${name.slice(0, 64)}".`);
}

function readOnly(kind: string, name: string, origin: "config" | "builtin"): SignalboxError {
  const home =
    origin === "config"
      ? "is defined in signalbox.toml; change it there"
      : "is part of the gateway";
  return new SignalboxError("CONFLICT", `The ${kind} "${name}" ${home}.`, {
    details: { name, origin },
  });
}

function unavailable(cause?: unknown): SignalboxError {
  return new SignalboxError(
    "STORE_UNAVAILABLE",
    "The database does not answer, so nothing was changed; calls go on meanwhile.",
    cause === undefined ? {} : { cause },
  );
}

const changesWaitingMax = 100;
const keysMax = 10_000;
const lastUsedEveryMs = 10_000;
const reloadUntilLoadedEveryMs = 2_000;
// Notifications may be lost with their connection; this bounds how long a change can then go unseen.
const reloadEveryMs = 30_000;
