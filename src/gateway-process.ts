/** The composition root: one gateway in this process, every part of it wired by hand, in the order they start. */
import { readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { join } from "node:path";
import { hostPolicy } from "./access/index.ts";
import { createApi, createMetricsListener } from "./api/index.ts";
import {
  loadConfigAside,
  problemTextsOf,
  settingsThatWait,
  watchConfigFile,
  type Config,
} from "./config.ts";
import {
  Lifecycle,
  Metrics,
  SignalboxError,
  createLog,
  isSignalboxError,
  messageOf,
  processMetrics,
  randomToken,
  redact,
  releaseStartMemory,
  repeat,
  systemClock,
  writePrivateFile,
  type Log,
} from "./foundation/index.ts";
import {
  Gateway,
  ResultCache,
  isFailing,
  openRedisStore,
  redisUrlOf,
  createListener,
  listen,
  type CallRecord,
  type RedisStore,
  type ServerStatus,
} from "./gateway/index.ts";
import {
  BatchQueue,
  CallLog,
  HealthChecks,
  databaseCheck,
  diskSpaceCheck,
  type CheckResult,
} from "./ops/index.ts";
import { Registry } from "./registry/index.ts";
import {
  signalboxService,
  type ServerDetail,
  type SignalboxPorts,
} from "./services/signalbox/index.ts";
import { openStore, type CallFilter, type LinkTransitionRow, type Store } from "./store/index.ts";

const DATABASE_LABEL = "db:signalbox";
const POOL_HELP =
  "Open connections: to servers (pool upstream) and to the database (pool database).";
const STORE_RETRY_MS = 5_000;
const STORE_WARN_EVERY_MS = 60_000;
const REDIS_TOKEN_BYTES = 9;
const PRUNE_FIRST_MS = 10_000;
const PRUNE_EVERY_MS = 3_600_000;
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
  readonly #cache: ResultCache;
  #redis: RedisStore | undefined;
  readonly #gateway: Gateway;
  readonly #registry: Registry;
  readonly #listener: Server;
  readonly #metricsListener: ReturnType<typeof createMetricsListener>;
  readonly #stopping = new AbortController();
  #values: Config["values"];
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
    this.#gateway = new Gateway({
      clock,
      log: log.child({ area: "gateway" }),
      metrics: this.#metrics,
      limits: values.limits,
      guards: values,
      ...(values.cache.enabled && {
        cache: { results: this.#cache, options: values.cache },
      }),
      hostPolicy: hostPolicy({
        host: values.host,
        allowedHosts: values.allowed_hosts,
        allowedOrigins: values.allowed_origins,
      }),
      record: (call) => this.#record(call),
      linkChanged: (server, change) => this.#linkLog.add({ server, ...change }),
      recordArguments: values.call_log.arguments,
      authRequired: values.auth.required,
      version,
      home: values.home,
    });
    this.#registry = new Registry({
      gateway: this.#gateway,
      log: log.child({ area: "registry" }),
      clock,
      configServers: () => new Map(Object.entries(this.#values.servers)),
      configBundles: () => new Map(Object.entries(this.#values.bundles)),
      builtin: [
        {
          name: "signalbox",
          origin: "builtin",
          options: {},
          service: signalboxService(this.#servicePorts()),
        },
      ],
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
    // Before the gateway, and so stopped after it: what its end cuts off and closes is recorded too.
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
      },
    });
    this.lifecycle.add({
      name: "cache",
      start: () => this.#shareCache(),
      stop: async () => this.#redis?.close(),
    });
    this.lifecycle.add({
      name: "health checks",
      start: async () => this.#startHealth(),
      stop: async () => this.#health.stop(),
    });
    if (this.#metricsEnabled) this.lifecycle.add(this.#metricsListener);
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
        await this.#registry.attachStore(store);
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

  async #startGateway(): Promise<void> {
    if (this.#store !== undefined) await this.#registry.attachStore(this.#store);
    await this.#registry.start();
    const { created } = await this.#registry.seedAdminKey(this.#values.auth.admin_key);
    if (created !== undefined) {
      await writePrivateFile(this.#keyFile(), `${created}\n`);
      this.#createdKey = created;
    }
    watchConfigFile(this.#config.file, () => void this.#reloadConfig(), {
      signal: this.#stopping.signal,
    });
  }

  // Servers and bundles are taken over at once; other settings are read at the start.
  async #reloadConfig(): Promise<void> {
    try {
      const { values } = await loadConfigAside(
        { argv: this.#argv, env: process.env, cwd: process.cwd() },
        this.#config.file,
        this.#stopping.signal,
      );
      await this.#registry.reloadConfig(
        new Map(Object.entries(values.servers)),
        new Map(Object.entries(values.bundles)),
      );
      this.#values = { ...this.#values, servers: values.servers, bundles: values.bundles };
      this.log.info({}, "The servers and bundles of the changed configuration file are served");
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
    this.#metrics.collect(() => source.slot("link_history").set(this.#linkLog.waiting));
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
  }

  #createApi(): ReturnType<typeof createApi> {
    return createApi({
      version: this.#version,
      startedAt: this.#startedAt,
      registry: this.#registry,
      authenticate: (headers) => this.#gateway.authenticate(headers),
      catalog: async (principal, bundle) => {
        const catalog = await this.#gateway.catalog(principal, bundle);
        if (catalog !== undefined) return catalog;
        throw new SignalboxError("BUNDLE_NOT_FOUND", `There is no bundle "${bundle ?? ""}".`);
      },
      calls: (filter: CallFilter) => this.#requireStore().calls.recent(filter),
      linkHistory: (filter) => this.#requireStore().linkTransitions.recent(filter),
      linkUptime: (server) =>
        this.#requireStore().linkTransitions.uptime(server, systemClock.now()),
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
      servers: (principal) =>
        this.#gateway
          .serverStatus()
          .filter(({ name }) => this.#gateway.sees(principal, name))
          .map(summaryOf),
      server: (name, principal) => {
        const status = this.#gateway.statusOf(name);
        if (status === undefined || !this.#gateway.sees(principal, name)) return undefined;
        return summaryOf(status);
      },
      recentCalls: async (principal, filter) => {
        const { limit, server, outcome } = filter;
        const rows = await this.#requireStore().calls.recent({
          limit,
          ...(server === undefined ? {} : { server }),
          ...(outcome === undefined ? {} : { outcome }),
          ...(principal.role === "caller" ? { principalId: principal.id } : {}),
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
