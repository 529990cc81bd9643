import { expect, test } from "vitest";
import { RPC, errorResponse, modernStatusOf } from "./error-codes.ts";

test("modern errors have the HTTP status of their code", () => {
  const statuses = {
    parseError: 400,
    invalidRequest: 400,
    methodNotFound: 404,
    invalidParams: 200,
    internalError: 200,
    headerMismatch: 400,
    missingClientCapability: 400,
    unsupportedProtocolVersion: 400,
    resourceNotFoundLegacy: 200,
  } as const;
  for (const [name, status] of Object.entries(statuses)) {
    const code = Object.entries(RPC).find(([other]) => other === name)?.[1] ?? 0;
    expect([name, modernStatusOf(code)]).toEqual([name, status]);
  }
});

test("an error without data has none", () => {
  expect(errorResponse(null, -1, "no")).toEqual({
    jsonrpc: "2.0",
    id: null,
    error: { code: -1, message: "no" },
  });
  expect(errorResponse("a", -1, "no", null).error).toHaveProperty("data", null);
});
