/** How the gateway's own refusals look on the wire: a JSON-RPC error whose data carries our code and the request id. */
import type { ErrorCode, SignalboxError } from "../foundation/index.ts";
import { RPC, errorResponse, stringify, type RequestId } from "../protocol/index.ts";
import { sentenceForCallers } from "./caller-sentence.ts";
import type { Reply } from "./reply.ts";
import type { Resolution } from "./view.ts";

export interface Failure {
  readonly rpcCode: number;
  readonly message: string;
  /** The HTTP status where the answer is the whole response, where it is not the one that goes with `rpcCode`. */
  readonly status?: number;
  readonly data: { readonly code: ErrorCode; readonly [key: string]: unknown };
}

/** A server did not answer as it should; the message names it. */
export function serverFailure(error: SignalboxError, server: string): Failure {
  return {
    rpcCode: RPC.internalError,
    message: sentenceForCallers(error),
    data: { code: error.code, server, ...toldOf(error) },
  };
}

/** A limit's refusal; its data says how long to wait. */
export function limitFailure({ code, message, status, details }: SignalboxError): Failure {
  return { rpcCode: RPC.internalError, message, status, data: { code, ...details } };
}

/** What of a failure's details helps the caller to decide what to do next. */
function toldOf({ details }: SignalboxError): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const name of TOLD) if (details?.[name] !== undefined) told[name] = details[name];
  return told;
}

const TOLD = ["outcome", "attempts", "retryAfterMs"] as const;

/** A public name that leads nowhere. */
export function unresolved(
  what: "tool" | "prompt" | "resource",
  name: string,
  resolution: Resolution & { ok: false },
): Failure {
  if (resolution.reason === "collision") {
    return {
      rpcCode: RPC.invalidParams,
      message: `The ${what} ${name} is offered by ${resolution.owners.join(" and ")}; the bundle must leave one out.`,
      data: { code: "BUNDLE_COLLISION", owners: resolution.owners },
    };
  }
  if (resolution.reason === "held") {
    return {
      rpcCode: RPC.invalidParams,
      message: `The ${what} ${name} is quarantined: ${resolution.why}`,
      data: { code: "TOOL_QUARANTINED", server: resolution.server },
    };
  }
  if (resolution.reason === "unavailable") {
    const { server, message, reason } = resolution.missing;
    return {
      rpcCode: RPC.internalError,
      message: `The ${what} ${name} cannot be reached: server "${server}": ${message}`,
      data: { code: reason, server },
    };
  }
  return {
    rpcCode: RPC.invalidParams,
    message: `Unknown ${what}: ${name}`,
    data: { code: UNKNOWN_CODE[what], ...(what === "resource" ? { uri: name } : {}) },
  };
}

/** Sends a failure as the answer to `id`; `status` is the HTTP status where the answer is the whole response. */
export function replyFailure(
  reply: Reply,
  id: RequestId | null,
  failure: Failure,
  requestId: string,
  status: number,
): void {
  reply.answer(failureText(id, failure, requestId), status);
}

/** A failure as the JSON-RPC response to `id`. */
export function failureText(id: RequestId | null, failure: Failure, requestId: string): string {
  const data = { ...failure.data, requestId };
  return stringify(errorResponse(id, failure.rpcCode, failure.message, data));
}

const UNKNOWN_CODE = {
  tool: "TOOL_NOT_FOUND",
  prompt: "PROMPT_NOT_FOUND",
  resource: "RESOURCE_NOT_FOUND",
} as const;
