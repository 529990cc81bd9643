import { setTimeout as delay } from "node:timers/promises";
import { fromJsonSchema, type McpServer, type ServerContext } from "@modelcontextprotocol/server";
import type { World } from "./world.ts";

/** Tools that take a while: logs, progress, a stream closed half way, and a wait that can be cancelled. */
export function registerRunningTools(server: McpServer, world: World): void {
  registerLogging(server);
  registerProgress(server);
  registerReconnection(server);
  registerWait(server, world);
}

function registerLogging(server: McpServer): void {
  const steps = ["Tool execution started", "Tool processing data", "Tool execution completed"];
  for (const name of ["test_tool_with_logging", "test_logging_tool"])
    server.registerTool(name, { description: "Logs three lines" }, async (context) => {
      for (const step of steps) {
        await context.mcpReq.log("info", step, "everything");
        await delay(stepMs);
      }
      return { content: [{ type: "text", text: "Logged three lines." }] };
    });
}

function registerProgress(server: McpServer): void {
  server.registerTool(
    "test_tool_with_progress",
    { description: "Reports 0, 50 and 100" },
    async (context) => {
      for (const progress of [0, 50, 100]) {
        await report(context, progress);
        await delay(stepMs);
      }
      return { content: [{ type: "text", text: "Reported three steps." }] };
    },
  );
}

async function report(context: ServerContext, progress: number): Promise<void> {
  const { _meta: { progressToken } = {} } = context.mcpReq;
  if (progressToken === undefined) return;
  await context.mcpReq.notify({
    method: "notifications/progress",
    params: { progressToken, progress, total: 100, message: `step ${progress}` },
  });
}

function registerReconnection(server: McpServer): void {
  server.registerTool(
    "test_reconnection",
    { description: "Closes the stream of its own request, then answers" },
    async (context) => {
      context.http?.closeSSE?.();
      await delay(2 * stepMs);
      return { content: [{ type: "text", text: "Answered after the stream was closed." }] };
    },
  );
}

function registerWait(server: McpServer, world: World): void {
  server.registerTool(
    "test_wait",
    {
      description: "Waits, at most a minute, unless it is cancelled",
      inputSchema: fromJsonSchema<{ ms: number }>({
        type: "object",
        properties: { ms: { type: "integer", minimum: 0, maximum: 60_000 } },
        required: ["ms"],
      }),
    },
    async ({ ms }, context) => {
      context.mcpReq.signal.addEventListener("abort", () => (world.cancelledWaits += 1));
      await report(context, 1);
      await delay(ms, undefined, { signal: context.mcpReq.signal });
      return { content: [{ type: "text", text: `Waited ${ms} ms.` }] };
    },
  );
  server.registerTool("test_cancelled_waits", { description: "Counts cancelled waits" }, () => ({
    content: [{ type: "text", text: String(world.cancelledWaits) }],
  }));
}

// The suites ask for pauses of about this length, so that messages arrive one by one.
const stepMs = 50;
