/** The composition root: one gateway in this process, every part of it wired by hand, in the order they start. */
import { readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { systemClock as serviceClock } from "@signalbox/kit";
import {
  CallerLimits,
  Connections,
  LockOut,
  OutboundFetch,
  OutboundGuard,
  OidcSignIn,
  PasswordCheck,
  PasswordHasher,
  People,
  ProtectedResources,
  RefusalReports,
  Sessions,
  TOTP_PURPOSE,
  SignIn,
  Vault,
  anonymous,
  bearerTokens,
  callsSeenBy,
  defaultProject,
  encryptionKeyFile,
  fetchJson,
  hostPolicy,
  isPrincipal,
  issueToken,
  lateConnectionStore,
  latePeopleStore,
  loadEncryptionKeys,
  networkBypass,
  periodAt,
  refuseWeakSecrets,
  textSealer,
  type KeyRecord,
  type Principal,
} from "./access/index.ts";
import { createApi, createMetricsListener, type PeoplePort } from "./api/index.ts";
import {
  changedNames,
  loadConfigAside,
  problemTextsOf,
  readEnvironment,
  servedAs,
  settingsThatWait,
  watchConfigFile,
  type Config,
} from "./config.ts";
import {
  GATEWAY_ACTOR,
  Lifecycle,
  Metrics,
  SignalboxError,
  createLog,
  hideSecret,
  isSignalboxError,
  isWorldReadable,
  keepPrivate,
  messageOf,
  processMetrics,
  randomToken,
  redact,
  releaseStartMemory,
  repeat,
  systemClock,
  writePrivateFile,
  type AuditEvent,
  type Log,
} from "./foundation/index.ts";
import {
  Gateway,
  ResultCache,
  isFailing,
  openRedisRates,
  openRedisStore,
  redisUrlOf,
  createListener,
  listen,
  type CallRecord,
  type RedisRates,
  type RedisStore,
  type ServerDefinition,
  type ServerStatus,
} from "./gateway/index.ts";
import {
  ActivityWatch,
  AuditKeeping,
  AuditShipping,
  AuditTrail,
  BatchQueue,
  CallLog,
  HealthChecks,
  databaseCheck,
  diskSpaceCheck,
  type CheckResult,
} from "./ops/index.ts";
import { KeyLimitBook, Pins, Registry } from "./registry/index.ts";
import { ServiceShelf } from "./services/index.ts";
import {
  signalboxService,
  type ServerDetail,
  type SignalboxPorts,
} from "./services/signalbox/index.ts";
import { openStore, type CallFilter, type LinkTransitionRow, type Store } from "./store/index.ts";
import { OutboundClient } from "./upstream/index.ts";

const DATABASE_LABEL = "db:signalbox";
const POOL_HELP =
  "Open connections: to servers (pool upstream) and to the database (pool database).";
const STORE_RETRY_MS = 5_000;
const STORE_WARN_EVERY_MS = 60_000;
const REDIS_TOKEN_BYTES = 9;
const HIDDEN_PASSWORD_MIN = 12;
/** What of the home nobody else may read. */
const PRIVATE_FILES = [
  "admin.key",
  encryptionKeyFile,
  "database.json",
  "gateway.json",
  "gateway.lock",
  "gateway.lock.holder.json",
];
const PRUNE_FIRST_MS = 10_000;
const PRUNE_EVERY_MS = 3_600_000;
const MINUTE_MS = 60_000;
const SERVICE_HEALTH_EVERY_MS = 30_000;
/** The setting under which the place of the audit trail's shipping is kept. */
const SHIPPED_TO = "audit.shipped_to";
/** Usage of quotas is kept for two years. */
const QUOTAS_KEPT_MS = 730 * 86_400_000;
/** What stopping may take beside draining: the call log's last rows, the database. */
const STOP_MARGIN_MS = 20_000;

/** One gateway: `start` makes it serve, `lifecycle.stop` ends it. */
export class GatewayProcess {
  readonly lifecycle: Lifecycle;
  readonly log: Log;
  readonly #config: Config;
  readonly #argv: readonly string[];
  readonly #version: string;
  readonly #startedAt = systemClock.now();
  readonly #metrics = new Metrics();
  readonly #health: HealthChecks;
  readonly #callLog: CallLog;
  readonly #linkLog: BatchQueue<LinkTransitionRow>;
  readonly #audit: AuditTrail;
  readonly #auditKeeping: AuditKeeping;
  readonly #activity: ActivityWatch;
  readonly #cache: ResultCache;
  #redis: RedisStore | undefined;
  readonly #vault = new Vault();
  readonly #limits: CallerLimits;
  readonly #keyLimits: KeyLimitBook;
  #redisRates: RedisRates | undefined;
  /** The store that quotas are counted in. */
  #countsIn: Store | undefined;
  readonly #connections: Connections;
  readonly #lockOut: LockOut;
  readonly #reports: RefusalReports;
  readonly #sessions: Sessions;
  readonly #pins: Pins;
  readonly #outbound: OutboundClient;
  readonly #services: ServiceShelf;
  /** The product's services as they are configured. */
  #serviceDefinitions: readonly ServerDefinition[] = [];
  readonly #gateway: Gateway;
  readonly #resources: ProtectedResources;
  readonly #registry: Registry;
  readonly #listener: Server;
  readonly #metricsListener: ReturnType<typeof createMetricsListener>;
  readonly #stopping = new AbortController();
  #values: Config["values"];
  /** With what `.env` adds, as it was when the configuration was read last. */
  #environment = readEnvironment(process.env, process.cwd());
  #store: Store | undefined;
  /** Why there is no store: what the last attempt to open it said. */
  #storeProblem: string | undefined;
  #createdKey: string | undefined;
  #port = 0;

  constructor(
    config: Config,
    version: string,
    argv: readonly string[],
    logTo: { write(line: string): void } = process.stdout,
  ) {
    const { values } = config;
    this.#guardSecrets(values);
    this.#config = config;
    this.#values = values;
    this.#argv = argv;
    this.#version = version;
    this.log = createLog({ ...values.log, debug: process.env["DEBUG"], destination: logTo });
    this.lifecycle = new Lifecycle({
      log: this.log,
      stopWithinMs: values.limits.drain + STOP_MARGIN_MS,
    });
    processMetrics(this.#metrics, { version });
    this.#showQueues();
    this.#measureDatabase();
    const clock = systemClock;
    const { log } = this;
    this.#health = new HealthChecks({ log, clock });
    this.#audit = new AuditTrail({
      append: (entries) => this.#requireStore().audit.append(entries),
      clock,
      log,
      metrics: this.#metrics,
    });
    const audit = this.#audit.add;
    this.#auditKeeping = new AuditKeeping({
      verify: (signal, anchor) => this.#requireStore().audit.verify(signal, anchor),
      prune: (before) => this.#requireStore().audit.prune(before),
      retentionMs: values.audit.retention,
      audit,
      clock,
      log: log.child({ area: "audit" }),
      metrics: this.#metrics,
      signal: this.#stopping.signal,
    });
    this.#activity = new ActivityWatch(audit);
    this.#callLog = new CallLog({
      append: (lines) => this.#requireStore().calls.append(lines),
      log,
      metrics: this.#metrics,
      queueMax: values.call_log.queue_max,
      clock,
    });
    this.#linkLog = new BatchQueue({
      name: "link_history",
      write: (rows) => this.#requireStore().linkTransitions.append(rows),
      log,
      metrics: this.#metrics,
    });
    this.#cache = new ResultCache(values.cache, {
      clock,
      log: log.child({ area: "cache" }),
      metrics: this.#metrics,
    });
    const area = { clock, log: log.child({ area: "limits" }) };
    this.#limits = new CallerLimits({ rate: values.rate_limit, quota: values.quotas }, area);
    this.#keyLimits = new KeyLimitBook({
      log: area.log,
      changed: (limits) => this.#limits.setKeyLimits(limits),
    });
    this.#resources = new ProtectedResources({
      base: () => this.#values.public_url ?? this.url,
      issuers: Object.values(values.auth.oauth.issuers).map(({ issuer }) => issuer),
      initialScopes: values.auth.oauth.initial_scopes,
    });
    this.#connections = this.#createConnections();
    this.#outbound = this.#createOutbound();
    this.#services = new ServiceShelf({
      now: () => clock.now(),
      contextOf: (name, { places, secrets }) => {
        for (const secret of secrets) {
          hideSecret(secret);
          hidePassword(secret);
        }
        log.info({ serverId: name }, `Initialized ${name} MCP service ✓`);
        return {
          fetch: this.#outbound.fetchFor(places),
          clock: serviceClock,
          log: log.child({ area: "services", serverId: name }),
        };
      },
    });
    this.#lockOut = new LockOut(values.auth.lock_out, clock);
    this.#reports = new RefusalReports(audit, clock);
    this.#sessions = new Sessions({
      store: latePeopleStore(() => this.#requireStore().people),
      options: values.auth.sessions,
      clock,
      metrics: this.#metrics,
      reports: this.#reports,
      principal: (grant) => this.#gateway.holder(grant),
    });
    this.#pins = new Pins({
      options: values.pins,
      clock,
      log: log.child({ area: "pins" }),
      metrics: this.#metrics,
      changed: (server, fresh) => this.#gateway.reconsiderPins(server, fresh),
      audit,
    });
    this.#gateway = new Gateway({
      clock,
      log: log.child({ area: "gateway" }),
      metrics: this.#metrics,
      limits: values.limits,
      guards: values,
      ...(values.cache.enabled && {
        cache: { results: this.#cache, options: values.cache },
      }),
      pins: this.#pins,
      hostPolicy: hostPolicy({
        host: values.host,
        allowedHosts: values.allowed_hosts,
        // Behind a proxy that names another host, its own pages are known by the address that browsers have.
        allowedOrigins: [
          ...values.allowed_origins,
          ...(values.public_url === undefined ? [] : [values.public_url]),
        ],
      }),
      callerLimits: this.#limits,
      record: (call) => this.#record(call),
      linkChanged: (server, change) => this.#linkLog.add({ server, ...change }),
      recordArguments: values.call_log.arguments,
      oauth: this.#connections,
      keysChanged: (keys) => this.#endConnections(keys),
      auth: {
        required: values.auth.required,
        resources: this.#resources,
        tokens: bearerTokens({
          ...values.auth,
          resources: this.#resources,
          fetchJson,
          clock,
          log: log.child({ area: "tokens" }),
        }),
        bypass: networkBypass(values.auth),
        lockOut: this.#lockOut,
        reports: this.#reports,
      },
      audit,
      version,
      home: values.home,
    });
    this.#registry = new Registry({
      gateway: this.#gateway,
      log: log.child({ area: "registry" }),
      clock,
      configServers: () => new Map(Object.entries(this.#values.servers)),
      configBundles: () => new Map(Object.entries(this.#values.bundles)),
      configProjects: () => new Map(Object.entries(this.#values.projects)),
      configRoles: () => new Map(Object.entries(this.#values.roles)),
      configServices: () => this.#serviceDefinitions,
      pins: this.#pins,
      builtin: [
        {
          name: "signalbox",
          origin: "builtin",
          options: {},
          service: signalboxService(this.#servicePorts()),
        },
      ],
      vault: this.#vault,
      variable: (name) => this.#environment.get(name),
      closedPaths: [
        values.home,
        join(process.cwd(), ".env"),
        config.file,
        ...config.ownSources.files,
      ],
      closedVariables: config.ownSources.variables,
      audit,
    });
    const api = this.#createApi();
    this.#listener = createListener({
      gateway: this.#gateway,
      limits: values.limits,
      other: (req, res) => api.handle(req, res),
    });
    const connections = this.#metrics
      .gauge("mcp_concurrent_connections", "Connections of clients that are open.")
      .slot();
    this.#listener.on("connection", (socket) => {
      connections.inc();
      socket.once("close", () => connections.dec());
    });
    this.#metricsListener = createMetricsListener({
      host: values.metrics.host,
      port: values.metrics.port,
      metrics: this.#metrics,
      allowedHosts: values.allowed_hosts,
    });
    this.#addParts();
  }

  get url(): string {
    const { host } = this.#values;
    const shown = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
    return `http://${shown.includes(":") ? `[${shown}]` : shown}:${this.#port}`;
  }

  async start(): Promise<void> {
    for (const warning of this.#config.warnings) this.log.warn({}, warning);
    await this.lifecycle.start();
    this.log.info({ url: this.url, version: this.#version }, "Signalbox is ready");
  }

  /** The key with which this gateway can be administered: given, or kept in the home. */
  async adminKey(): Promise<string> {
    return this.#values.auth.admin_key ?? (await readFile(this.#keyFile(), "utf8")).trim();
  }

  /** What a person sees when the gateway has started. */
  async banner(): Promise<string> {
    const created = this.#createdKey;
    const key = created ?? "<YOUR_KEY>";
    const lines = [
      "",
      `  Signalbox ${this.#version} is running.`,
      "",
      `  Start page    ${this.url}/`,
      `  MCP endpoint  ${this.url}/mcp`,
      ...(this.#metricsEnabled ? [`  Metrics       ${this.#metricsListener.url}`] : []),
      `  Database      ${this.#store?.describe ?? this.#whyNoStore()}`,
      "",
      ...(created === undefined
        ? [`  Admin key     ${await this.#whereTheKeyIs()}`]
        : [
            `  Admin key     ${created}`,
            `                Shown once; kept in ${this.#keyFile()} (readable by you alone).`,
          ]),
      "",
      "  Connect a client, for example Claude Code:",
      `    claude mcp add --transport http signalbox ${this.url}/mcp --header "Authorization: Bearer ${key}"`,
      "  Add a first server:",
      "    npx signalbox servers add everything",
      "",
    ];
    return `${lines.join("\n")}\n`;
  }

  /** After a start that failed: where the key is that it had made, since no banner showed it; undefined where it made none. */
  keptKeyNote(): string | undefined {
    if (this.#createdKey === undefined) return undefined;
    return `The admin key was made before the start failed; it is kept in ${this.#keyFile()} (readable by you alone).`;
  }

  #addParts(): void {
    this.lifecycle.add({
      name: "database",
      start: (signal) => this.#openStore(signal),
      stop: async () => {
        // For a start that failed before the listener was there to end this: nothing is tried any more.
        this.#stopping.abort();
        await this.#store?.close();
      },
    });
    this.lifecycle.add({
      name: "vault",
      start: () => this.#unlockVault(),
      stop: () => Promise.resolve(),
    });
    // Before the gateway, and so stopped after it: what its end cuts off and closes is recorded too.
    this.lifecycle.add({
      name: "audit",
      start: async () => this.#startAudit(),
      stop: () => this.#stopAudit(),
    });
    this.lifecycle.add({
      name: "link history",
      start: () => Promise.resolve(),
      stop: () => this.#linkLog.stop(),
    });
    this.lifecycle.add({
      name: "call log",
      start: async () => {
        if (this.#values.call_log.enabled) this.#callLog.start();
        this.#pruneCalls();
      },
      stop: (signal) => this.#callLog.stop(signal),
    });
    this.lifecycle.add({
      name: "gateway",
      start: () => this.#startGateway(),
      stop: async () => {
        await this.#registry.stop();
        await this.#gateway.close();
        await this.#outbound.close();
        await this.#pins.stop();
      },
    });
    this.lifecycle.add({
      name: "limits",
      start: () => this.#shareLimits(),
      stop: () => this.#settleLimits(),
    });
    this.lifecycle.add({
      name: "cache",
      start: () => this.#shareCache(),
      stop: async () => this.#redis?.close(),
    });
    // Before the checks, whose first round asks whether it listens.
    if (this.#metricsEnabled) this.lifecycle.add(this.#metricsListener);
    this.lifecycle.add({
      name: "health checks",
      start: async () => this.#startHealth(),
      stop: async () => this.#health.stop(),
    });
    this.lifecycle.add({
      name: "listener",
      start: () => this.#listen(),
      stop: (signal) => this.#stopListening(signal),
    });
  }

  // A gateway without its database still serves what its configuration file says; only an embedded one has to start.
  async #openStore(signal: AbortSignal): Promise<void> {
    try {
      this.#store = await this.#open(signal);
    } catch (error) {
      const external = this.#values.database.url !== undefined;
      if (!external || !isSignalboxError(error) || error.code !== "STORE_UNAVAILABLE") throw error;
      this.#storeProblem = error.message;
      this.log.error(
        { code: error.code, database: this.#databasePlace() },
        `${this.#noStoreSentence()} It is tried again in the background.`,
      );
      void this.#openStoreLater();
    }
  }

  async #open(signal: AbortSignal): Promise<Store> {
    const { database, home } = this.#values;
    const log = this.log.child({ area: "store" });
    const begunMs = systemClock.monotonicMs();
    const store = await openStore({ ...database, home, log, signal });
    const duration = Math.round(systemClock.monotonicMs() - begunMs);
    log.debug({ kind: store.kind, database: store.describe, duration }, "The store is open");
    return store;
  }

  async #openStoreLater(): Promise<void> {
    const { signal } = this.#stopping;
    let warnedAtMs = systemClock.monotonicMs();
    while (!signal.aborted) {
      await pause(STORE_RETRY_MS, signal);
      try {
        const store = await this.#open(signal);
        this.#store = store;
        this.#storeProblem = undefined;
        this.#hearChanges(store);
        await this.#pins.attachStore(store);
        await this.#registry.attachStore(store);
        await this.#countIn(store);
        this.log.info({}, "The database is reachable");
        return;
      } catch (error) {
        this.#storeProblem = messageOf(error);
        const nowMs = systemClock.monotonicMs();
        const loud = nowMs - warnedAtMs >= STORE_WARN_EVERY_MS;
        if (loud) warnedAtMs = nowMs;
        this.log[loud ? "warn" : "debug"](
          { code: codeOf(error), database: this.#databasePlace() },
          this.#noStoreSentence(),
        );
      }
    }
  }

  #noStoreSentence(): string {
    const problem = this.#storeProblem ?? "The database cannot be reached.";
    return `No database yet (${this.#databasePlace()}). ${problem.replace(/\.?$/, ".")}`;
  }

  // For the banner: one sentence, with where it was looked for.
  #whyNoStore(): string {
    const problem = (this.#storeProblem ?? "it cannot be reached").replace(/\.$/, "");
    return `none yet at ${this.#databasePlace()}: ${problem}; serving the configuration file meanwhile`;
  }

  /** Host and name of the external database: of its URL the parts that are no secret. */
  #databasePlace(): string {
    const url = URL.parse(this.#values.database.url ?? "");
    return `${url?.host || "a local socket"}${url?.pathname ?? ""}`;
  }

  /** Refuses weak secrets before anything is started with them, and has the others masked wherever they would be written. */
  #guardSecrets({ auth, secrets, database, cache, audit }: Config["values"]): void {
    const agreed = new Map([["audit.webhook_secret", audit.webhook_secret]]);
    for (const [name, issuer] of Object.entries(auth.oauth.issuers))
      agreed.set(`auth.oauth.issuers.${name}.client_secret`, issuer.client_secret);
    agreed.set("auth.oidc.client_secret", auth.oidc?.client_secret);
    refuseWeakSecrets({
      adminKey: auth.admin_key,
      jwtSecret: auth.jwt.secret,
      agreed,
      encryptionKey: secrets.encryption_key,
      previousEncryptionKeys: secrets.previous_encryption_keys,
      databaseUrl: database.url,
      redisUrl: cache.redis_url,
      variable: (name) => this.#environment.get(name),
    });
    const own = [auth.admin_key, auth.jwt.secret, secrets.encryption_key, ...agreed.values()];
    for (const secret of [...own, ...secrets.previous_encryption_keys])
      if (secret !== undefined) hideSecret(secret);
    for (const url of [database.url, cache.redis_url]) hidePassword(url ?? "");
  }

  async #unlockVault(): Promise<void> {
    const { home, database, secrets, profile } = this.#values;
    for (const sentence of keepPrivate(home, PRIVATE_FILES)) this.log.warn({}, sentence);
    const dotEnv = join(process.cwd(), ".env");
    if (isWorldReadable(dotEnv))
      this.log.warn({}, `Every user of this machine can read ${dotEnv}: \`chmod o= .env\``);
    const external = database.url !== undefined;
    const { keys, made } = await loadEncryptionKeys({
      given: secrets.encryption_key,
      previous: secrets.previous_encryption_keys,
      home,
      external,
      production: profile === "production",
    });
    this.#vault.unlock(keys);
    if (made) this.log.info({}, `The encryption key for secrets was made: ${encryptionKeyFile}`);
    if (keys.length === 0)
      this.log.info({}, "No secrets can be stored: MCP_ENCRYPTION_KEY is not set");
  }

  #startAudit(): void {
    const { signal } = this.#stopping;
    this.#auditKeeping.start();
    repeat(async () => this.#activity.minute(), {
      firstMs: MINUTE_MS,
      everyMs: MINUTE_MS,
      signal,
      failed: (error) => this.log.warn({ error: messageOf(error) }, "Activity was not looked at"),
    });
    this.#tell({ action: "gateway.start", outcome: "ok", details: { version: this.#version } });
    const { webhook_url: url, webhook_secret: secret } = this.#values.audit;
    if (url === undefined) return;
    new AuditShipping({
      url,
      secret,
      page: (after, limit) => this.#requireStore().audit.after(after, limit),
      readPlace: async () => {
        const place = await this.#requireStore().settings.get(SHIPPED_TO);
        return typeof place === "number" ? place : undefined;
      },
      writePlace: (seq) => this.#requireStore().settings.set(SHIPPED_TO, seq),
      clock: systemClock,
      log: this.log.child({ area: "audit" }),
      metrics: this.#metrics,
      signal,
    }).start();
  }

  async #stopAudit(): Promise<void> {
    this.#tell({ action: "gateway.stop", outcome: "ok" });
    await this.#audit.stop();
  }

  /** Tells the audit trail what the gateway does by itself. */
  #tell(event: Omit<AuditEvent, "actor">): void {
    this.#audit.add({ ...event, actor: GATEWAY_ACTOR });
  }

  async #startGateway(): Promise<void> {
    if (this.#store !== undefined) {
      this.#hearChanges(this.#store);
      await this.#pins.attachStore(this.#store);
      await this.#registry.attachStore(this.#store);
    }
    this.#serviceDefinitions = await this.#definedServices(this.#values.services);
    await this.#registry.start();
    this.#watchServices();
    const { created } = await this.#registry.seedAdminKey(this.#values.auth.admin_key);
    if (created !== undefined) {
      await writePrivateFile(this.#keyFile(), `${created}\n`);
      this.#createdKey = created;
    }
    watchConfigFile(this.#config.file, () => void this.#reloadConfig(), {
      signal: this.#stopping.signal,
    });
  }

  async #definedServices(tables: Config["values"]["services"]): Promise<ServerDefinition[]> {
    const services = await this.#services.configure(tables);
    return services.map((service) => ({
      ...service,
      origin: "service",
      options: servedAs(tables[service.name]),
    }));
  }

  #watchServices(): void {
    const { signal } = this.#stopping;
    repeat(() => this.#services.checkHealth(signal), {
      firstMs: SERVICE_HEALTH_EVERY_MS,
      everyMs: SERVICE_HEALTH_EVERY_MS,
      signal,
      failed: (error) => this.log.warn({ error: messageOf(error) }, "Services were not asked"),
    });
  }

  // Servers, services, bundles, projects and roles are taken over at once; other settings are read at the start.
  async #reloadConfig(): Promise<void> {
    try {
      const { values } = await loadConfigAside(
        { argv: this.#argv, env: process.env, cwd: process.cwd() },
        this.#config.file,
        this.#stopping.signal,
      );
      this.#environment = readEnvironment(process.env, process.cwd());
      const defined = await this.#definedServices(values.services);
      await this.#registry.reloadConfig(
        new Map(Object.entries(values.servers)),
        new Map(Object.entries(values.bundles)),
        {
          projects: new Map(Object.entries(values.projects)),
          roles: new Map(Object.entries(values.roles)),
          services: defined,
        },
      );
      this.#serviceDefinitions = defined;
      const { servers, services, bundles, projects, roles } = values;
      const details = changedNames(this.#values, values);
      this.#tell({ action: "config.reload", outcome: "ok", details });
      this.#values = { ...this.#values, servers, services, bundles, projects, roles };
      this.log.info(
        {},
        "The servers, services and bundles of the changed configuration file are served",
      );
      this.#sayWhatWaits(values);
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#sayWhatIsBroken(error);
    }
  }

  #sayWhatWaits(wanted: Config["values"]): void {
    // As one text: in a list of words, the one after `auth.admin_key` would be masked as its value.
    const settings = settingsThatWait(this.#values, wanted).join(", ");
    if (settings === "") return;
    this.log.warn({ settings }, `Changed settings that wait for the next start: ${settings}`);
  }

  #sayWhatIsBroken(error: unknown): void {
    this.#tell({ action: "config.reload", outcome: "failed", code: codeOf(error) });
    const texts = problemTextsOf(error);
    const why = texts.length === 0 ? messageOf(error) : texts.join("; ");
    const details = isSignalboxError(error) ? error.details : undefined;
    this.log.error(
      { code: codeOf(error), ...details },
      `The changed configuration file is not served, the one before still is: ${why}`,
    );
  }

  // The first round of checks goes on while the listener opens; until it is over the gateway is not ready.
  #startHealth(): void {
    this.#health.add(
      "database",
      databaseCheck(async (signal) => this.#requireStore().ping(signal)),
    );
    this.#health.add("mcp_servers", async () => this.#serversHealth());
    this.#health.add("services", async () => this.#servicesHealth());
    this.#health.add("connection_pool", async () => this.#linksHealth());
    this.#health.add("cache", async () => this.#cacheHealth());
    this.#health.add("metrics", async () => this.#metricsHealth());
    this.#health.add("disk_space", diskSpaceCheck(this.#values.home));
    void this.#health.start();
  }

  // Servers that nobody has used yet, and a gateway without any, are well.
  #linksHealth(): CheckResult {
    if (this.#gateway.serverStatus().every(({ transport }) => transport === "in-process"))
      return { status: "ok", type: "not_configured" };
    const links = this.#gateway
      .serverStatus()
      .flatMap(({ endpoints, state }) => endpoints?.map((one) => one.state) ?? [state]);
    const failing = links.filter(isFailing).length;
    const status = failing === 0 ? "ok" : "warning";
    return { status, links: links.length, failing };
  }

  async #shareLimits(): Promise<void> {
    if (this.#store !== undefined) await this.#countIn(this.#store);
    const { redis_url: url, redis_prefix: prefix } = this.#values.cache;
    if (this.#countingStore() !== "redis" || url === undefined) return;
    const deps = {
      log: this.log.child({ area: "limits" }),
      gateway: randomToken(REDIS_TOKEN_BYTES),
    };
    this.#redisRates = await openRedisRates({ url, prefix }, deps);
    this.#limits.share(this.#redisRates);
  }

  async #countIn(store: Store): Promise<void> {
    if (this.#countsIn === store) return;
    this.#countsIn = store;
    await this.#keyLimits.attachStore(store);
    this.#limits.keepQuotasIn(store.quotas);
    if (this.#countingStore() !== "postgres") return;
    const gateway = randomToken(REDIS_TOKEN_BYTES);
    this.#limits.share({
      settle: (told) => store.rateCounts.settle(told),
      beat: () => store.rateCounts.beat(gateway),
    });
  }

  async #settleLimits(): Promise<void> {
    this.#keyLimits.stop();
    await this.#limits.close();
    await this.#redisRates?.close();
  }

  /** Where rates are counted: nobody else can be on an embedded database. */
  #countingStore(): "memory" | "postgres" | "redis" {
    const { rate_limit, cache, database } = this.#values;
    if (rate_limit.store !== undefined) return rate_limit.store;
    if (cache.redis_url !== undefined) return "redis";
    return database.url === undefined ? "memory" : "postgres";
  }

  async #shareCache(): Promise<void> {
    const { cache } = this.#values;
    const url = redisUrlOf(cache);
    if (url === undefined) return;
    this.#redis = await openRedisStore(
      { url, prefix: cache.redis_prefix },
      {
        clock: systemClock,
        log: this.log.child({ area: "cache" }),
        metrics: this.#metrics,
        token: () => randomToken(REDIS_TOKEN_BYTES),
      },
    );
    this.#cache.share(this.#redis);
  }

  #cacheHealth(): CheckResult {
    if (!this.#values.cache.enabled) return { status: "ok", type: "not_configured" };
    const { keys, bytes, hitRate } = this.#cache.statistics();
    const type = this.#redis === undefined ? "memory" : "redis";
    const own = { type, keys, bytes, ...(hitRate !== undefined && { hitRate }) };
    return { ...own, ...(this.#redis?.health() ?? { status: "ok" as const }) };
  }

  get #metricsEnabled(): boolean {
    const { enabled, prometheus_enabled } = this.#values.metrics;
    return enabled && prometheus_enabled;
  }

  #metricsHealth(): CheckResult {
    if (!this.#metricsEnabled) return { status: "ok", type: "not_configured" };
    const { listening, url } = this.#metricsListener;
    return listening ? { status: "ok", url } : { status: "critical", message: "does not listen" };
  }

  // Of those that were used: nobody asks the others how they are.
  #servicesHealth(): CheckResult {
    if (this.#serviceDefinitions.every(({ needs }) => needs !== undefined))
      return { status: "ok", type: "not_configured" };
    const unwell = this.#services.unwell().map(({ name }) => name);
    return { status: unwell.length === 0 ? "ok" : "warning", failing: unwell };
  }

  #serversHealth(): { status: "ok" | "warning"; failing: string[] } {
    const failing = this.#gateway
      .serverStatus()
      .filter(({ state }) => isFailing(state))
      .map((server) => server.name);
    return { status: failing.length === 0 ? "ok" : "warning", failing };
  }

  async #listen(): Promise<void> {
    await releaseStartMemory();
    const { host, port, home } = this.#values;
    this.#port = await listen(this.#listener, port, host);
    const about = {
      url: this.url,
      pid: process.pid,
      startedAt: new Date(this.#startedAt).toISOString(),
      ...(this.#metricsEnabled ? { metricsUrl: this.#metricsListener.url } : {}),
    };
    await writePrivateFile(join(home, "gateway.json"), `${JSON.stringify(about, undefined, 2)}\n`);
  }

  async #stopListening(signal: AbortSignal): Promise<void> {
    this.#stopping.abort();
    this.#listener.close();
    this.#listener.closeIdleConnections();
    const drained = AbortSignal.any([signal, AbortSignal.timeout(this.#values.limits.drain)]);
    await this.#gateway.drain(drained);
    this.#listener.closeAllConnections();
    await rm(join(this.#values.home, "gateway.json"), { force: true });
  }

  #record(call: CallRecord): void {
    this.#activity.called(call.principalId, call.principalName);
    if (!this.#values.call_log.enabled) return;
    this.#callLog.record(
      this.#values.call_log.arguments ? { ...call, arguments: redact(call.arguments) } : call,
    );
  }

  #pruneCalls(): void {
    const prune = async (): Promise<void> => {
      const before = systemClock.now() - this.#values.call_log.retention;
      await this.#store?.calls.prune(before);
      await this.#store?.linkTransitions.prune(before);
      await this.#store?.quotas.prune(systemClock.now() - QUOTAS_KEPT_MS);
    };
    repeat(prune, {
      firstMs: PRUNE_FIRST_MS,
      everyMs: PRUNE_EVERY_MS,
      signal: this.#stopping.signal,
      failed: (error) =>
        this.log.warn({ error: messageOf(error) }, "Old calls could not be deleted"),
    });
  }

  // The depth of queues under the name that dashboards of other gateways ask for, too.
  #showQueues(): void {
    const labelNames = ["queue"];
    const help = "Entries that wait in a queue.";
    const source = this.#metrics.gauge("mcp_queue_depth", help, labelNames);
    this.#metrics.alias({ name: "mcp_queue_size", help, labelNames, source, relabel: asItIs });
    this.#metrics.collect(() => {
      source.slot("link_history").set(this.#linkLog.waiting);
      source.slot("audit").set(this.#audit.waiting);
    });
  }

  #measureDatabase(): void {
    const metrics = this.#metrics;
    const label = ["server_id", "pool"] as const;
    const size = metrics.gauge("mcp_connection_pool_size", POOL_HELP, label);
    const idle = metrics.gauge("mcp_connection_pool_idle", "Open connections not in use.", label);
    const waiting = metrics.gauge("mcp_connection_pool_waiting", "Waiters for one.", label);
    const inUse = metrics.gauge(
      "mcp_connection_pool_in_use",
      "Connections that carry something at this moment.",
      label,
    );
    const up = metrics.gauge("mcp_database_up", "1 while the database answers.").slot();
    metrics.collect(() => {
      up.set(this.#health.statuses()["database"] === "ok" ? 1 : 0);
      const use = this.#store?.poolUse();
      if (use === undefined) return;
      size.slot(DATABASE_LABEL, "database").set(use.inUse + use.idle);
      inUse.slot(DATABASE_LABEL, "database").set(use.inUse);
      idle.slot(DATABASE_LABEL, "database").set(use.idle);
      waiting.slot(DATABASE_LABEL, "database").set(use.waiting);
    });
    let shown: string[] = [];
    metrics.collect(() => {
      for (const server of shown)
        for (const gauge of [size, inUse, idle, waiting]) gauge.remove(server, "database");
      shown = this.#services.pools().map((pool) => {
        const server = `db:${pool.name}`;
        size.slot(server, "database").set(pool.inUse + pool.idle);
        inUse.slot(server, "database").set(pool.inUse);
        idle.slot(server, "database").set(pool.idle);
        waiting.slot(server, "database").set(pool.waiting);
        return server;
      });
    });
  }

  // Where services go beyond what their settings name is judged as what servers name is.
  #createOutbound(): OutboundClient {
    const guard = new OutboundGuard(this.#values.outbound);
    return new OutboundClient({
      problemOfUrl: (url) => guard.problemOfUrl(url),
      problemOfAddress: (url, address) => guard.problemOfAddress(url, address),
      connectTimeoutMs: this.#values.outbound.timeout,
    });
  }

  #createConnections(): Connections {
    const { connections, public_url } = this.#values;
    const { client_name: clientName, client_metadata_url } = connections;
    return new Connections({
      store: lateConnectionStore(() => this.#requireStore().connections),
      http: this.#guardedFetch(),
      sealerFor: (purpose) => textSealer(this.#vault, purpose),
      clock: systemClock,
      log: this.log.child({ area: "connections" }),
      publicUrl: () => public_url ?? this.url,
      clientName,
      ...(client_metadata_url !== undefined && { clientMetadataUrl: client_metadata_url }),
      servers: () => this.#gateway.protectedServers(),
      principal: (id) => this.#gateway.principal(id),
      sees: (principal, server) => this.#gateway.sees(principal, server),
      changed: (server) => this.#gateway.credentialsChanged(server),
      audit: this.#audit.add,
    });
  }

  // Somebody may have been signed out, by this gateway or another.
  #hearChanges(store: Store): void {
    store.onChange(() => this.#sessions.forget());
  }

  #createPeople(): PeoplePort {
    const { auth, public_url } = this.#values;
    const store = latePeopleStore(() => this.#requireStore().people);
    const sessions = this.#sessions;
    const hasher = new PasswordHasher();
    const clock = systemClock;
    const audit = this.#audit.add;
    const requireRole = (name: string): void => void this.#registry.roles.get(name);
    const passwords = new PasswordCheck({
      hasher,
      lockOut: this.#lockOut,
      reports: this.#reports,
      metrics: this.#metrics,
    });
    const signIn = new SignIn({
      store,
      sessions,
      passwords,
      hasher,
      sealer: textSealer(this.#vault, "sign-in"),
      totpSealer: this.#vault.for(TOTP_PURPOSE),
      lockOut: auth.lock_out,
      clock,
      audit,
    });
    const directory = new People({
      store,
      sessions,
      signIn,
      passwords,
      hasher,
      vault: this.#vault,
      clock,
      requireRole,
      requireProject: (name) => this.#registry.requireProject(name),
    });
    const publicUrl = (): string => public_url ?? this.url;
    if (auth.oidc === undefined) return { directory, sessions, signIn, publicUrl };
    const oidc = new OidcSignIn({
      options: auth.oidc,
      store,
      sessions,
      passwords,
      http: this.#guardedFetch(),
      sealer: textSealer(this.#vault, "oidc-sign-in"),
      clock,
      audit,
      requireRole,
      publicUrl,
    });
    return { directory, sessions, signIn, oidc, publicUrl };
  }

  /** For addresses that others name. */
  #guardedFetch(): OutboundFetch {
    const { outbound } = this.#values;
    return new OutboundFetch({
      guard: new OutboundGuard(outbound),
      timeoutMs: outbound.timeout,
      responseBytesMax: outbound.response_bytes_max,
      clock: systemClock,
      audit: this.#audit.add,
    });
  }

  // Whoever is revoked leaves no access behind, at other parties' servers either.
  #endConnections(keys: readonly KeyRecord[]): void {
    const revoked = keys.filter(({ revokedAt }) => revokedAt !== undefined);
    if (this.#store === undefined || revoked.length === 0) return;
    this.#connections.endAllOf(revoked.map(({ id }) => id)).catch((error: unknown) => {
      this.log.warn({ error: messageOf(error) }, "Connections of a revoked key could not be ended");
    });
  }

  #createApi(): ReturnType<typeof createApi> {
    return createApi({
      connections: this.#connections,
      people: this.#createPeople(),
      version: this.#version,
      startedAt: this.#startedAt,
      registry: this.#registry,
      authenticate: (request, requestId) => this.#gateway.authenticate(request, requestId),
      lacksScope: (principal, scope) => this.#gateway.lacksScope(principal, scope),
      resourceMetadata: (place) => this.#resources.metadataOf(place),
      issueToken: (wanted) => issueToken(wanted, this.#values.auth.jwt, systemClock),
      catalog: async (principal, bundle) => {
        const catalog = await this.#gateway.catalog(principal, bundle);
        if (catalog !== undefined) return catalog;
        throw new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${bundle ?? ""}".`);
      },
      access: this.#gateway,
      audit: this.#audit.add,
      auditTrail: {
        recent: (filter) => this.#requireStore().audit.recent(filter),
        after: (seq, limit, conditions) => this.#requireStore().audit.after(seq, limit, conditions),
        verify: (anchor) => this.#auditKeeping.verify(anchor),
      },
      calls: (filter: CallFilter) => this.#requireStore().calls.recent(filter),
      call: (id) => this.#requireStore().calls.one(id),
      linkHistory: (filter) => this.#requireStore().linkTransitions.recent(filter),
      linkUptime: (server) =>
        this.#requireStore().linkTransitions.uptime(server, systemClock.now()),
      limits: {
        view: (caller, address) => this.#limits.view(caller, address),
        counting: () => ({
          store: this.#countingStore(),
          lease: this.#values.rate_limit.lease,
          ...(this.#limits.sharing ?? { up: this.#countingStore() === "memory", gateways: 1 }),
        }),
        keyLimits: (id) => this.#keyLimits.of(id),
        setKeyLimits: (id, limits) => this.#keyLimits.set(id, limits),
        usage: async (now, subjects) =>
          this.#requireStore().quotas.usage({
            dayStartsAt: periodAt("day", now).startsAt,
            monthStartsAt: periodAt("month", now).startsAt,
            ...(subjects !== undefined && { subjects }),
          }),
      },
      serviceFacts: (name) => this.#services.facts(name),
      cache: {
        statistics: () => ({
          enabled: this.#values.cache.enabled,
          ...this.#cache.statistics(),
        }),
        statisticsOf: (server) =>
          this.#values.cache.enabled ? this.#cache.statisticsOf(server) : undefined,
        clear: ({ server, tool, uri }) => {
          if (server === undefined) return this.#cache.clear();
          if (tool !== undefined) return this.#cache.invalidateName(server, "tools", tool);
          if (uri !== undefined) return this.#cache.invalidateUri(server, uri);
          return this.#cache.invalidateServer(server);
        },
      },
      pins: this.#pins,
      health: () => ({
        ready: this.#ready(),
        overall: this.#health.overall(),
        checks: this.#health.results(),
      }),
      describe: () => ({
        url: this.url,
        home: this.#values.home,
        profile: this.#values.profile,
        database: this.#store?.describe ?? "not reachable",
        metricsUrl: this.#metricsEnabled ? this.#metricsListener.url : undefined,
        callsDropped: this.#callLog.dropped,
      }),
      metrics: this.#metrics,
      log: this.log,
      clock: systemClock,
    });
  }

  #ready(): boolean {
    const database = this.#health.statuses()["database"];
    return this.lifecycle.state === "running" && database === "ok";
  }

  #servicePorts(): SignalboxPorts {
    return {
      servers: (caller) => {
        const principal = principalOf(caller);
        const served = this.#gateway
          .serverStatus()
          .filter(({ name }) => this.#gateway.sees(principal, name))
          .map(summaryOf);
        return [...served, ...this.#unconfigured(principal)];
      },
      server: (name, caller) => {
        const principal = principalOf(caller);
        const lacking = this.#unconfigured(principal).find((one) => one.name === name);
        if (lacking !== undefined) return lacking;
        const status = this.#gateway.statusOf(name);
        if (status === undefined || !this.#gateway.sees(principal, name)) return undefined;
        return summaryOf(status);
      },
      recentCalls: async (caller, filter) => {
        const principal = principalOf(caller);
        const { limit, server, outcome } = filter;
        const rows = await this.#requireStore().calls.recent({
          limit,
          ...(server === undefined ? {} : { server }),
          ...(outcome === undefined ? {} : { outcome }),
          ...callsSeenBy(principal),
        });
        return rows.map(({ at, publicName, principalName, ...row }) => ({
          ...row,
          at: new Date(at).toISOString(),
          tool: publicName,
          principal: principalName,
        }));
      },
    };
  }

  // Services that nobody has configured, for whoever may call them once somebody has.
  #unconfigured({ permissions }: Principal): ServerDetail[] {
    const since = new Date(this.#startedAt).toISOString();
    return this.#registry.servers().flatMap(({ name, options, needs }) => {
      const { project = defaultProject } = options;
      if (needs === undefined || !permissions.sees({ name, project })) return [];
      const figures = { since, calls: 0, errors: 0 };
      return [{ name, state: "not_configured", transport: "in-process", needs, ...figures }];
    });
  }

  #requireStore(): Store {
    if (this.#store !== undefined) return this.#store;
    throw new SignalboxError("STORE_UNAVAILABLE", "The database cannot be reached.");
  }

  #keyFile(): string {
    return join(this.#values.home, "admin.key");
  }

  async #whereTheKeyIs(): Promise<string> {
    if (this.#values.auth.admin_key !== undefined) return "the one in SIGNALBOX_ADMIN_KEY";
    const kept = await readFile(this.#keyFile(), "utf8").catch(() => undefined);
    return kept === undefined
      ? "shown at the first start; set SIGNALBOX_ADMIN_KEY to replace it"
      : `in ${this.#keyFile()}`;
  }
}

// A shorter one may be a word that stands in every other line; in an address it is masked all the same.
function hidePassword(url: string): void {
  const password = URL.parse(url)?.password ?? "";
  if (password.length >= HIDDEN_PASSWORD_MIN) hideSecret(decodeURIComponent(password));
}

// A caller inside the process is nobody in particular.
function principalOf(caller: object): Principal {
  return isPrincipal(caller) ? caller : anonymous;
}

function codeOf(error: unknown): string {
  return isSignalboxError(error) ? error.code : "INTERNAL";
}

// One object, filled in: a tool that agents poll is answered with it.
function summaryOf(status: ServerStatus): ServerDetail {
  const { since, lastError } = status;
  const shown = { ...status, since: new Date(since).toISOString(), lastError: undefined };
  if (lastError === undefined) return shown;
  return { ...shown, lastError: { ...lastError, at: new Date(lastError.at).toISOString() } };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

function asItIs(values: readonly string[]): readonly string[] {
  return values;
}
