import { z } from "zod";
import { nextPage, pageInput, reads } from "./inputs.ts";
import { issueOf, issueRecord, issueSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const searchIssues = tool({
  name: "search_issues",
  title: "Search issues and pull requests",
  description:
    "Finds issues and pull requests by GitHub's search, in all repositories that may be seen. Up to 1000 results, 30 searches a minute.",
  input: z.object({
    query: z
      .string()
      .min(1)
      .max(256)
      .describe("Such as: repo:acme/site is:issue is:open label:bug login"),
    sort: z.enum(["created", "updated", "comments", "reactions"]).optional(),
    order: z.enum(["asc", "desc"]).optional(),
    ...pageInput,
  }),
  output: z.object({
    results: z.array(
      z.object({ ...issueRecord.shape, repository: z.string(), pullRequest: z.boolean() }),
    ),
    nextPage,
  }),
  annotations: reads,
  examples: [{ input: { query: "repo:acme/site is:pr is:open review:required" } }],
  cost: 3_000,
  handler: async ({ query: q, sort, order, ...page }, { runtime: { api }, signal }) => {
    const { items, nextPage: next } = await api.list(
      { path: "/search/issues", query: { q, sort, order }, signal },
      page,
      sent,
      "search",
    );
    const results = items.map((item) => ({
      ...issueOf(item),
      repository: item.repository_url.split("/").slice(-2).join("/"),
      pullRequest: item.pull_request !== undefined,
    }));
    return { results, ...(next !== undefined && { nextPage: next }) };
  },
});

const sent = z
  .object({ items: z.array(issueSent.extend({ repository_url: z.string() })) })
  .transform(({ items }) => items);
