import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

const workflow = z.object({
  id: z.int(),
  name: z.string(),
  path: z.string().describe("Its file; dispatch_workflow takes the last part"),
  state: z.string().describe("active, disabled_manually, ..."),
});

export const listWorkflows = tool({
  name: "list_workflows",
  title: "Workflows",
  description: "Lists the GitHub Actions workflows of a repository.",
  input: z.object({ ...repositoryInput, ...pageInput }),
  output: z.object({ workflows: z.array(workflow), nextPage }),
  annotations: reads,
  cost: 500,
  handler: async ({ owner, repo, ...page }, { runtime, signal }) => {
    const { items, nextPage: next } = await runtime.api.list(
      { path: `${runtime.repository({ owner, repo }).path}/actions/workflows`, signal },
      page,
      sent,
    );
    return { workflows: items, ...(next !== undefined && { nextPage: next }) };
  },
});

const sent = z.object({ workflows: z.array(workflow) }).transform(({ workflows }) => workflows);
