import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { issueOf, issueRecord, issueSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const listIssues = tool({
  name: "list_issues",
  title: "Issues",
  description:
    "Lists issues of a repository, pull requests left out (so a page may be short), by state, labels and assignee.",
  input: z.object({
    ...repositoryInput,
    state: z.enum(["open", "closed", "all"]).default("open"),
    label: z.string().min(1).optional().describe("One label; the same as `labels` with one"),
    labels: z.array(z.string().min(1)).max(20).default([]).describe("All of them must be on it"),
    assignee: z.string().min(1).optional().describe('Login, "none" or "*" for anybody'),
    creator: z.string().min(1).optional().describe("Login"),
    since: z.iso.datetime({ offset: true }).optional().describe("Changed at this time or later"),
    sort: z.enum(["created", "updated", "comments"]).default("created"),
    direction: z.enum(["asc", "desc"]).default("desc"),
    ...pageInput,
  }),
  output: z.object({ issues: z.array(issueRecord), nextPage }),
  annotations: reads,
  examples: [{ input: { repo: "acme/site", label: "bug" } }],
  cost: 3_000,
  handler: async (input, { runtime, signal }) => {
    const { owner, repo, page, perPage, pages, label, labels, ...filter } = input;
    const all = label === undefined ? labels : [label, ...labels];
    const { items, nextPage: next } = await runtime.api.list(
      {
        path: `${runtime.repository({ owner, repo }).path}/issues`,
        query: { ...filter, labels: all.length > 0 ? all.join(",") : undefined },
        signal,
      },
      { page, perPage, pages },
      z.array(issueSent),
    );
    return {
      issues: items.filter((item) => item.pull_request === undefined).map(issueOf),
      ...(next !== undefined && { nextPage: next }),
    };
  },
});
