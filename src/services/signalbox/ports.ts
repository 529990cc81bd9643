import type { Caller } from "@signalbox/kit";

/** What the service needs to know of the gateway; every answer is already limited to what the principal may see. */
export interface SignalboxPorts {
  servers(principal: Caller): ServerSummary[];
  /** Undefined where there is no such server, or the principal may not see it. */
  server(name: string, principal: Caller): ServerDetail | undefined;
  recentCalls(principal: Caller, filter: RecentCallsFilter): Promise<RecentCall[]>;
}

export const serverStates = [
  "idle",
  "connecting",
  "connected",
  "degraded",
  "reconnecting",
  "error",
  "draining",
  "disabled",
  "needs_auth",
  "not_configured",
] as const;
export type ServerState = (typeof serverStates)[number];

export interface ServerSummary {
  name: string;
  state: ServerState;
  /** stdio, streamable-http, http-sse or in-process. */
  transport: string;
  era?: string | undefined;
  /** How many tools it offers, where that is known. */
  tools?: number | undefined;
  lastError?: ServerFailure | undefined;
  /** What a service still needs before it can be served. */
  needs?: readonly string[] | undefined;
}

export interface ServerFailure {
  code: string;
  /** For operators: it may name where the server is, or what it wrote to its log. */
  message?: string | undefined;
  /** ISO time. */
  at: string;
}

export interface ServerDetail extends ServerSummary {
  /** The protocol revision in use. */
  revision?: string | undefined;
  /** ISO time at which the state was entered. */
  since: string;
  calls: number;
  errors: number;
}

export interface RecentCallsFilter {
  limit: number;
  server?: string | undefined;
  outcome?: CallOutcome | undefined;
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

export interface RecentCall {
  /** ISO time. */
  at: string;
  tool?: string | undefined;
  server?: string | undefined;
  method: string;
  principal: string;
  outcome: CallOutcome;
  errorCode?: string | undefined;
  durationMs: number;
  requestId: string;
}
