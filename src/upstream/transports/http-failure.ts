import type { IncomingHttpHeaders } from "node:http";
import { SignalboxError, type ErrorCode } from "../../foundation/index.ts";

/** A failure of `server`, with its name in the sentence and in the details. */
export function failureOf(
  server: string,
  code: ErrorCode,
  sentence: string,
  more?: { cause?: unknown; details?: Record<string, unknown> },
): SignalboxError {
  return new SignalboxError(code, `Server "${server}" ${sentence}.`, {
    ...(more?.cause === undefined ? {} : { cause: more.cause }),
    details: { server, ...more?.details },
  });
}

/**
 * What a broken connection means. What has not left the gateway (`connecting`) was certainly not done; once a connection
 * has taken the request (`sending`) nobody knows, whatever it is that broke it.
 */
export function connectionFailure(
  server: string,
  origin: string,
  error: Error,
  phase: "connecting" | "sending" | "answering",
): SignalboxError {
  const code = codeOf(error);
  if (garbage.has(code) || error.name === "HTTPParserError") {
    return failureOf(server, "SERVER_GARBAGE", `sent something that is not HTTP (${code})`, {
      cause: error,
    });
  }
  if (phase === "answering") {
    return failureOf(server, "SERVER_CLOSED", "closed the connection in the middle of its answer", {
      cause: error,
    });
  }
  if (closedByPeer.has(code)) {
    return failureOf(server, "SERVER_CLOSED", "closed the connection before it answered", {
      cause: error,
      ...(phase === "connecting" && { details: { delivered: "no" } }),
    });
  }
  const why = reasons[code] ?? `the connection failed (${code})`;
  if (phase === "sending") {
    const sentence = `did not answer, and the connection to it broke: ${why}`;
    return failureOf(server, "SERVER_CLOSED", sentence, { cause: error });
  }
  return failureOf(server, "SERVER_UNREACHABLE", `cannot be reached at ${origin}: ${why}`, {
    cause: error,
    details: { forCallers: `Server "${server}" cannot be reached: ${why}.` },
  });
}

/** What an HTTP status other than success means, where its body is not an answer. */
export function statusFailure(
  server: string,
  status: number,
  retryAfterMs?: number,
  asksForOAuth = false,
): SignalboxError {
  const details = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (status === 429) {
    return failureOf(server, "SERVER_THROTTLED", "asks for fewer calls (HTTP 429)", { details });
  }
  if (status >= 500) {
    return failureOf(server, "SERVER_UNREACHABLE", `is failing (HTTP ${status})`, { details });
  }
  // Who says no has not done it; "see other" is what a server may say once it has.
  const refused = { ...details, ...(status !== 303 && { delivered: "no" }) };
  if (status === 401 || status === 403) {
    return failureOf(
      server,
      "SERVER_UNAUTHORIZED",
      asksForOAuth
        ? `asks for OAuth (HTTP ${status}): give it an oauth section, which may be empty`
        : `refused the gateway's credentials (HTTP ${status})`,
      { details: refused },
    );
  }
  if (status >= 300 && status < 400) {
    return failureOf(
      server,
      "SERVER_REFUSED",
      `answered with a redirect (HTTP ${status}), which is not followed: configure the final address`,
      { details: refused },
    );
  }
  return failureOf(server, "SERVER_REFUSED", `refused the request (HTTP ${status})`, {
    details: refused,
  });
}

/** The same failure of a call that the server certainly has not carried out. */
export function notDelivered(error: SignalboxError): SignalboxError {
  const { code, message, cause, details } = error;
  return new SignalboxError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    details: { ...details, delivered: "no" },
  });
}

/**
 * How long a server asks to be left in peace, in milliseconds: its `Retry-After` header (RFC 9110, section 10.2.3), which has
 * seconds or a date; undefined where it has none, or one that cannot be read. `now`: epoch milliseconds.
 */
export function retryAfterMsOf(headers: IncomingHttpHeaders, now: number): number | undefined {
  const text = headers["retry-after"];
  if (text === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

const garbage = new Set(["UND_ERR_HEADERS_OVERFLOW"]);
const closedByPeer = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE", "UND_ERR_DESTROYED"]);

const reasons: Record<string, string> = {
  ECONNREFUSED: "nothing listens there (ECONNREFUSED)",
  ENOTFOUND: "the host name is unknown (ENOTFOUND)",
  EAI_AGAIN: "the host name could not be looked up (EAI_AGAIN)",
  EHOSTUNREACH: "there is no route to the host (EHOSTUNREACH)",
  ENETUNREACH: "there is no route to the network (ENETUNREACH)",
  ETIMEDOUT: "the connection timed out (ETIMEDOUT)",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate chain is self-signed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not signed by a known authority",
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

function codeOf(error: Error): string {
  if ("code" in error && typeof error.code === "string") return error.code;
  if (error instanceof AggregateError && error.errors[0] instanceof Error)
    return codeOf(error.errors[0]);
  return error.cause instanceof Error ? codeOf(error.cause) : error.name;
}
