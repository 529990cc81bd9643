// An API over real HTTP with a real registry behind it, for the tests of this module.
import { createServer } from "node:http";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import { hashKey, KeyRing } from "../../src/access/index.ts";
import type { Role } from "../../src/access/index.ts";
import { createLog, manualClock, Metrics } from "../../src/foundation/index.ts";
import { serverOptions } from "../../src/gateway/index.ts";
import { FakeGateway, FakeStore } from "../../src/registry/port-fakes.ts";
import { Registry } from "../../src/registry/index.ts";
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
  /** Asks as the holder of this role's key, or as nobody. */
  ask: (
    role: Role | "bundled" | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answered>;
}

export const keyOf = (role: Role | "bundled"): string => `key-of-the-${role}-in-this-test`;

/** A started API; it ends with the test. */
export async function startApi(overrides: Partial<ApiDeps> = {}): Promise<Fixture> {
  const gateway = new FakeGateway();
  const store = new FakeStore();
  for (const role of ["admin", "operator", "caller", "bundled"] as const) {
    store.records.set(role, {
      id: role,
      name: `${role} of the test`,
      role: role === "bundled" ? "caller" : role,
      bundles: role === "bundled" ? ["coding"] : "all",
      hash: hashKey(keyOf(role)),
      prefix: "sbx_",
      createdAt: 0,
    });
  }
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
  });
  await registry.start();
  const metrics = new Metrics();
  const filters: CallFilter[] = [];
  const deps: ApiDeps = {
    version: "0.1.0",
    startedAt: clock.now() - 5_000,
    registry,
    authenticate: (headers) => new KeyRing(gateway.now.keys, clock).authenticate(headers),
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
    linkHistory: async () => await Promise.resolve([]),
    linkUptime: async () => await Promise.resolve([]),
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
    deps,
    ask: async (role, method, path, body, headers = {}) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...(role && { authorization: `Bearer ${keyOf(role)}` }),
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
