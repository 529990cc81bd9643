import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorTable, SignalboxError, type ErrorCode } from "../../foundation/index.ts";
import { statusFailure } from "../transports/http-failure.ts";
import { classify, countsForBreaker } from "./failure-class.ts";

const codes = Object.keys(errorTable).filter((code): code is ErrorCode => code in errorTable);

function classOf(code: ErrorCode, details?: Record<string, unknown>): unknown {
  return classify(new SignalboxError(code, "It failed.", details === undefined ? {} : { details }));
}

describe("by its code, a failure", () => {
  test.each([
    ["SERVER_UNREACHABLE", "network", "no"],
    ["SERVER_CLOSED", "network", "maybe"],
    ["SERVER_CRASHED", "network", "maybe"],
    ["SERVER_TIMEOUT", "timeout", "maybe"],
    ["SERVER_THROTTLED", "throttled", "no"],
    ["SERVER_GARBAGE", "retryable", "maybe"],
    ["SERVER_BUSY", "non_retryable", "no"],
    ["BREAKER_OPEN", "non_retryable", "no"],
    ["SERVER_DISABLED", "non_retryable", "no"],
    ["SERVER_CRASH_LOOP", "non_retryable", "no"],
    ["PROCESS_LIMIT", "non_retryable", "no"],
    ["SESSION_LIMIT", "non_retryable", "no"],
    ["SERVER_UNAUTHORIZED", "non_retryable", "maybe"],
    ["SERVER_REFUSED", "non_retryable", "maybe"],
    ["SERVER_TOO_LARGE", "non_retryable", "maybe"],
    ["INTERNAL", "non_retryable", "maybe"],
  ] as const)("%s is %s, delivered: %s", (code, kind, delivered) => {
    expect(classOf(code)).toEqual({ kind, delivered });
  });
});

test("a server that answers with HTTP 500 may have carried the call out", () => {
  expect(classify(statusFailure("files", 500))).toEqual({ kind: "retryable", delivered: "maybe" });
});

test.each([301, 401, 403, 404, 409])(
  "a server that answers HTTP %d has not carried it out",
  (status) => {
    expect(classify(statusFailure("files", status))).toEqual({
      kind: "non_retryable",
      delivered: "no",
    });
  },
);

test("what the transport knows about the delivery wins", () => {
  fc.assert(
    fc.property(fc.constantFrom(...codes), fc.constantFrom("no", "maybe"), (code, delivered) => {
      expect(classOf(code, { delivered })).toMatchObject({ delivered });
    }),
  );
  expect(classOf("SERVER_CLOSED", { delivered: "perhaps" })).toMatchObject({ delivered: "maybe" });
});

test("the wait a throttling or failing server asks for is kept, the gateway's own is not", () => {
  expect(classOf("SERVER_THROTTLED", { retryAfterMs: 1500 })).toMatchObject({ retryAfterMs: 1500 });
  expect(classOf("SERVER_UNREACHABLE", { status: 503, retryAfterMs: 20 })).toMatchObject({
    retryAfterMs: 20,
  });
  expect(classOf("SERVER_UNREACHABLE", { retryAfterMs: 20 })).not.toHaveProperty("retryAfterMs");
});

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "5", null])(
  "a wait of %s is no wait",
  (retryAfterMs) => {
    expect(classOf("SERVER_THROTTLED", { retryAfterMs })).not.toHaveProperty("retryAfterMs");
  },
);

test("the breaker counts what a broken server does, not what a living one says", () => {
  const kinds = ["network", "timeout", "retryable", "throttled", "non_retryable"] as const;
  expect(kinds.filter(countsForBreaker)).toEqual(["network", "timeout", "retryable"]);
});
