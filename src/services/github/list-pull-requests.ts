import { z } from "zod";
import { branchName, nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { pullRequestOf, pullRequestRecord, pullRequestSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const listPullRequests = tool({
  name: "list_pull_requests",
  title: "Pull requests",
  description: "Lists pull requests of a repository, by state and branches.",
  input: z.object({
    ...repositoryInput,
    state: z.enum(["open", "closed", "all"]).default("open"),
    head: z
      .string()
      .min(1)
      .optional()
      .describe("Branch with the changes, or owner:branch of a fork"),
    base: branchName.optional().describe("Branch they go into"),
    sort: z.enum(["created", "updated", "popularity", "long-running"]).default("created"),
    direction: z.enum(["asc", "desc"]).default("desc"),
    ...pageInput,
  }),
  output: z.object({ pullRequests: z.array(pullRequestRecord), nextPage }),
  annotations: reads,
  examples: [{ input: { repo: "acme/site", state: "open" } }],
  cost: 3_500,
  handler: async (input, { runtime, signal }) => {
    const { owner, repo, state, head, base, sort, direction, ...page } = input;
    const repository = runtime.repository({ owner, repo });
    const { items, nextPage: next } = await runtime.api.list(
      {
        path: `${repository.path}/pulls`,
        query: { state, head: withOwner(head, repository.owner), base, sort, direction },
        signal,
      },
      page,
      z.array(pullRequestSent),
    );
    return {
      pullRequests: items.map(pullRequestOf),
      ...(next !== undefined && { nextPage: next }),
    };
  },
});

function withOwner(head: string | undefined, owner: string): string | undefined {
  return head === undefined || head.includes(":") ? head : `${owner}:${head}`;
}
