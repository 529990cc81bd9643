// What a status of 300 or more means: an answer, a session that is gone, another era, or a failure.
import type { SignalboxError } from "../../foundation/index.ts";
import {
  isResponse,
  parseJson,
  readMessage,
  RPC,
  type Era,
  type JsonRpcResponse,
} from "../../protocol/index.ts";
import { failureOf, statusFailure } from "./http-failure.ts";
import { serverWords } from "../server-words.ts";

/** One refused request. */
export interface Refusal {
  readonly status: number;
  /** How long the server asks to be left in peace. */
  readonly retryAfterMs?: number;
  /** It answered with a challenge that names where to get tokens. */
  readonly asksForOAuth?: boolean;
  /** The JSON-RPC error in the body, where there is one that may count as an answer. */
  readonly reply?: JsonRpcResponse;
}

export function refusalOf(status: number, body: Buffer, retryAfterMs?: number): Refusal {
  const mayAnswer = status < 500 && !NO_ANSWERS.has(status);
  const reply = mayAnswer ? errorIn(body) : undefined;
  return {
    status,
    ...(reply !== undefined && { reply }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** Who asks for credentials, or for fewer calls, has not looked at the request. */
const NO_ANSWERS: ReadonlySet<number> = new Set([401, 403, 429]);

// The specification says 404. Many servers built on the SDK's examples say 400 with -32000 instead.
export function saysSessionIsGone({ status, reply }: Refusal): boolean {
  if (status === 404) return true;
  if (status !== 400 || reply?.error === undefined) return false;
  const { code, message } = reply.error;
  if (code === RPC.sessionNotFound) return true;
  return code === -32000 && /session|not initialized/i.test(message);
}

/** Whether the error speaks about this hop, not about the caller's request: it is not for the caller. */
export function isAboutThisHop(reply: JsonRpcResponse, era: Era, exactId: boolean): boolean {
  const code = reply.error?.code ?? 0;
  return isAboutHeaders(code) || (era === "modern" && !exactId && isLegacyCode(code));
}

/** Whether the refusal shows that the server does not speak `era` any more. */
export function contradictsEra({ status, reply }: Refusal, era: Era): boolean {
  const code = reply?.error?.code;
  if (code === RPC.unsupportedProtocolVersion) return true;
  if (era === "legacy") return status === 405 && code === undefined;
  if (status !== 400 && status !== 404 && status !== 405) return false;
  return code === undefined || isLegacyCode(code);
}

/** The refusal as the gateway's own failure. */
export function refusalFailure(
  server: string,
  { status, reply, retryAfterMs, asksForOAuth }: Refusal,
): SignalboxError {
  if (reply?.error === undefined) return statusFailure(server, status, retryAfterMs, asksForOAuth);
  const { code, message } = reply.error;
  return failureOf(
    server,
    "SERVER_REFUSED",
    `refused what the gateway sent: ${serverWords(message)} (${code}, HTTP ${status})`,
    { details: { status, rpcCode: code, delivered: "no" } },
  );
}

// Headers and version are checked before anything is carried out.
function isAboutHeaders(code: number): boolean {
  return code === RPC.headerMismatch || code === RPC.unsupportedProtocolVersion;
}

/** Codes that only servers of the older revisions and SDKs use. */
function isLegacyCode(code: number): boolean {
  return code <= -32000 && code > -32020;
}

function errorIn(body: Buffer): JsonRpcResponse | undefined {
  if (body.length === 0) return undefined;
  try {
    const read = readMessage(parseJson(body.toString("utf8")));
    if (!read.ok || !isResponse(read.message) || read.message.error === undefined) return undefined;
    return read.message;
  } catch {
    return undefined;
  }
}
