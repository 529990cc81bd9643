import { z } from "zod";
import { reads } from "./inputs.ts";
import { tool } from "./runtime.ts";

const limit = z.object({
  resource: z.string().describe("core, search, code_search, graphql, ..."),
  limit: z.int(),
  remaining: z.int(),
  resetsAt: z.string().describe("ISO time"),
});

export const rateLimit = tool({
  name: "rate_limit",
  title: "What is left of GitHub's limits",
  description: "Tells how many requests are left, by kind. It is not counted itself.",
  input: z.object({}),
  output: z.object({ limits: z.array(limit) }),
  annotations: reads,
  cost: 300,
  handler: async (_input, { runtime: { api }, signal }) => {
    const { resources } = await api.ask({ path: "/rate_limit", signal }, sent);
    const limits = Object.entries(resources).flatMap(([resource, one]) =>
      one === undefined
        ? []
        : {
            resource,
            limit: one.limit,
            remaining: one.remaining,
            resetsAt: new Date(one.reset * 1000).toISOString(),
          },
    );
    return { limits };
  },
});

const sent = z.object({
  resources: z.record(
    z.string(),
    z.object({ limit: z.int(), remaining: z.int(), reset: z.int() }).optional(),
  ),
});
