import { defineService, type Service } from "@signalbox/kit";
import { listServers } from "./list-servers.ts";
import type { SignalboxPorts } from "./ports.ts";
import { recentCalls } from "./recent-calls.ts";
import { serverStatus } from "./server-status.ts";

/** The gateway's own service: what stands behind it and what went through it, read-only. */
export function signalboxService(ports: SignalboxPorts): Service {
  return defineService({
    name: "signalbox",
    title: "Signalbox",
    version: "1.0.0",
    description:
      "Tells about this gateway itself: which MCP servers stand behind it, how they are, and what was called lately. Nothing here changes anything.",
    tools: [listServers(ports), serverStatus(ports), recentCalls(ports)],
  });
}
