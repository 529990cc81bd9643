import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

const branch = z.object({
  name: z.string(),
  sha: z.string().describe("Its last commit"),
  protected: z.boolean(),
});

export const listBranches = tool({
  name: "list_branches",
  title: "Branches",
  description: "Lists the branches of a repository, each with its last commit.",
  input: z.object({
    ...repositoryInput,
    protected: z.boolean().optional().describe("Only those that are, or are not"),
    ...pageInput,
  }),
  output: z.object({ branches: z.array(branch), nextPage }),
  annotations: reads,
  cost: 1_200,
  handler: async ({ owner, repo, protected: guarded, ...page }, { runtime, signal }) => {
    const { items, nextPage: next } = await runtime.api.list(
      {
        path: `${runtime.repository({ owner, repo }).path}/branches`,
        query: { protected: guarded },
        signal,
      },
      page,
      branchesSent,
    );
    const branches = items.map(({ name, commit, protected: is }) => ({
      name,
      sha: commit.sha,
      protected: is,
    }));
    return { branches, ...(next !== undefined && { nextPage: next }) };
  },
});

export const branchesSent = z.array(
  z.object({ name: z.string(), commit: z.object({ sha: z.string() }), protected: z.boolean() }),
);
