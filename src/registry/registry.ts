import { Vault, defaultProject, type ProjectOptions, type RoleOptions } from "../access/index.ts";
import { messageOf, redactText, SignalboxError } from "../foundation/index.ts";
import type { AuditActor, AuditSink, Clock, Log } from "../foundation/index.ts";
import type {
  ServerFacts,
  BundleDefinition,
  BundleOptions,
  ServerDefinition,
  ServerOptions,
  TestReport,
} from "../gateway/index.ts";
import type { FileState } from "./configured-state.ts";
import type { KeyView, NewKey } from "./key-input.ts";
import { Keys } from "./keys.ts";
import { LiveConfiguration } from "./live-configuration.ts";
import { unmaskServer } from "./masking.ts";
import { requireBundleName, requireServerName } from "./names.ts";
import type { RegistryGateway, RegistryStore } from "./ports.ts";
import { Projects, projectNotFound } from "./projects.ts";
import type { Resealing } from "./resealing.ts";
import { RoleBook } from "./role-book.ts";
import type { SecretName, SecretView } from "./secret-record.ts";
import { SECRETS } from "./sealed-tables.ts";
import { Secrets } from "./secrets.ts";
import { ServerReferences } from "./server-references.ts";
import { viewOfBundle, viewOfServer } from "./views.ts";
import type { BundleView, ServerView } from "./views.ts";

export interface RegistryDeps {
  /** Absent while the database cannot be reached at start; `attachStore` hands it in later. */
  store?: RegistryStore | undefined;
  gateway: RegistryGateway;
  log: Log;
  clock: Clock;
  /** What the configuration file says as it stands at start. */
  configServers(): ReadonlyMap<string, ServerOptions>;
  configBundles(): ReadonlyMap<string, BundleOptions>;
  configProjects?(): ReadonlyMap<string, ProjectOptions>;
  configRoles?(): ReadonlyMap<string, RoleOptions>;
  /** The product's services as they are configured at start. */
  configServices?(): readonly ServerDefinition[];
  builtin: readonly ServerDefinition[];
  /** What seals secrets; without one none can be stored. */
  vault?: Vault;
  /** A variable of the gateway's environment, for `${env:NAME}`; none where it is left out. */
  variable?(name: string): string | undefined;
  /** Files, and folders of files, that no server may be given. */
  closedPaths?: readonly string[];
  /** Variables that no server may be given, beside those whose names say so. */
  closedVariables?: ReadonlySet<string>;
  audit?: AuditSink | undefined;
  /** What was approved of a server goes with it. */
  pins?: { forget(server: string): Promise<unknown> } | undefined;
}

/** The control plane: which servers, bundles, projects, roles and keys there are, who defines them, and how they are changed. */
export class Registry {
  readonly #deps: RegistryDeps;
  readonly #live: LiveConfiguration;
  readonly #keys: Keys;
  readonly projects: Projects;
  readonly roles: RoleBook;
  readonly #references: ServerReferences;
  readonly #secrets: Secrets;
  #flushing: NodeJS.Timeout | undefined;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    const {
      vault = new Vault(),
      clock,
      log,
      audit,
      closedPaths = [],
      closedVariables = new Set(),
    } = deps;
    const references = new ServerReferences({
      sealer: vault.for(SECRETS),
      clock,
      variable: (name) => deps.variable?.(name),
      closedPaths,
      closedVariables,
      audit,
    });
    this.#references = references;
    this.#live = new LiveConfiguration({ ...deps, references });
    this.projects = new Projects(this.#live);
    this.roles = new RoleBook(this.#live);
    this.#secrets = new Secrets({
      live: this.#live,
      vault,
      references,
      clock,
      log,
    });
    this.#keys = new Keys({
      ...deps,
      live: this.#live,
      roles: this.roles,
      projects: this.projects,
    });
  }

  /** Loads and serves everything; without a database, what the configuration file and the product define. */
  async start(): Promise<void> {
    await this.#live.start({
      servers: this.#deps.configServers(),
      bundles: this.#deps.configBundles(),
      projects: this.#deps.configProjects?.() ?? new Map(),
      roles: this.#deps.configRoles?.() ?? new Map(),
      services: this.#deps.configServices?.() ?? [],
    });
    this.#flushing = setInterval(() => void this.flushLastUsed(), lastUsedEveryMs).unref();
  }

  /** Stops watching the store and writes the last uses of keys that are still unwritten. */
  async stop(): Promise<void> {
    this.#live.stop();
    clearInterval(this.#flushing);
    await this.flushLastUsed();
  }

  /** Hands in the database, before the start or later when it could not be reached then, and serves what it holds. */
  async attachStore(store: RegistryStore): Promise<void> {
    await this.#live.attachStore(store);
  }

  /** True once the stored state was read; false while the gateway lives on the configuration file alone. */
  get loaded(): boolean {
    return this.#live.loaded;
  }

  /** Counts what the gateway was given to serve. */
  get version(): number {
    return this.#live.version;
  }

  /**
   * Makes sure that somebody can administer the gateway. A given key is put on record and replaces the one given
   * before; without one, and with no key on record, one is minted and returned to be shown once. Without a database
   * a given key is valid at once and stored when the database answers.
   */
  async seedAdminKey(given?: string): Promise<{ created?: string }> {
    return await this.#keys.seed(given);
  }

  /** Serves a changed configuration file. When it cannot be served the old one stays and the reason is thrown. */
  async reloadConfig(
    servers: ReadonlyMap<string, ServerOptions>,
    bundles: ReadonlyMap<string, BundleOptions>,
    others: Partial<Pick<FileState, "projects" | "roles" | "services">> = {},
  ): Promise<void> {
    const { projects, roles, services } = this.#live.fixed;
    await this.#live.replaceFixed({ servers, bundles, projects, roles, services, ...others });
  }

  /** Reads the store again and serves what changed there; a failure is logged and tried again later. */
  async reload(): Promise<void> {
    await this.#live.reload();
  }

  servers(): ServerView[] {
    const statuses = new Map(this.#deps.gateway.serverStatus().map((one) => [one.name, one]));
    return this.#live.merged.servers.map((definition) =>
      viewOfServer(definition, statuses.get(definition.name)),
    );
  }

  /** One server. Throws SERVER_NOT_FOUND. */
  server(name: string): ServerView {
    const status = this.#deps.gateway.serverStatus().find((one) => one.name === name);
    return viewOfServer(this.#definition(name), status);
  }

  /** What is known of a server's endpoints and guards; undefined for one that is switched off. Throws SERVER_NOT_FOUND. */
  serverFacts(name: string): ServerFacts | undefined {
    return this.#deps.gateway.serverFacts(this.#definition(name).name);
  }

  /** Takes an endpoint out of service, or back. Throws SERVER_NOT_FOUND, SERVER_DISABLED, ENDPOINT_NOT_FOUND. */
  drainEndpoint(name: string, endpoint: string, drained: boolean): void {
    this.#deps.gateway.drainEndpoint(this.#enabled(name), endpoint, drained);
  }

  /** Opens or closes the breaker of a server, or of one of its tools, by hand. Throws SERVER_NOT_FOUND, SERVER_DISABLED. */
  setBreaker(name: string, state: "open" | "closed", tool?: string): void {
    this.#deps.gateway.setBreaker(this.#enabled(name), state, tool);
  }

  /** Adds a server. Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE, or why the gateway cannot serve it. */
  async addServer(name: string, options: ServerOptions): Promise<ServerView> {
    requireServerName(name);
    await this.#live.change((now) => {
      if (this.#isTaken(name)) throw taken("server", name);
      this.#requireProject(options);
      return {
        next: { ...now, servers: new Map(now.servers).set(name, options) },
        persist: (store) => store.servers.put(name, options),
        result: undefined,
      };
    });
    return this.server(name);
  }

  /** Replaces a server's options; masked values keep what is stored. Throws SERVER_NOT_FOUND, CONFLICT for a read-only one. */
  async updateServer(name: string, options: ServerOptions): Promise<ServerView> {
    await this.#live.change((now) => {
      const restored = unmaskServer(options, writable("server", this.#definition(name)).options);
      this.#requireProject(options);
      return {
        next: { ...now, servers: new Map(now.servers).set(name, restored) },
        persist: (store) => store.servers.put(name, restored),
        result: undefined,
      };
    });
    return this.server(name);
  }

  /** Removes a server. Throws SERVER_NOT_FOUND, CONFLICT for a read-only one. */
  async removeServer(name: string): Promise<void> {
    await this.#live.change((now) => {
      writable("server", this.#definition(name));
      return {
        next: { ...now, servers: without(now.servers, name) },
        persist: (store) => store.servers.remove(name),
        result: undefined,
      };
    });
    await this.#deps.pins?.forget(name).catch((error: unknown) => {
      // The server is gone all the same; who adds another of that name finds its tools waiting.
      const problem = messageOf(error);
      this.#deps.log.warn({ serverId: name, problem }, `The pins of "${name}" were not forgotten`);
    });
  }

  /** Connects to a configured server, or to one that is only described, and tells what it offers. */
  async testServer(
    server: string | { name: string; options: ServerOptions },
    signal: AbortSignal,
  ): Promise<TestReport> {
    if (typeof server === "string") return await this.#test(this.#definition(server), signal);
    requireServerName(server.name);
    const stored = this.#live.stored.servers.get(server.name) ?? {};
    const options = unmaskServer(server.options, stored);
    const definition: ServerDefinition = { name: server.name, options, origin: "store" };
    return await this.#test(definition, signal);
  }

  /** The last lines a local server wrote to its standard error. Throws SERVER_NOT_FOUND. */
  logs(name: string): readonly string[] {
    const lines = this.#deps.gateway.stderr(this.#definition(name).name) ?? [];
    return lines.map((line) => redactText(line));
  }

  bundles(): BundleView[] {
    return this.#live.merged.bundles.map(viewOfBundle);
  }

  /** One bundle. Throws BUNDLE_NOT_FOUND. */
  bundle(name: string): BundleView {
    return viewOfBundle(this.#bundle(name));
  }

  /** Adds a bundle. Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE, or why the gateway cannot serve it. */
  async addBundle(name: string, options: BundleOptions): Promise<BundleView> {
    requireBundleName(name);
    await this.#live.change((now) => {
      if (this.#live.merged.bundles.some((one) => one.name === name)) throw taken("bundle", name);
      this.#requireProject(options);
      return {
        next: { ...now, bundles: new Map(now.bundles).set(name, options) },
        persist: (store) => store.bundles.put(name, options),
        result: undefined,
      };
    });
    return this.bundle(name);
  }

  /** Replaces a bundle's options. Throws BUNDLE_NOT_FOUND, CONFLICT for a read-only one. */
  async updateBundle(name: string, options: BundleOptions): Promise<BundleView> {
    await this.#live.change((now) => {
      writable("bundle", this.#bundle(name));
      this.#requireProject(options);
      return {
        next: { ...now, bundles: new Map(now.bundles).set(name, options) },
        persist: (store) => store.bundles.put(name, options),
        result: undefined,
      };
    });
    return this.bundle(name);
  }

  /** Removes a bundle. Throws BUNDLE_NOT_FOUND, CONFLICT for a read-only one. */
  async removeBundle(name: string): Promise<void> {
    await this.#live.change((now) => {
      writable("bundle", this.#bundle(name));
      return {
        next: { ...now, bundles: without(now.bundles, name) },
        persist: (store) => store.bundles.remove(name),
        result: undefined,
      };
    });
  }

  /** Mints a key; the key itself is in the answer and nowhere else. Throws NAME_INVALID, ROLE_NOT_FOUND, PROJECT_NOT_FOUND, BUNDLE_NOT_FOUND, STORE_UNAVAILABLE. */
  async createKey(wanted: NewKey): Promise<{ record: KeyView; key: string }> {
    return await this.#keys.create(wanted);
  }

  /** Every key on record, revoked ones included, without its hash. */
  listKeys(): KeyView[] {
    return this.#keys.list();
  }

  /** Revokes a key: here at once, in other processes within a second. Throws NOT_FOUND. Revoking twice is no error. */
  async revokeKey(id: string): Promise<KeyView> {
    return await this.#keys.revoke(id);
  }

  /** The secrets of a project, or all of them, without their values. */
  listSecrets(project?: string): SecretView[] {
    return this.#secrets.list(project);
  }

  /**
   * Stores a secret, or a new value for one that is there; the servers that refer to it are opened anew, the others are not
   * touched. Throws NAME_INVALID, BODY_INVALID, ENCRYPTION_KEY_MISSING, STORE_UNAVAILABLE.
   */
  async putSecret(
    wanted: SecretName & { value: string },
    actor: AuditActor,
  ): Promise<{ secret: SecretView; created: boolean }> {
    return await this.#secrets.put(wanted, actor);
  }

  /** Removes a secret; servers that refer to it fail from now on. Throws NOT_FOUND. */
  async removeSecret(wanted: SecretName): Promise<void> {
    await this.#secrets.remove(wanted);
  }

  /** Seals a portion of what an earlier key has sealed with the key in use. Throws ENCRYPTION_KEY_MISSING, STORE_UNAVAILABLE. */
  async resealSecrets(from: { after: string; limit: number }): Promise<Resealing> {
    return await this.#secrets.reseal(from);
  }

  /** Writes when keys and secrets were last used; runs by itself every ten seconds. */
  async flushLastUsed(): Promise<void> {
    await this.#keys.flushLastUsed();
    await this.#secrets.flushLastUsed();
  }

  async #test(definition: ServerDefinition, signal: AbortSignal): Promise<TestReport> {
    const { name, needs } = definition;
    if (needs !== undefined) {
      const { code, message } = notConfigured(name, needs);
      return { ok: false, ms: 0, error: { code, message } };
    }
    const filled = this.#references.fillOne(definition, this.#live.stored.secrets);
    return await this.#deps.gateway.testServer(filled, signal);
  }

  #requireProject({ project = defaultProject }: { project?: string | undefined }): void {
    if (!this.projects.has(project)) throw projectNotFound(project);
  }

  // A service that is not configured leaves its name to whoever wants it.
  #isTaken(name: string): boolean {
    return this.#live.merged.servers.some((one) => one.name === name && one.needs === undefined);
  }

  #definition(name: string): ServerDefinition {
    const definition = this.#live.merged.servers.find((one) => one.name === name);
    if (definition !== undefined) return definition;
    throw new SignalboxError("SERVER_NOT_FOUND", `There is no server "${name.slice(0, 64)}".`);
  }

  // What is switched off does not run: there is nothing that could be steered.
  #enabled(name: string): string {
    const { options, needs } = this.#definition(name);
    if (needs !== undefined) throw notConfigured(name, needs);
    if (options.enabled !== false) return name;
    throw new SignalboxError("SERVER_DISABLED", `The server "${name}" is switched off.`);
  }

  #bundle(name: string): BundleDefinition {
    const definition = this.#live.merged.bundles.find((one) => one.name === name);
    if (definition !== undefined) return definition;
    throw new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${name.slice(0, 64)}".`);
  }
}

function writable<T extends { name: string; origin: ServerDefinition["origin"] }>(
  kind: string,
  definition: T,
): T {
  const { name, origin } = definition;
  if (origin === "store") return definition;
  const home =
    origin === "config"
      ? "is defined in signalbox.toml; change it there"
      : origin === "service"
        ? `is a service of the gateway; change it under [services.${definition.name}] or in the environment`
        : "is part of the gateway";
  throw new SignalboxError("CONFLICT", `The ${kind} "${name}" ${home}.`, {
    details: { name, origin },
  });
}

function notConfigured(name: string, needs: readonly string[]): SignalboxError {
  return new SignalboxError(
    "SERVICE_NOT_CONFIGURED",
    `The service "${name}" is not configured: it needs ${needs.join("; ")}.`,
    { details: { name, needs: [...needs] } },
  );
}

function taken(kind: string, name: string): SignalboxError {
  return new SignalboxError("NAME_TAKEN", `There is already a ${kind} "${name}".`, {
    details: { name },
  });
}

function without<T>(definitions: ReadonlyMap<string, T>, name: string): Map<string, T> {
  const rest = new Map(definitions);
  rest.delete(name);
  return rest;
}

const lastUsedEveryMs = 10_000;
