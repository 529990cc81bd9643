import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorWorkflow, workflow, workflowOf } from "./workflow.ts";

export const listWorkflows = tool({
  name: "list_workflows",
  title: "Workflows",
  description: "Lists the workflows of n8n, and whether they are active.",
  input: z.object({
    active: z.boolean().optional().describe("Only those that are, or are not"),
    name: z.string().min(1).max(128).optional().describe("Only those of this name"),
    tags: z.array(z.string().min(1)).max(10).optional().describe("Only those with all of them"),
    limit: z.int().min(1).max(250).default(50),
    cursor: z.string().max(2_000).optional().describe("The nextCursor of the page before"),
  }),
  output: z.object({
    workflows: z.array(workflow),
    nextCursor: z.string().optional().describe("Absent on the last page"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { active: true } }],
  cost: 3_000,
  handler: async ({ tags, ...query }, { runtime: { api }, signal }) => {
    const { data, nextCursor } = await api.ask(
      {
        path: "/api/v1/workflows",
        query: { ...query, ...(tags !== undefined && { tags: tags.join(",") }) },
        signal,
      },
      z.object({ data: z.array(vendorWorkflow), nextCursor: z.string().nullish() }),
    );
    return {
      workflows: data.map(workflowOf),
      ...(typeof nextCursor === "string" && { nextCursor }),
    };
  },
});
