import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

const label = z.object({
  name: z.string(),
  description: z.string().nullable(),
  color: z.string().describe("Six hexadecimal digits"),
});

export const listLabels = tool({
  name: "list_labels",
  title: "Labels",
  description: "Lists the labels that a repository has for issues and pull requests.",
  input: z.object({ ...repositoryInput, ...pageInput }),
  output: z.object({ labels: z.array(label), nextPage }),
  annotations: reads,
  cost: 600,
  handler: async ({ owner, repo, ...page }, { runtime, signal }) => {
    const { items, nextPage: next } = await runtime.api.list(
      { path: `${runtime.repository({ owner, repo }).path}/labels`, signal },
      page,
      z.array(label),
    );
    return { labels: items, ...(next !== undefined && { nextPage: next }) };
  },
});
