// What a vendor's failure means for whoever called: what kind it is, whether the vendor may have done the work all the
// same, and how long it asks to be left alone. The kinds are the gateway's own for servers.
import { ToolError } from "./tool-result.ts";

/**
 * - `retryable`: the vendor failed in a way that may pass.
 * - `network`: no connection, or one that broke.
 * - `timeout`: no answer in time.
 * - `throttled`: the vendor asks for fewer requests; it did not do the work.
 * - `non_retryable`: it would come again: wrong credentials, wrong arguments, nothing there.
 */
export type FailureKind = "retryable" | "network" | "timeout" | "throttled" | "non_retryable";

export interface ServiceFailure {
  readonly kind: FailureKind;
  /** "no": the vendor certainly did not do what was asked; "maybe" (default): nobody knows. */
  readonly delivered?: "no" | "maybe";
  /** The vendor's HTTP status, where it answered. */
  readonly status?: number;
  /** How long it asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number;
  /** Default: one of `VENDOR_UNAVAILABLE`, `VENDOR_UNREACHABLE`, `VENDOR_TIMEOUT`, `VENDOR_THROTTLED`, `VENDOR_REFUSED` by the kind. */
  readonly code?: string;
  readonly cause?: unknown;
}

/** A failure of what stands behind a service. Its message reaches the caller: never put a secret into it. */
export class ServiceError extends ToolError {
  readonly kind: FailureKind;
  readonly delivered: "no" | "maybe";
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(sentence: string, failure: ServiceFailure) {
    const { kind, delivered, status, retryAfterMs } = failure;
    super(sentence, {
      code: failure.code ?? codeOf[kind],
      details: {
        kind,
        ...(status !== undefined && { status }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      },
      cause: failure.cause,
    });
    this.kind = kind;
    this.delivered = delivered ?? (kind === "throttled" ? "no" : "maybe");
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

const codeOf: Record<FailureKind, string> = {
  retryable: "VENDOR_UNAVAILABLE",
  network: "VENDOR_UNREACHABLE",
  timeout: "VENDOR_TIMEOUT",
  throttled: "VENDOR_THROTTLED",
  non_retryable: "VENDOR_REFUSED",
};
