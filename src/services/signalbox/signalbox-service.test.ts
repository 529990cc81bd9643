import { callTool, textOf } from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import { signalboxService, type RecentCall, type SignalboxPorts } from "./index.ts";

const call: RecentCall = {
  at: "2026-11-20T10:00:00.000Z",
  tool: "files__read",
  server: "files",
  method: "tools/call",
  principal: "Ada",
  outcome: "timeout",
  errorCode: "SERVER_TIMEOUT",
  durationMs: 30_000.5,
  requestId: "r1",
};

function service(ports: Partial<SignalboxPorts>) {
  const none: SignalboxPorts = {
    servers: () => [],
    server: () => undefined,
    recentCalls: async () => [],
  };
  return signalboxService({ ...none, ...ports });
}

const ada = { principal: { id: "k1", name: "Ada", role: "caller", bundles: ["coding"] } };

test("every tool is read-only, described, and says what it answers", () => {
  for (const tool of service({}).tools) {
    expect(tool.annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
    expect(tool.description.length).toBeGreaterThan(50);
    expect(tool.outputSchema).toMatchObject({ type: "object" });
  }
});

test("list_servers asks for what the caller may see", async () => {
  const files = { name: "files", state: "error" as const, transport: "stdio", tools: 3 };
  const lastError = { code: "SERVER_CRASHED", message: "gone", at: "2026-11-20T10:00:00.000Z" };
  const servers: SignalboxPorts["servers"] = (principal) =>
    principal.id === "k1" ? [{ ...files, lastError }] : [];
  const listed = service({ servers });
  const { message: _message, ...told } = lastError;
  expect(await callTool(listed, "list_servers", {}, ada)).toHaveProperty("structuredContent", {
    servers: [{ ...files, lastError: told }],
  });
  const operator = { principal: { ...ada.principal, role: "operator" } };
  expect(await callTool(listed, "list_servers", {}, operator)).toHaveProperty("structuredContent", {
    servers: [{ ...files, lastError }],
  });
  expect(await callTool(listed, "list_servers", {})).toHaveProperty("structuredContent", {
    servers: [],
  });
});

test("server_status tells one server in detail", async () => {
  const files = {
    name: "files",
    state: "connected" as const,
    transport: "streamable-http",
    since: "2026-11-20T10:00:00.000Z",
    calls: 7,
    errors: 1,
  };
  // What a gateway knows beyond this is its operators' alone.
  const known = { ...files, pid: 7, endpoints: [{ id: "10.0.0.7:80", state: "connected" }] };
  const server: SignalboxPorts["server"] = (name) => (name === "files" ? known : undefined);
  const status = await callTool(service({ server }), "server_status", { name: "files" });
  expect(status).toHaveProperty("structuredContent", files);
});

test("server_status of what is not there says how to find the names", async () => {
  const status = await callTool(service({}), "server_status", { name: "nope" });
  expect(status.isError).toBe(true);
  expect(textOf(status)).toContain('There is no server "nope"');
  expect(textOf(status)).toContain("list_servers");
});

test("recent_calls passes the filter on, with 20 calls unless told", async () => {
  const asked: unknown[] = [];
  const recentCalls: SignalboxPorts["recentCalls"] = async (_principal, filter) => {
    asked.push(filter);
    return [call];
  };
  const log = service({ recentCalls });
  expect(await callTool(log, "recent_calls", {})).toHaveProperty("structuredContent", {
    calls: [call],
  });
  await callTool(log, "recent_calls", { limit: 5, server: "files", outcome: "timeout" });
  expect(asked).toEqual([{ limit: 20 }, { limit: 5, server: "files", outcome: "timeout" }]);
});

test("recent_calls refuses more than 100 and outcomes there are not", async () => {
  const refused = await callTool(service({}), "recent_calls", { limit: 101, outcome: "fine" });
  expect(textOf(refused)).toContain("limit: Too big");
  expect(textOf(refused)).toContain("outcome: ");
});
