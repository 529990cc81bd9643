import { defineTool, type Tool } from "@signalbox/kit";
import { z } from "zod";
import type { SignalboxPorts } from "./ports.ts";
import { readOnly, serverSummary } from "./schemas.ts";
import { summaryFor } from "./shown.ts";

/** The servers behind the gateway, with their states. */
export function listServers(ports: Pick<SignalboxPorts, "servers">): Tool {
  return defineTool({
    name: "list_servers",
    title: "List servers",
    description:
      "Lists the MCP servers behind this gateway that you may use: their names, whether they are connected, how many tools each offers, and the last error of those that fail. Start here when a tool you expect is missing.",
    input: z.object({}),
    output: z.object({ servers: z.array(serverSummary) }),
    annotations: readOnly,
    handler: (_input, { principal }) => ({
      servers: ports.servers(principal).map((server) => summaryFor(server, principal)),
    }),
  });
}
