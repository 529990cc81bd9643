import { expect, test } from "vitest";
import { Metrics } from "../foundation/index.ts";
import { CallMeters } from "./call-meters.ts";

test("a tool has series from its first call on", async () => {
  const metrics = new Metrics();
  const meters = new CallMeters(metrics);
  const called = meters.of("files", "read");
  meters.of("files", "write");
  expect(await metrics.render()).not.toContain('"files"');

  called.ended("ok", 20, 9);
  called.ended("timeout", 30_000, 0);
  const text = await metrics.render();
  const labels = 'server_id="files",tool_name="read"';
  expect(text).toContain(`mcp_tool_executions_total{${labels},status="ok"} 1`);
  expect(text).toContain(`mcp_tool_executions_total{${labels},status="timeout"} 1`);
  expect(text).toContain(`mcp_tool_execution_duration_seconds_count{${labels}} 2`);
  expect(text).toContain(`mcp_response_bytes_total{${labels}} 9`);
  expect(text).toContain('mcp_token_usage_total{service="files",operation="read"} 3');
  expect(text).not.toContain('"write"');
});
