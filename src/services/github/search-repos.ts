import { z } from "zod";
import { nextPage, pageInput, reads } from "./inputs.ts";
import { repositoryOf, repositoryRecord, repositorySent } from "./records.ts";
import { tool } from "./runtime.ts";

export const searchRepos = tool({
  name: "search_repos",
  title: "Search repositories",
  description: "Finds repositories by GitHub's search. Up to 1000 results, 30 searches a minute.",
  input: z.object({
    query: z.string().min(1).max(256).describe("Such as: org:acme language:typescript site"),
    sort: z.enum(["stars", "forks", "updated"]).optional(),
    order: z.enum(["asc", "desc"]).optional(),
    ...pageInput,
  }),
  output: z.object({ repositories: z.array(repositoryRecord), nextPage }),
  annotations: reads,
  cost: 3_000,
  handler: async ({ query: q, sort, order, ...page }, { runtime: { api }, signal }) => {
    const { items, nextPage: next } = await api.list(
      { path: "/search/repositories", query: { q, sort, order }, signal },
      page,
      sent,
      "search",
    );
    return {
      repositories: items.map(repositoryOf),
      ...(next !== undefined && { nextPage: next }),
    };
  },
});

const sent = z.object({ items: z.array(repositorySent) }).transform(({ items }) => items);
