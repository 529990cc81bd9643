import { expect, test } from "vitest";
import { Metrics } from "../foundation/index.ts";
import { CallMeters, type CallOutcome, type EndedCall } from "./call-meters.ts";

const ended = (outcome: CallOutcome, more: Partial<EndedCall> = {}): EndedCall => ({
  outcome,
  errorCode: undefined,
  responseBytes: 0,
  upstreamMs: 0,
  ...more,
});

test("a tool has series from its first call on", async () => {
  const metrics = new Metrics();
  const meters = new CallMeters(metrics);
  const called = meters.of("files", "read");
  meters.of("files", "write");
  expect(await metrics.render()).not.toContain('"files"');

  called.ended(ended("ok", { responseBytes: 9, upstreamMs: 10 }), 20, 100);
  called.ended(ended("timeout", { errorCode: "SERVER_TIMEOUT" }), 30_000, 50);
  const text = await metrics.render();
  const labels = 'server_id="files",tool_name="read"';
  expect(text).toContain(`mcp_tool_executions_total{${labels},status="ok"} 1`);
  expect(text).toContain(`mcp_tool_executions_total{${labels},status="timeout"} 1`);
  expect(text).toContain(`mcp_tool_execution_duration_seconds_count{${labels}} 2`);
  expect(text).toContain(`mcp_response_bytes_total{${labels}} 9`);
  expect(text).toContain('mcp_token_usage_total{service="files",operation="read"} 3');
  expect(text).not.toContain('"write"');
});

test("failures are counted by what failed, and a server's own numbers are no labels", async () => {
  const metrics = new Metrics();
  const tool = new CallMeters(metrics).of("files", "read");
  tool.ended(ended("error", { errorCode: "SERVER_CRASHED" }), 1, 1);
  tool.ended(ended("error", { errorCode: "-32000" }), 1, 1);
  tool.ended(ended("error", { errorCode: "4711" }), 1, 1);
  tool.ended(ended("tool_error"), 1, 1);
  tool.ended(ended("cancelled"), 1, 1);
  const lines = (await metrics.render())
    .split("\n")
    .filter((line) => line.startsWith("mcp_tool_execution_errors_total{"));
  const labels = 'server_id="files",tool_name="read"';
  expect(lines.toSorted()).toEqual([
    `mcp_tool_execution_errors_total{${labels},error_type="SERVER_CRASHED"} 1`,
    `mcp_tool_execution_errors_total{${labels},error_type="rpc_error"} 2`,
    `mcp_tool_execution_errors_total{${labels},error_type="tool_error"} 1`,
  ]);
});

test("bytes and times are told of a server by method, sizes as a distribution", async () => {
  const metrics = new Metrics();
  const meters = new CallMeters(metrics);
  meters.of("files", "read").ended(ended("ok", { responseBytes: 300, upstreamMs: 4 }), 5, 100);
  meters.of("files", "resources/read").ended(ended("ok", { responseBytes: 5_000 }), 5, 50);
  const text = await metrics.render();
  expect(text).toContain('mcp_link_bytes_total{server_id="files",direction="in"} 5300');
  expect(text).toContain('mcp_link_bytes_total{server_id="files",direction="out"} 150');
  expect(text).toContain(
    'mcp_upstream_request_duration_seconds_count{server_id="files",method="tools/call"} 1',
  );
  expect(text).toContain(
    'mcp_upstream_request_duration_seconds_count{server_id="files",method="resources/read"} 0',
  );
  expect(text).toContain('mcp_response_size_bytes_bucket{server_id="files",le="1024"} 1');
});

test("a server that is gone has no series", async () => {
  const metrics = new Metrics();
  const meters = new CallMeters(metrics);
  for (const server of ["files", "filesystem"])
    meters.of(server, "read").ended(ended("error"), 1, 1);
  meters.forget("files");
  const text = await metrics.render();
  expect(text).not.toContain('"files"');
  expect(text).toContain('mcp_tool_executions_total{server_id="filesystem"');
  meters.of("files", "read").ended(ended("ok"), 1, 1);
  expect(await metrics.render()).toContain(
    'mcp_tool_executions_total{server_id="files",tool_name="read",status="ok"} 1',
  );
});
