// The answers below /api/mcp against the samples of the documents that promise them.
import { expect, test } from "vitest";
import { z } from "zod";
import { startApi } from "../../test/support/api-over-http.ts";
import { openapiDocument } from "./openapi.ts";
import { routeTable } from "./route-table.ts";

const sampleOfSuccess = {
  success: true,
  data: expect.anything(),
  timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
};
const sampleOfError = {
  success: false,
  error: { message: expect.any(String), code: expect.stringMatching(/^[A-Z_]+$/) },
  timestamp: sampleOfSuccess.timestamp,
};
const logs = "/api/mcp/security/audit-logs";

test("a success has everything that is in the sample", async () => {
  const { ask } = await startApi();
  for (const query of ["", "?limit=100", "?server=neon&success=false"]) {
    const { status, json } = await ask("auditor", "GET", logs + query);
    expect([query, status, json]).toEqual([query, 200, expect.objectContaining(sampleOfSuccess)]);
  }
});

test("every failure has everything that is in the sample, and the fields of all other errors", async () => {
  const { ask } = await startApi();
  const failures = [
    [undefined, "GET", logs, 401, "KEY_MISSING"],
    ["operator", "GET", logs, 403, "FORBIDDEN"],
    ["auditor", "GET", `${logs}?limit=0`, 400, "BODY_INVALID"],
    ["auditor", "DELETE", logs, 405, "METHOD_NOT_ALLOWED"],
    ["auditor", "GET", "/api/mcp/none", 404, "NOT_FOUND"],
    ["auditor", "GET", "/api/mcp", 404, "NOT_FOUND"],
  ] as const;
  for (const [holder, method, path, status, code] of failures) {
    const answer = await ask(holder, method, path);
    expect([path, answer.status, answer.json.code]).toEqual([path, status, code]);
    expect(answer.json).toMatchObject(sampleOfError);
    const { error, message, details, requestId, docs } = answer.json;
    expect(error).toEqual({ message, code, ...(details !== undefined && { details }) });
    expect([requestId, docs]).toEqual([expect.stringMatching(/^req_/), `docs/errors/${code}.md`]);
  }
});

test("an error elsewhere has no envelope", async () => {
  const { ask } = await startApi();
  for (const path of ["/api/mcpx", "/api/audit?limit=0"])
    expect((await ask("auditor", "GET", path)).json).not.toHaveProperty("success");
});

test("the OpenAPI document says so for each address below /api/mcp, and for no other", () => {
  const document = z
    .object({
      paths: z.record(
        z.string(),
        z.record(z.string(), z.object({ responses: z.record(z.string(), z.unknown()) })),
      ),
    })
    .parse(openapiDocument(routeTable, "0"));
  for (const [path, operations] of Object.entries(document.paths)) {
    const failures = Object.values(operations).flatMap(({ responses }) =>
      Object.entries(responses).filter(([status]) => Number(status) >= 400),
    );
    const isBelow = path.startsWith("/api/mcp/");
    for (const [, failure] of failures)
      expect([path, JSON.stringify(failure).includes("EnvelopedError")]).toEqual([path, isBelow]);
  }
  expect(Object.keys(document.paths)).toContain(logs);
});
