import { ToolError, defineTool, type Tool } from "@signalbox/kit";
import { z } from "zod";
import type { SignalboxPorts } from "./ports.ts";
import { readOnly, serverDetail } from "./schemas.ts";
import { detailFor } from "./shown.ts";

/** One server in detail. */
export function serverStatus(ports: Pick<SignalboxPorts, "server">): Tool {
  return defineTool({
    name: "server_status",
    title: "Server status",
    description:
      "Tells the state of one MCP server behind this gateway: connected or not and since when, its transport and protocol revision, how many calls it has answered, how many failed, and its last error with code and message.",
    input: z.object({
      name: z.string().min(1).describe("The server's name, as list_servers gives it"),
    }),
    output: serverDetail,
    annotations: readOnly,
    handler: ({ name }, { principal }) => {
      const server = ports.server(name, principal);
      if (server === undefined)
        throw new ToolError(
          `There is no server "${name.slice(0, 100)}", or you may not see it. list_servers names those you may use.`,
        );
      return detailFor(server, principal);
    },
  });
}
