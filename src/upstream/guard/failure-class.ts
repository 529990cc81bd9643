// What a failure means for the guards: whether to repeat the call and whether the breaker counts it. Two questions
// are kept apart. The kind says what went wrong; `delivered` says whether the server may have carried the call out
// all the same. Where the outcome is unknown only a call that is safe to repeat may be repeated.
import type { ErrorCode, SignalboxError } from "../../foundation/index.ts";

/**
 * The kinds of failure, by their documented names:
 * - `retryable` (RetryableError): the server failed in a way that may pass, such as HTTP 500 or an answer that is no protocol.
 * - `network` (NetworkError): no connection, or one that broke, or a process that ended.
 * - `timeout` (TimeoutError): no answer in time.
 * - `throttled` (ThrottledError): the server asks for fewer calls.
 * - `non_retryable` (NonRetryableError): wrong credentials, refused requests, and what the gateway itself refuses.
 */
export type FailureKind = "retryable" | "network" | "timeout" | "throttled" | "non_retryable";

/** A failure as the guards see it. */
export interface FailureClass {
  readonly kind: FailureKind;
  /** "no": the server certainly did not carry the call out; "maybe": nobody knows. */
  readonly delivered: "no" | "maybe";
  /** What the server asked to be waited, in milliseconds; only with `throttled` and `retryable`. */
  readonly retryAfterMs?: number;
}

/** The class of a failure, from its code and details; `details.delivered`, where the transport knows, wins. */
export function classify(error: SignalboxError): FailureClass {
  const { code, details } = error;
  const { kind, delivered } =
    code === "SERVER_UNREACHABLE" ? unreachable(details?.["status"]) : (byCode[code] ?? final);
  const known = details?.["delivered"];
  const retryAfterMs = details?.["retryAfterMs"];
  return {
    kind,
    delivered: known === "no" || known === "maybe" ? known : delivered,
    ...(mayCarryWait(kind) && isWait(retryAfterMs) ? { retryAfterMs } : {}),
  };
}

/** Whether the breaker counts it: throttling and refusals come from a server that is alive. */
export function countsForBreaker(kind: FailureKind): boolean {
  return kind === "network" || kind === "timeout" || kind === "retryable";
}

// Without a status nobody answered; with one, the server or a proxy before it did, and may have begun the work.
function unreachable(status: unknown): FailureClass {
  if (status === undefined) return { kind: "network", delivered: "no" };
  return typeof status === "number" && status >= 500
    ? { kind: "retryable", delivered: "maybe" }
    : final;
}

const final: FailureClass = { kind: "non_retryable", delivered: "maybe" };
const refusedHere: FailureClass = { kind: "non_retryable", delivered: "no" };
const broken: FailureClass = { kind: "network", delivered: "maybe" };

const byCode: Partial<Record<ErrorCode, FailureClass>> = {
  SERVER_CLOSED: broken,
  SERVER_CRASHED: broken,
  SERVER_TIMEOUT: { kind: "timeout", delivered: "maybe" },
  SERVER_THROTTLED: { kind: "throttled", delivered: "no" },
  SERVER_GARBAGE: { kind: "retryable", delivered: "maybe" },
  SERVER_BUSY: refusedHere,
  SERVER_CRASH_LOOP: refusedHere,
  SERVER_DISABLED: refusedHere,
  BREAKER_OPEN: refusedHere,
  PROCESS_LIMIT: refusedHere,
  SESSION_LIMIT: refusedHere,
};

// A network failure may carry how long the gateway itself backs off: that is no request of the server's.
function mayCarryWait(kind: FailureKind): boolean {
  return kind === "throttled" || kind === "retryable";
}

function isWait(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
