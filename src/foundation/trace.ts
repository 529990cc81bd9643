/** The caller's place in a trace (W3C Trace Context). */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** Reads a `traceparent` header; undefined when it is absent or not valid. */
export function parseTraceparent(header: unknown): TraceParent | undefined {
  if (typeof header !== "string") return undefined;
  const match = form.exec(header);
  if (match === null) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", rest = ""] = match;
  if (version === "ff" || (version === "00" && rest !== "")) return undefined;
  if (zeros.test(traceId) || zeros.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

// A later version of the format may append fields after the flags; version 00 may not.
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,256})?$/;
const zeros = /^0+$/;
