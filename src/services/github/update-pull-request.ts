import { z } from "zod";
import { branchName, changes, number, repositoryInput } from "./inputs.ts";
import { pullRequestOf, pullRequestRecord, pullRequestSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const updatePullRequest = tool({
  name: "update_pull_request",
  title: "Change a pull request",
  description:
    "Changes the title, text or target of a pull request, closes it without merging, or opens it again. What is left out stays.",
  input: z.object({
    ...repositoryInput,
    number,
    title: z.string().min(1).max(256).optional(),
    body: z.string().max(65_536).optional().describe("Markdown; replaces the text"),
    state: z.enum(["open", "closed"]).optional(),
    base: branchName.optional(),
  }),
  output: pullRequestRecord,
  annotations: changes,
  cost: 200,
  handler: async ({ owner, repo, number: at, ...json }, { runtime, signal }) => {
    const path = `${runtime.repository({ owner, repo }).path}/pulls/${at}`;
    // The same change twice has the effect of once.
    const request = { method: "PATCH", path, json, safe: true, signal } as const;
    return pullRequestOf(await runtime.api.change(request, pullRequestSent));
  },
});
