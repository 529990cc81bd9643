// Finds out which era a server at a URL speaks, by asking it the modern question `server/discover`.
// Only a server that understood the question is modern, and only one that plainly did not is legacy;
// refused credentials, failures and silence prove nothing, so then the caller tries `initialize` and
// asks again soon.
import { SignalboxError } from "../foundation/index.ts";
import {
  LEGACY_REVISIONS,
  META,
  MODERN_REVISION,
  RPC,
  stringify,
  type JsonObject,
  type JsonRpcResponse,
} from "../protocol/index.ts";
import type { LaneContext } from "./lane.ts";
import type { HttpEndpoint } from "./transports/http-endpoint.ts";
import { failureOf, statusFailure } from "./transports/http-failure.ts";
import type { OnceReply } from "./transports/http-once.ts";
import { onceAuthorized } from "./transports/once-authorized.ts";
import { serverWords } from "./server-words.ts";

export type EraFinding =
  | { readonly kind: "modern"; readonly discover: JsonObject }
  | { readonly kind: "legacy" }
  | { readonly kind: "unproven"; readonly error: SignalboxError };

const probeTimeoutMsMax = 5000;
/** A server may refuse the version at first and name it as supported all the same: it is then asked once more. */
const attemptsMax = 2;

export interface ProbeOptions {
  serverName: string;
  context: LaneContext;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Asks the server at `endpoint`; throws SignalboxError where it cannot be reached or speaks neither era. */
export async function probeEra(endpoint: HttpEndpoint, options: ProbeOptions): Promise<EraFinding> {
  for (let attempt = 1; ; attempt++) {
    const reply = await askOnce(endpoint, options);
    if (reply instanceof SignalboxError) return { kind: "unproven", error: reply };
    const finding = findingOf(reply, options.serverName);
    if (finding !== "again") return finding;
    if (attempt === attemptsMax) return { kind: "modern", discover: {} };
  }
}

/** The reply, or why there is none that would tell the era. */
async function askOnce(
  endpoint: HttpEndpoint,
  options: ProbeOptions,
): Promise<OnceReply | SignalboxError> {
  try {
    return await onceAuthorized(
      endpoint,
      {
        server: options.serverName,
        method: "POST",
        headers: discoverHeaders(endpoint),
        body: discoverBody(options.context),
        timeoutMs: Math.min(options.timeoutMs, probeTimeoutMsMax),
        signal: options.signal,
      },
      options.context.credentials,
    );
  } catch (error) {
    if (!(error instanceof SignalboxError) || !PROVES_NOTHING.has(error.code)) throw error;
    return error;
  }
}

/** A server that is silent or talks nonsense may still answer the other era; one that is away or wants consent will not. */
const PROVES_NOTHING: ReadonlySet<string> = new Set([
  "SERVER_TIMEOUT",
  "SERVER_CLOSED",
  "SERVER_GARBAGE",
]);

/** The `_meta` of a modern request that the gateway makes itself. */
export function modernMeta(context: LaneContext): JsonObject {
  return {
    [META.protocolVersion]: MODERN_REVISION,
    [META.clientInfo]: context.clientInfo,
    [META.clientCapabilities]: context.capabilities,
  };
}

function findingOf(reply: OnceReply, server: string): EraFinding | "again" {
  const { status, response } = reply;
  if (status === 401 || status === 403 || status >= 500 || (status >= 300 && status < 400))
    return { kind: "unproven", error: statusFailure(server, status) };
  if (status === 408 || status === 425 || status === 429)
    return { kind: "unproven", error: statusFailure(server, status) };
  const revisions = response?.result?.["supportedVersions"];
  if (Array.isArray(revisions)) return agreed(server, revisions, response?.result);
  const supported = supportedInError(response);
  if (supported?.includes(MODERN_REVISION) === true) return "again";
  if (supported !== undefined) return agreed(server, supported, undefined);
  const code = response?.error?.code;
  if (code === RPC.headerMismatch || code === RPC.missingClientCapability)
    return { kind: "modern", discover: {} };
  return { kind: "legacy" };
}

function agreed(
  server: string,
  revisions: readonly unknown[],
  discover: JsonObject | undefined,
): EraFinding {
  if (discover !== undefined && revisions.includes(MODERN_REVISION))
    return { kind: "modern", discover };
  if (revisions.some((revision) => LEGACY_REVISIONS.includes(String(revision))))
    return { kind: "legacy" };
  const named = revisions.slice(0, 8).map((revision) => serverWords(String(revision), 20));
  throw failureOf(
    server,
    "SERVER_REFUSED",
    `speaks no revision of the protocol that the gateway speaks (it names ${named.join(", ") || "none"})`,
  );
}

/** The revisions named by "unsupported protocol version", in its final and its beta form (-32004). */
function supportedInError(response: JsonRpcResponse | undefined): unknown[] | undefined {
  const error = response?.error;
  if (error?.code !== RPC.unsupportedProtocolVersion && error?.code !== -32004) return undefined;
  const { data } = error;
  if (typeof data !== "object" || data === null || !("supported" in data)) return undefined;
  return Array.isArray(data.supported) ? data.supported : undefined;
}

function discoverHeaders(endpoint: HttpEndpoint): string[] {
  return [
    ...endpoint.headers,
    "content-type",
    "application/json",
    "accept",
    "application/json, text/event-stream",
    "mcp-protocol-version",
    MODERN_REVISION,
    "mcp-method",
    "server/discover",
  ];
}

function discoverBody(context: LaneContext): string {
  return stringify({
    jsonrpc: "2.0",
    id: "sbx-discover",
    method: "server/discover",
    params: { _meta: modernMeta(context) },
  });
}
