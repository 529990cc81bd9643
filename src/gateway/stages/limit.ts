/**
 * Whether a caller may send one more request, and one more call to a server. A request is counted when it comes in,
 * whatever it asks for; a call, when it goes on to its server, so that an answer out of the cache costs none.
 */
import type { Socket } from "node:net";
import type {
  Allowance,
  CallerLimits,
  LimitRefusal,
  Principal,
  RateRefusal,
} from "../../access/index.ts";
import {
  SignalboxError,
  type AuditSink,
  type Counter,
  type Log,
  type Metrics,
} from "../../foundation/index.ts";
import { retryAfterOf } from "../http-errors.ts";

/** Whose request it is. */
export interface Limited {
  readonly principal: Principal;
  readonly socket: Socket;
  readonly requestId: string;
}

export interface LimitDeps {
  /** Nothing is limited where they are left out. */
  readonly limits: CallerLimits | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly audit: AuditSink | undefined;
}

export class Limit {
  readonly #limits: CallerLimits | undefined;
  readonly #log: Log;
  readonly #audit: AuditSink | undefined;
  readonly #rejections: Counter;

  constructor({ limits, metrics, log, audit }: LimitDeps) {
    this.#limits = limits;
    this.#log = log;
    this.#audit = audit;
    this.#rejections = metrics.counter(
      "mcp_rate_limit_rejections_total",
      "Requests and calls refused by a rate limit or a quota.",
      ["scope"],
    );
  }

  /** Counts a request that came in; the refusal where there may be no more. */
  request(from: Limited): SignalboxError | undefined {
    const refusal = this.#limits?.request(from.principal, from.socket.remoteAddress);
    return refusal === undefined ? undefined : this.#refused(from, refusal);
  }

  /** Counts a call that goes on to a server. */
  call(from: Limited, server: string, tool: string | undefined): SignalboxError | undefined {
    const { principal, socket } = from;
    const refusal = this.#limits?.call(principal, socket.remoteAddress, server, tool);
    return refusal === undefined ? undefined : this.#refused(from, refusal);
  }

  /** The headers that tell a caller what is left to it; undefined where it has no limit. */
  headers({ principal, socket }: Limited): string[] | undefined {
    const allowance = this.#limits?.allowance(principal, socket.remoteAddress);
    return allowance && headersOf(allowance);
  }

  // A caller that goes on all the same fills neither the log nor the audit trail: its first refusal is told, then one a minute.
  #refused(from: Limited, refusal: LimitRefusal): SignalboxError {
    this.#rejections.slot(refusal.scope).inc();
    const error = errorOf(refusal);
    if (!refusal.first) return error;
    const { principal, requestId, socket } = from;
    const { scope, of } = refusal;
    const details = { scope, ...(of !== "" && { of }), ...error.details };
    this.#log.warn(
      { code: error.code, principal: principal.name, requestId, ...details },
      refusal.code === "RATE_LIMITED" ? "Rate limit exceeded" : "Quota exceeded",
    );
    this.#audit?.({
      action: "limit.refuse",
      actor: { id: principal.id, name: principal.name, kind: kindOf(principal) },
      target: `limit:${scope}`,
      outcome: "denied",
      code: error.code,
      details,
      requestId,
      ...(socket.remoteAddress !== undefined && { address: socket.remoteAddress }),
    });
    return error;
  }
}

/**
 * The headers of an answer that refuses for now, with the three fields that clients of the draft's forerunners read. Those
 * are on refusals alone: each header costs every answer more than counting does.
 */
export function retryHeaders(error: SignalboxError): string[] {
  const after = seconds(retryAfterOf(error) ?? 0);
  const limit: unknown = error.details?.["limit"] ?? error.details?.["quota"];
  return [
    "retry-after",
    after,
    ...(typeof limit === "number" ? ["ratelimit-limit", String(limit)] : []),
    "ratelimit-remaining",
    "0",
    "ratelimit-reset",
    after,
  ];
}

function errorOf(refusal: LimitRefusal): SignalboxError {
  if (refusal.code === "RATE_LIMITED") {
    const { max, windowMs, retryAfterMs, scope } = refusal;
    const message = `Rate limit exceeded: the rate limit ${WHOSE[scope](refusal.of)} is ${max} requests in ${seconds(windowMs)} s; try again in ${seconds(retryAfterMs)} s.`;
    return new SignalboxError("RATE_LIMITED", message, {
      details: { scope, limit: max, windowMs, retryAfterMs },
    });
  }
  const { period, quota, of, retryAfterMs } = refusal;
  const resetsAt = new Date(refusal.resetsAt).toISOString();
  const rest = refusal.spent
    ? `the next ${period} begins at ${resetsAt}`
    : "whether there are any left has to be looked up first; try again in a moment";
  const message = `Quota exceeded: ${ownerOf(of)} may make ${quota} calls a ${period}; ${rest}.`;
  return new SignalboxError("QUOTA_EXCEEDED", message, {
    details: { scope: "quota", of, period, quota, resetsAt, retryAfterMs },
  });
}

const WHOSE: Readonly<Record<RateRefusal["scope"], (of: string) => string>> = {
  caller: () => "of this caller",
  all: () => "of all callers together",
  server: (of) => `for server "${of}"`,
  tool: (of) => `for the tools "${of}"`,
};

function ownerOf(subject: string): string {
  const colon = subject.indexOf(":");
  const kind = subject.slice(0, colon);
  return kind === "principal" ? "this caller" : `${kind} "${subject.slice(colon + 1)}"`;
}

// draft-ietf-httpapi-ratelimit-headers-11.
function headersOf({ max, windowMs, remaining, nextMs }: Allowance): string[] {
  return [
    "ratelimit-policy",
    `"caller";q=${max};w=${seconds(windowMs)}`,
    "ratelimit",
    `"caller";r=${remaining};t=${seconds(nextMs)}`,
  ];
}

function seconds(ms: number): string {
  return String(Math.max(0, Math.ceil(ms / 1000)));
}

function kindOf(principal: Principal & { kind?: string }): string {
  return principal.kind ?? (principal.keyId === undefined ? "anonymous" : "key");
}
