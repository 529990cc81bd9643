/**
 * What may be kept, for how long, and for whom. Two voices count: the operator's, who names tools and resources of a
 * server, and the server's, whose modern answers carry `ttlMs` and `cacheScope`.
 *
 * Where only the server's voice counts, nothing is looked up until one of its answers has been heard to carry a `ttlMs`:
 * a server that never gives one costs its callers nothing, and its equal calls do not wait for each other.
 */
import { isJsonObject, type JsonObject } from "../../protocol/index.ts";
import { Selection } from "../selection.ts";
import type { CacheOptions } from "./cache-options.ts";
import type { ServerCacheOptions } from "../../upstream/index.ts";

export type CacheScope = "public" | "principal";

/** How calls of one tool, or reads of one server's resources, are treated. Made once for a route, not for each call. */
export interface CachePolicy {
  /** What the operator says; undefined where only the server's words count. */
  readonly operatorTtlMs: number | undefined;
  readonly operatorScope: CacheScope;
  /** The longest that a server's word counts; 0 where it is not listened to. */
  readonly hintTtlMsMax: number;
  /** Whether a call may have changed what is kept of its server. */
  readonly writes: boolean;
  /** What the server has lately said of its answers. */
  heard: CacheScope | undefined;
}

export interface PolicySubject {
  readonly method: string;
  readonly server: string;
  /** The tool's name as the server writes it. */
  readonly name: string;
  /** The tool's annotations as clients see them. */
  readonly annotations: unknown;
}

/** The policy of one tool or of a server's resources; undefined where nothing is kept and nothing cleared. */
export function policyFor(
  subject: PolicySubject,
  global: CacheOptions,
  ofServer: ServerCacheOptions,
): CachePolicy | undefined {
  if (!global.enabled) return undefined;
  if (subject.method === "resources/read") return resourcePolicy(global, ofServer);
  if (subject.method !== "tools/call") return undefined;
  const readOnly = isReadOnly(subject.annotations);
  const named = namedFor(subject, readOnly, ofServer);
  const policy: CachePolicy = {
    operatorTtlMs: named === undefined ? undefined : (named.ttl ?? global.ttl),
    operatorScope: named?.scope ?? "principal",
    hintTtlMsMax:
      (readOnly || named !== undefined) && ofServer.honour_server_hints ? global.ttl : 0,
    writes: ofServer.invalidate_on_write && !readOnly && named === undefined,
    heard: undefined,
  };
  return isIdle(policy) ? undefined : policy;
}

/** Whether answers are looked up at all, and in whose name: undefined where the call goes straight to the server. */
export function scopeNow(policy: CachePolicy): CacheScope | undefined {
  return policy.operatorTtlMs === undefined ? policy.heard : policy.operatorScope;
}

/**
 * Whether a request has nothing beside what its key holds. One that answers a server's questions, or starts a task, is
 * never answered from the cache.
 */
export function isPlainRequest(params: JsonObject): boolean {
  for (const name in params) {
    if (name !== "arguments" && name !== "name" && name !== "uri" && name !== "_meta") return false;
  }
  return true;
}

/** What is to become of a result. */
export type Verdict =
  | {
      readonly keep: true;
      readonly ttlMs: number;
      readonly scope: CacheScope;
      readonly told: boolean;
    }
  /** It answers the equal calls that wait for it, and no later ones. */
  | { readonly keep: false; readonly share: true; readonly scope: CacheScope }
  /** It is for its own caller alone. */
  | { readonly keep: false; readonly share: false };

/** Judges a result as the server wrote it, before it takes the shape of another era. */
export function freshnessOf(policy: CachePolicy, result: JsonObject): Verdict {
  const { resultType } = result;
  if (resultType !== undefined && resultType !== "complete") return OWN;
  const scope = scopeOf(policy, result);
  if (result["isError"] === true) return { keep: false, share: true, scope };
  const hinted = policy.hintTtlMsMax > 0 ? hintOf(result) : undefined;
  const ttlMs = ttlOf(policy, hinted?.ttlMs);
  if (ttlMs <= 0) return OWN;
  return { keep: true, ttlMs, scope, told: hinted !== undefined };
}

/** Notes what an answer says of its kind; from then on such calls are looked up, or no longer. */
export function learn(policy: CachePolicy, result: JsonObject): void {
  if (policy.hintTtlMsMax <= 0 || policy.operatorTtlMs !== undefined) return;
  if (result["isError"] === true) return;
  const hinted = hintOf(result);
  if (hinted === undefined || hinted.ttlMs <= 0) policy.heard = undefined;
  // Once some answers are for one principal alone, none is looked up in the name of all.
  else policy.heard = policy.heard === "principal" ? "principal" : hinted.scope;
}

interface Kept {
  readonly ttl?: number | undefined;
  readonly scope: CacheScope;
}

interface Hint {
  readonly ttlMs: number;
  readonly scope: CacheScope;
}

const OWN: Verdict = { keep: false, share: false };

function ttlOf(policy: CachePolicy, hintedMs: number | undefined): number {
  if (hintedMs === undefined) return policy.operatorTtlMs ?? 0;
  return Math.min(hintedMs, policy.operatorTtlMs ?? policy.hintTtlMsMax);
}

// Of two voices the stricter counts.
function scopeOf(policy: CachePolicy, result: JsonObject): CacheScope {
  const told = policy.hintTtlMsMax > 0 ? result["cacheScope"] : undefined;
  if (policy.operatorTtlMs === undefined) return told === "public" ? "public" : "principal";
  return told === "private" ? "principal" : policy.operatorScope;
}

// The `ttlMs` of a task says something else.
function hintOf(result: JsonObject): Hint | undefined {
  const { ttlMs, resultType } = result;
  if (typeof ttlMs !== "number" || Number.isNaN(ttlMs)) return undefined;
  if (resultType !== undefined && resultType !== "complete") return undefined;
  return { ttlMs, scope: result["cacheScope"] === "public" ? "public" : "principal" };
}

function resourcePolicy(
  global: CacheOptions,
  ofServer: ServerCacheOptions,
): CachePolicy | undefined {
  const { resources } = ofServer;
  const policy: CachePolicy = {
    operatorTtlMs: resources === undefined ? undefined : (resources.ttl ?? global.ttl),
    operatorScope: resources?.scope ?? "principal",
    hintTtlMsMax: ofServer.honour_server_hints ? global.ttl : 0,
    writes: false,
    heard: undefined,
  };
  return isIdle(policy) ? undefined : policy;
}

function isIdle(policy: CachePolicy): boolean {
  return policy.operatorTtlMs === undefined && policy.hintTtlMsMax === 0 && !policy.writes;
}

function isReadOnly(annotations: unknown): boolean {
  return isJsonObject(annotations) && annotations["readOnlyHint"] === true;
}

// The name in full wins, then the longest pattern. `*` in a pattern takes only tools that say of themselves that they change
// nothing: a pattern reaches tools that the operator has not thought of.
function namedFor(
  { server, name }: PolicySubject,
  readOnly: boolean,
  { tools }: ServerCacheOptions,
): Kept | undefined {
  if (Object.hasOwn(tools, name)) return tools[name];
  if (!readOnly) return undefined;
  const full = `${server}__${name}`;
  let best: string | undefined;
  for (const pattern of Object.keys(tools)) {
    if (best !== undefined && pattern.length <= best.length) continue;
    const selection = new Selection({ include: [`${server}__${pattern}`], exclude: [] });
    if (selection.takesName(server, name, full)) best = pattern;
  }
  return best === undefined ? undefined : tools[best];
}
