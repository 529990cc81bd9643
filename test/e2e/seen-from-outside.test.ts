import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect } from "../support/client.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { everythingOverStdio, startEverything, type TestServer } from "../support/servers.ts";
import { until } from "../support/until.ts";

let server: TestServer;
let gateway: TestGateway;

beforeAll(async () => {
  server = await startEverything();
  gateway = await startGateway({
    servers: { up: { url: server.url }, local: everythingOverStdio() },
    settings: { call_log: { arguments: true } },
  });
  const client = await connect("client 2.4.0, modern", {
    url: `${gateway.url}/mcp`,
    key: gateway.key,
  });
  await client.call("up__test_simple_text");
  await client.call("local__test_simple_text");
  await client.call("up__test_error_handling");
  await client.call("up__test_echo", { token: "tell-nobody", text: "hello" });
  await client.close();
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
}, 60_000);

describe("the metrics", () => {
  test.each([
    ["mcp_operation_duration_seconds_count", 'service="up",operation="test_simple_text"'],
    ["mcp_operation_total", 'service="up",operation="test_simple_text",status="success"'],
    ["mcp_token_usage_total", 'service="up",operation="test_simple_text"'],
    ["mcp_connection_pool_size", 'server_id="up",pool="upstream"'],
    ["mcp_connection_pool_size", 'server_id="db:signalbox",pool="database"'],
    ["mcp_connection_pool_idle", 'server_id="db:signalbox",pool="database"'],
    ["process_cpu_user_seconds_total", ""],
    ["process_resident_memory_bytes", ""],
    ["mcp_connections_total", 'server_id="local",status="connected"'],
    ["mcp_tool_executions_total", 'server_id="up",tool_name="test_simple_text",status="ok"'],
    [
      "mcp_tool_executions_total",
      'server_id="up",tool_name="test_error_handling",status="tool_error"',
    ],
    [
      "mcp_tool_execution_duration_seconds_bucket",
      'server_id="local",tool_name="test_simple_text"',
    ],
    ["mcp_gateway_overhead_seconds_count", ""],
    ["mcp_orch_mcp_servers_online", ""],
    ["mcp_orch_mcp_servers_configured", ""],
    ["mcp_upstream_up", 'server_id="local",transport="stdio"'],
    ["mcp_link_messages_total", 'server_id="up",direction="out",outcome="ok"'],
    ["mcp_link_bytes_total", 'server_id="up",direction="in"'],
    ["mcp_link_rtt_seconds", 'server_id="up"'],
    ["mcp_link_last_message_timestamp_seconds", 'server_id="up"'],
    ["mcp_upstream_request_duration_seconds_count", 'server_id="up",method="tools/call"'],
    ["mcp_response_size_bytes_count", 'server_id="local"'],
    ["mcp_tool_execution_errors_total", 'server_id="up",tool_name="test_error_handling"'],
    ["mcp_connection_pool_in_use", 'server_id="up",pool="upstream"'],
    ["mcp_connection_pool_max", 'server_id="up",pool="upstream"'],
    ["mcp_connection_pool_in_use", 'server_id="db:signalbox",pool="database"'],
    ["mcp_processes", 'server_id="local"'],
    ["mcp_concurrent_connections", ""],
    ["mcp_queue_size", 'queue="call_log"'],
    ["mcp_database_up", ""],
    ["mcp_inflight_requests", ""],
    ["nodejs_eventloop_lag_p99_seconds", ""],
    ["mcp_build_info", ""],
  ])("have %s{%s}", async (name, labels) => {
    const lines = (await scrape()).filter((line) => line.startsWith(name));
    expect(lines.some((line) => line.includes(labels) && /\s[0-9.eE+-]+$/.test(line))).toBe(true);
  });

  test("name the time connections lasted and HTTP requests took, though none has ended yet", async () => {
    await gateway.api("GET", "/api/servers");
    const text = (await scrape()).join("\n");
    expect(text).toContain("# TYPE mcp_connection_duration_seconds histogram");
    expect(text).toContain("http_request_duration_seconds_count");
  });

  test("are counted for a call that is refused in no label of the caller's choosing", async () => {
    const client = await connect("client 2.4.0, modern", {
      url: `${gateway.url}/mcp`,
      key: gateway.key,
    });
    await client.call("up__no_such_tool").catch(() => undefined);
    await client.close();
    expect((await scrape()).join("\n")).not.toContain("no_such_tool");
  });

  async function scrape(): Promise<string[]> {
    return (await (await fetch(gateway.metricsUrl)).text()).split("\n");
  }
});

describe("the call log", () => {
  const answer = z.object({
    calls: z.array(
      z.object({
        tool: z.string().optional(),
        server: z.string(),
        outcome: z.string(),
        durationMs: z.number(),
        upstreamMs: z.number(),
        ownMs: z.number(),
        responseBytes: z.number(),
        requestId: z.string(),
        principalName: z.string(),
      }),
    ),
  });
  type Entry = z.output<typeof answer>["calls"][number];

  test("has each call with its outcome, times, sizes and request id", async () => {
    const calls = await logged(4);
    const outcomes = calls.map((call) => `${call.server} ${call.tool ?? ""} ${call.outcome}`);
    expect(outcomes).toContain("up test_simple_text ok");
    expect(outcomes).toContain("local test_simple_text ok");
    expect(outcomes).toContain("up test_error_handling tool_error");
    for (const call of calls) {
      expect(call.requestId).not.toBe("");
      expect(call.principalName).not.toBe("");
      expect(call.responseBytes).toBeGreaterThan(0);
      expect(call.ownMs + call.upstreamMs).toBeCloseTo(call.durationMs, 0);
    }
  });

  test("keeps arguments where that is configured, with secrets masked", async () => {
    const listed = (await logged(4)).find((entry) => entry.tool === "test_echo");
    expect(listed).not.toHaveProperty("arguments");
    const { body } = await gateway.api("GET", `/api/calls/${listed?.requestId}`);
    expect(body).toMatchObject({ arguments: { text: "hello" } });
    expect(JSON.stringify(body)).not.toContain("tell-nobody");
  });

  function logged(count: number): Promise<Entry[]> {
    return until("the calls are logged", async () => {
      const { body } = await gateway.api("GET", "/api/calls?limit=50");
      const { calls } = answer.parse(body);
      return calls.length >= count ? calls : undefined;
    });
  }
});
