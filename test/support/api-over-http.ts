// An API over real HTTP with a real registry behind it, for the tests of this module.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import {
  authOptions,
  builtinRoleNames,
  CallerLimits,
  Connections,
  createSealer,
  hashKey,
  issueToken,
  KeyRing,
  lateConnectionStore,
  quotaOptions,
  rateLimitOptions,
  Roles,
  Vault,
} from "../../src/access/index.ts";
import type { BuiltinRole, KeyRecord } from "../../src/access/index.ts";
import { createLog, manualClock, Metrics, silentLog } from "../../src/foundation/index.ts";
import type { AuditEvent } from "../../src/foundation/index.ts";
import { pinOptions, serverOptions } from "../../src/gateway/index.ts";
import { FakeGateway, FakeStore } from "../../src/registry/port-fakes.ts";
import { Pins, Registry } from "../../src/registry/index.ts";
import { fakePeople, type FakePeople } from "../../src/access/people/fake-people.ts";
import { createApi } from "../../src/api/create-api.ts";
import type { ApiDeps, CallFilter } from "../../src/api/ports.ts";

export interface Answered {
  status: number;
  headers: Headers;
  text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the tests look into it as it came
  json: any;
}

export interface Fixture {
  url: string;
  gateway: FakeGateway;
  store: FakeStore;
  registry: Registry;
  /** Lines of the log, parsed. */
  lines: Record<string, unknown>[];
  metrics: Metrics;
  filters: CallFilter[];
  deps: ApiDeps;
  people: FakePeople;
  /** What the audit trail was told. */
  audited: AuditEvent[];
  /** Asks as the holder of this key, or as nobody. */
  ask: (
    holder: Holder | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answered>;
}

/**
 * Holders of the built-in roles, the developer and the caller of the default project and the others of every one; a caller
 * limited to a bundle; and an administrator of the project `elsewhere`.
 */
export type Holder = BuiltinRole | "bundled" | "neighbour";

const jwtSettings = authOptions.parse({
  jwt: { secret: "a-secret-of-the-api-tests-1234567890" },
}).jwt;

export const keyOf = (holder: Holder): string => `key-of-the-${holder}-in-this-test`;

/** A started API; it ends with the test. */
export async function startApi(overrides: Partial<ApiDeps> = {}): Promise<Fixture> {
  const gateway = new FakeGateway();
  const store = new FakeStore();
  for (const holder of [...builtinRoleNames, "bundled", "neighbour"] as const) {
    store.records.set(holder, recordOf(holder));
  }
  store.projects.rows.set("elsewhere", {});
  const clock = manualClock(Date.UTC(2026, 10, 20));
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "debug",
    format: "json",
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  const registry = new Registry({
    store,
    gateway,
    log,
    clock,
    configServers: () =>
      new Map([["fixed", serverOptions.parse({ url: "https://a.example/mcp" })]]),
    configBundles: () => new Map(),
    builtin: [],
    vault: unlockedVault(),
  });
  await registry.start();
  const metrics = new Metrics();
  const limits = new CallerLimits(
    { rate: rateLimitOptions.parse({}), quota: quotaOptions.parse({}) },
    { clock, log },
  );
  const filters: CallFilter[] = [];
  const audited: AuditEvent[] = [];
  const people = fakePeople({ clock, metrics, audited });
  const ring = (): KeyRing => new KeyRing(gateway.now.keys, clock, new Roles(gateway.now.roles));
  const deps: ApiDeps = {
    version: "0.1.0",
    startedAt: clock.now() - 5_000,
    registry,
    authenticate: ({ headers }) => ring().authenticate(headers),
    lacksScope: () => undefined,
    resourceMetadata: (place) => ({ resource: `https://mcp.example.com${place}` }),
    issueToken: async (wanted) => await issueToken(wanted, jwtSettings, clock),
    access: {
      keyHolder: (id) => ring().byId(id),
      mayUse: ({ permissions }, name, action) =>
        permissions.reaches({ name, project: "default" }, action),
      explain: ({ role, project }, { name }) =>
        Promise.resolve({ allowed: true, reason: "So it is.", role, project, server: name }),
    },
    audit: (event) => void audited.push(event),
    auditTrail: {
      recent: async () => await Promise.resolve([]),
      after: async () => await Promise.resolve([]),
      verify: async () =>
        await Promise.resolve({
          checked: 0,
          head: { baseSeq: 0, baseHash: "0".repeat(64), seq: 0, hash: "0".repeat(64) },
          faults: [],
        }),
    },
    catalog: async (_, bundle) =>
      await Promise.resolve(
        bundle === "absent"
          ? undefined
          : { tools: [], prompts: [], resources: [], templates: [], missing: [] },
      ),
    calls: async (filter) => {
      filters.push(filter);
      return await Promise.resolve([]);
    },
    call: async () => await Promise.resolve(undefined),
    linkHistory: async () => await Promise.resolve([]),
    linkUptime: async () => await Promise.resolve([]),
    limits: {
      view: (caller, address) => limits.view(caller, address),
      counting: () => ({ store: "memory", up: true, gateways: 1, lease: 0.2 }),
      keyLimits: (id) => limits.keyLimits(id),
      setKeyLimits: async (id, own) => {
        limits.setKeyLimits(new Map([[id, own]]));
        await Promise.resolve();
      },
      usage: async () => await Promise.resolve([]),
    },
    cache: {
      statistics: () => ({
        enabled: true,
        keys: 0,
        bytes: 0,
        hits: 0,
        misses: 0,
        staleHits: 0,
        joined: 0,
        hitRate: undefined,
        evictions: {},
      }),
      statisticsOf: () => undefined,
      clear: () => 0,
    },
    connections: noConnections(),
    people: { ...people, publicUrl: () => "http://127.0.0.1:8100" },
    pins: new Pins({
      options: pinOptions.parse({}),
      clock,
      log,
      metrics,
      changed: () => undefined,
    }),
    health: () => ({
      ready: true,
      overall: "ok",
      checks: { database: { status: "ok", address: "db.internal" }, mcp_servers: { status: "ok" } },
    }),
    metrics,
    log,
    clock,
    ...overrides,
  };
  const api = createApi(deps);
  const server = createServer((req, res) => api.handle(req, res));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await registry.stop();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  const url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    gateway,
    store,
    registry,
    lines,
    metrics,
    filters,
    audited,
    deps,
    people,
    ask: async (holder, method, path, body, headers = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(holder && { authorization: `Bearer ${keyOf(holder)}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
        redirect: "manual",
      });
      const text = await response.text();
      const isJson =
        text !== "" &&
        response.headers.get("content-type")?.startsWith("application/json") === true;
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: isJson ? JSON.parse(text) : undefined,
      };
    },
  };
}

function recordOf(holder: Holder): KeyRecord {
  const role = holder === "bundled" ? "caller" : holder === "neighbour" ? "admin" : holder;
  const wide = holder === "admin" || holder === "operator" || holder === "auditor";
  return {
    id: holder,
    name: `${holder} of the test`,
    role,
    project: wide ? "*" : holder === "neighbour" ? "elsewhere" : "default",
    bundles: holder === "bundled" ? ["coding"] : "all",
    hash: hashKey(keyOf(holder)),
    prefix: "sbx_",
    createdAt: 0,
  };
}

function unlockedVault(): Vault {
  const vault = new Vault();
  vault.unlock([randomBytes(32)]);
  return vault;
}

function nothingStored(): never {
  throw new Error("nothing is stored here");
}

// None of these servers takes tokens.
function noConnections(): Connections {
  const http = { fetch: () => Promise.reject(new Error("nothing is fetched here")) };
  return new Connections({
    store: lateConnectionStore(nothingStored),
    http,
    sealerFor: (purpose) => createSealer(Buffer.alloc(32), purpose),
    clock: manualClock(),
    log: silentLog,
    publicUrl: () => "http://127.0.0.1",
    clientName: "Signalbox",
    servers: () => [],
    principal: () => undefined,
    sees: () => false,
    changed: () => undefined,
  });
}
