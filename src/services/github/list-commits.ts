import { z } from "zod";
import { filePath, nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { commitOf, commitRecord, commitSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const listCommits = tool({
  name: "list_commits",
  title: "Commits",
  description: "Lists commits, the newest first: of a branch, of a file, by an author, in a time.",
  input: z.object({
    ...repositoryInput,
    ref: z.string().min(1).optional().describe("Branch, tag or SHA; default the default branch"),
    path: filePath.optional().describe("Only those that changed this file or folder"),
    author: z.string().min(1).optional().describe("Login or e-mail address"),
    since: z.iso.datetime({ offset: true }).optional(),
    until: z.iso.datetime({ offset: true }).optional(),
    ...pageInput,
  }),
  output: z.object({ commits: z.array(commitRecord), nextPage }),
  annotations: reads,
  cost: 2_500,
  handler: async (input, { runtime, signal }) => {
    const { owner, repo, ref, path, author, since, until, ...page } = input;
    const { items, nextPage: next } = await runtime.api.list(
      {
        path: `${runtime.repository({ owner, repo }).path}/commits`,
        query: { sha: ref, path, author, since, until },
        signal,
      },
      page,
      z.array(commitSent),
    );
    return { commits: items.map(commitOf), ...(next !== undefined && { nextPage: next }) };
  },
});
