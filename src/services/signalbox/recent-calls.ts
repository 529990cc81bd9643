import { defineTool, type Tool } from "@signalbox/kit";
import { z } from "zod";
import { callOutcomes, type SignalboxPorts } from "./ports.ts";
import { readOnly, recentCall } from "./schemas.ts";

/** The newest entries of the call log. */
export function recentCalls(ports: Pick<SignalboxPorts, "recentCalls">): Tool {
  return defineTool({
    name: "recent_calls",
    title: "Recent calls",
    description:
      "Shows the latest calls through this gateway, newest first: when, which tool of which server, the outcome, the error code of failures, and how long each took. Callers see their own calls. Arguments and results are not included.",
    input: z.object({
      limit: z.int().min(1).max(limitMax).default(limitDefault).describe("How many calls"),
      server: z.string().min(1).optional().describe("Only calls to this server"),
      outcome: z.enum(callOutcomes).optional().describe("Only calls that ended like this"),
    }),
    output: z.object({ calls: z.array(recentCall) }),
    annotations: readOnly,
    handler: async ({ limit, server, outcome }, { principal }) => ({
      calls: await ports.recentCalls(principal, { limit, server, outcome }),
    }),
  });
}

const limitMax = 100;
const limitDefault = 20;
