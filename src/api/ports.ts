// What the API needs of the rest of the gateway; `main.ts` hands it in.
import type { IncomingMessage } from "node:http";
import type {
  AuthOutcome,
  CallerView,
  Connections,
  KeyLimits,
  LimitedCaller,
  Principal,
  Scope,
  WantedToken,
} from "../access/index.ts";
import type { AuditSink, Clock, Log, Metrics, SignalboxError } from "../foundation/index.ts";
import type { AuditVerdict, CheckResult, CheckStatus, ExportedRecord } from "../ops/index.ts";
import type { CatalogView, Explanation, Pins, Question, Registry } from "../registry/index.ts";

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
    | "listSecrets"
    | "putSecret"
    | "removeSecret"
    | "resealSecrets"
    | "version"
    | "loaded"
    | "projects"
    | "roles"
  >;
  /** Who sends a request; waits only where a token has to be looked at that was not seen before. */
  authenticate(
    request: Pick<IncomingMessage, "headers" | "socket">,
    requestId: string,
  ): AuthOutcome | Promise<AuthOutcome>;
  /** The refusal where the token of a principal does not reach a scope. */
  lacksScope(principal: Principal, scope: Scope): SignalboxError | undefined;
  /** What OAuth clients read about an endpoint such as `/mcp/coding`; undefined where there is nothing to read. */
  resourceMetadata(place: string): object | undefined;
  /** Makes a token signed with the shared secret; its end in epoch milliseconds. Throws TOKENS_OFF without a secret. */
  issueToken(wanted: WantedToken): Promise<{ token: string; expiresAt: number }>;
  /** What a principal is offered at `/mcp` or `/mcp/{bundle}`; undefined where there is no such bundle. */
  catalog(principal: Principal, bundle: string | undefined): Promise<CatalogView | undefined>;
  /** What principals may do. */
  access: AccessPort;
  /** Hears what was changed and refused, and who was shown what calls carried. */
  audit?: AuditSink;
  auditTrail: AuditPort;
  /** The call log, newest first. Throws STORE_UNAVAILABLE. */
  calls(filter: CallFilter): Promise<readonly CallEntry[]>;
  /** One call; undefined where there is none of this id. Throws STORE_UNAVAILABLE. */
  call(id: string): Promise<CallEntry | undefined>;
  /** Changes of state of a server's links, the newest first; times are epoch milliseconds. Throws STORE_UNAVAILABLE. */
  linkHistory(filter: {
    server: string;
    limit: number;
    before?: number;
  }): Promise<readonly LinkHistoryEntry[]>;
  /** What the stored changes of state say of how long a server's links were up. Throws STORE_UNAVAILABLE. */
  linkUptime(server: string): Promise<readonly LinkUptime[]>;
  /** How a service of the gateway fares; undefined where it is not open. */
  serviceFacts?(name: string): ServiceFacts | undefined;
  limits: LimitsPort;
  /** Answers that are kept. */
  cache: CachePort;
  /** Connections to servers by OAuth. */
  connections: Pick<
    Connections,
    "list" | "begin" | "remove" | "page" | "start" | "finish" | "end" | "clientDocument" | "secure"
  >;
  /** What is known and approved of each tool and prompt. */
  pins: Pick<Pins, "list" | "get" | "approve" | "reject" | "approveAll" | "forget">;
  /** The last results of the background checks; never waits. */
  health(): HealthReport;
  /** More about this process for `/api/status`: addresses, database, profile. No secrets. */
  describe?(): Record<string, unknown>;
  metrics: Metrics;
  log: Log;
  clock: Clock;
}

/** What was written of decisions and changes. All throw STORE_UNAVAILABLE. */
export interface AuditPort {
  /** The newest first. */
  recent(
    filter: AuditConditions & { readonly limit: number; readonly beforeSeq?: number },
  ): Promise<readonly ExportedRecord[]>;
  /** The oldest first, behind a place. */
  after(
    seq: number,
    limit: number,
    conditions: AuditConditions,
  ): Promise<readonly ExportedRecord[]>;
  /** What a reading of the whole trail finds; undefined where too many wait for one already. */
  verify(anchor: string | undefined): Promise<AuditVerdict | undefined>;
}

export interface AuditConditions {
  readonly action?: string | undefined;
  readonly actorId?: string | undefined;
  readonly target?: string | undefined;
  readonly server?: string | undefined;
  readonly outcome?: string | undefined;
  readonly success?: boolean | undefined;
  readonly project?: string | undefined;
  /** Epoch milliseconds: only records from then on, and only those before. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface AccessPort {
  /** The holder of a key on record, or why it could not be used; undefined where there is no such key. */
  keyHolder(keyId: string): AuthOutcome | undefined;
  /** Whether a principal can use anything of a server in that way. */
  mayUse(principal: Principal, server: string, action: "read" | "write"): boolean;
  explain(principal: Principal, question: Question): Promise<Explanation>;
}

/** How often callers may do what. */
export interface LimitsPort {
  /** What a caller is under; nothing is counted. */
  view(caller: LimitedCaller, address: string | undefined): CallerView;
  /** How gateways count together. */
  counting(): {
    readonly store: "memory" | "postgres" | "redis";
    readonly up: boolean;
    readonly gateways: number;
    readonly lease: number;
  };
  /** What is set for a key alone. */
  keyLimits(keyId: string): KeyLimits | undefined;
  /** Throws STORE_UNAVAILABLE. */
  setKeyLimits(keyId: string, limits: KeyLimits): Promise<void>;
  /** Calls of the periods of now, of these subjects or of all. Throws STORE_UNAVAILABLE. */
  usage(now: number, subjects: readonly string[] | undefined): Promise<readonly QuotaUsage[]>;
}

export interface QuotaUsage {
  readonly subject: string;
  readonly period: "day" | "month";
  /** Epoch milliseconds. */
  readonly startsAt: number;
  readonly used: number;
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

/** How a service of the gateway fares. */
export interface ServiceFacts {
  readonly connected: boolean;
  /** What it last said of itself, and when (epoch milliseconds). */
  readonly health?: {
    readonly status: "ok" | "degraded" | "down";
    readonly message?: string;
    readonly details?: Readonly<Record<string, unknown>>;
    readonly at: number;
  };
  readonly rates: readonly {
    readonly key: string;
    readonly name: string;
    readonly limit: number;
    readonly remaining: number;
    /** Epoch milliseconds. */
    readonly resetsAt?: number;
    readonly inFlight: number;
    readonly waiting: number;
  }[];
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
  success?: boolean;
  principalId?: string;
  project?: string;
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
  /** Whose the call is; "*" where it is of no one project. */
  project: string;
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
