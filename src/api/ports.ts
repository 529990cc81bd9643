// What the API needs of the rest of the gateway; `main.ts` hands it in.
import type { IncomingHttpHeaders } from "node:http";
import type { AuthOutcome, Principal } from "../access/index.ts";
import type { Clock, Log, Metrics } from "../foundation/index.ts";
import type { CheckResult, CheckStatus } from "../ops/index.ts";
import type { CatalogView, Registry } from "../registry/index.ts";

export interface ApiDeps {
  /** The product's version, as `/health` tells it. */
  version: string;
  /** Epoch ms. */
  startedAt: number;
  registry: Pick<
    Registry,
    | "servers"
    | "server"
    | "addServer"
    | "updateServer"
    | "removeServer"
    | "testServer"
    | "logs"
    | "serverFacts"
    | "drainEndpoint"
    | "setBreaker"
    | "bundles"
    | "bundle"
    | "addBundle"
    | "updateBundle"
    | "removeBundle"
    | "createKey"
    | "listKeys"
    | "revokeKey"
    | "version"
    | "loaded"
  >;
  /** Who presents these headers; never waits for anything. */
  authenticate(headers: IncomingHttpHeaders, ip: string | undefined): AuthOutcome;
  /** What a principal is offered at `/mcp` or `/mcp/{bundle}`; undefined where there is no such bundle. */
  catalog(principal: Principal, bundle: string | undefined): Promise<CatalogView | undefined>;
  /** The call log, newest first. Throws STORE_UNAVAILABLE. */
  calls(filter: CallFilter): Promise<readonly CallEntry[]>;
  /** Changes of state of a server's links, the newest first; times are epoch milliseconds. Throws STORE_UNAVAILABLE. */
  linkHistory(filter: {
    server: string;
    limit: number;
    before?: number;
  }): Promise<readonly LinkHistoryEntry[]>;
  /** What the stored changes of state say of how long a server's links were up. Throws STORE_UNAVAILABLE. */
  linkUptime(server: string): Promise<readonly LinkUptime[]>;
  /** Answers that are kept. */
  cache: CachePort;
  /** The last results of the background checks; never waits. */
  health(): HealthReport;
  /** More about this process for `/api/status`: addresses, database, profile. No secrets. */
  describe?(): Record<string, unknown>;
  metrics: Metrics;
  log: Log;
  clock: Clock;
}

export interface LinkHistoryEntry {
  readonly at: number;
  readonly endpoint: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly code?: string;
}

/** The share of the time in which an endpoint was wanted that it was up, 0 to 1; absent where it was not wanted. */
export interface LinkUptime {
  readonly endpoint: string;
  readonly day?: number;
  readonly week?: number;
  readonly month?: number;
}

export interface CachePort {
  statistics(): CacheStatistics & { readonly enabled: boolean };
  /** What is kept of one server; undefined where no answers are kept at all. */
  statisticsOf(server: string): ServerCacheStatistics | undefined;
  /** Forgets everything, or what is kept of a server, or of one tool or resource of it; how many answers. */
  clear(which: {
    server: string | undefined;
    tool: string | undefined;
    uri: string | undefined;
  }): number;
}

/** Counted since the start. */
export interface CacheStatistics {
  readonly keys: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly staleHits: number;
  readonly joined: number;
  /** 0 to 1; undefined where nothing was looked up. */
  readonly hitRate: number | undefined;
  readonly evictions: Readonly<Record<string, number>>;
}

export type ServerCacheStatistics = Pick<
  CacheStatistics,
  "keys" | "bytes" | "hits" | "misses" | "hitRate"
>;

export interface HealthReport {
  /** Whether traffic should be sent here. */
  ready: boolean;
  /** The worst of the checks. */
  overall: CheckStatus;
  /** Their details are for people with a key; strangers are told the status alone. */
  checks: Readonly<Record<string, CheckResult>>;
}

export const callOutcomes = [
  "ok",
  "tool_error",
  "error",
  "timeout",
  "unknown",
  "cancelled",
  "refused",
] as const;
export type CallOutcome = (typeof callOutcomes)[number];

export interface CallFilter {
  limit: number;
  server?: string;
  outcome?: CallOutcome;
  principalId?: string;
  /** Only calls before this time (epoch ms); with `beforeId` those of the same millisecond that sort before it, too. */
  before?: number;
  beforeId?: string;
}

/** One call of the call log. */
export interface CallEntry {
  id: string;
  /** Epoch ms. */
  at: number;
  principalId: string;
  principalName: string;
  method: string;
  server?: string;
  tool?: string;
  publicName?: string;
  bundle?: string;
  outcome: CallOutcome;
  errorCode?: string;
  durationMs: number;
  upstreamMs: number;
  ownMs: number;
  requestBytes: number;
  responseBytes: number;
  requestId: string;
  traceId?: string;
  era: "modern" | "legacy";
  arguments?: unknown;
}
