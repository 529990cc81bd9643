import { ServiceError } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

export const health = tool({
  name: "health",
  title: "Health",
  description: "Tells whether n8n answers, its database is ready, and it takes the API key.",
  input: z.object({}),
  output: z.object({
    up: z.boolean(),
    ready: z.boolean().describe("Whether its database is connected and migrated"),
    apiKey: z.boolean().describe("Whether it takes the configured key"),
    mcp: z.boolean().describe("Whether its MCP server is configured"),
    problem: z.string().optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 60,
  handler: async (_input, { runtime: { api, mcp }, signal }) => {
    const problems: string[] = [];
    const works = async (path: string): Promise<boolean> => {
      try {
        await api.request({ path, signal });
        return true;
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        problems.push(error.message);
        return false;
      }
    };
    const up = await works("/healthz");
    const ready = up && (await works("/healthz/readiness"));
    const apiKey = ready && (await works("/api/v1/workflows?limit=1"));
    const [problem] = problems;
    return { up, ready, apiKey, mcp: mcp !== undefined, ...(problem !== undefined && { problem }) };
  },
});
