import { z } from "zod";
import { nextPage, pageInput, reads } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const searchCode = tool({
  name: "search_code",
  title: "Search code",
  description:
    "Finds files by GitHub's code search, on default branches. Up to 1000 results, 10 searches a minute.",
  input: z.object({
    query: z.string().min(1).max(256).describe("Such as: repo:acme/site language:ts createServer"),
    ...pageInput,
  }),
  output: z.object({
    results: z.array(
      z.object({ repository: z.string(), path: z.string(), sha: z.string(), url: z.string() }),
    ),
    nextPage,
  }),
  annotations: reads,
  cost: 1_500,
  handler: async ({ query: q, ...page }, { runtime: { api }, signal }) => {
    const { items, nextPage: next } = await api.list(
      { path: "/search/code", query: { q }, signal },
      page,
      sent,
      "code_search",
    );
    const results = items.map(({ repository, path, sha, html_url }) => ({
      repository: repository.full_name,
      path,
      sha,
      url: html_url,
    }));
    return { results, ...(next !== undefined && { nextPage: next }) };
  },
});

const sent = z
  .object({
    items: z.array(
      z.object({
        repository: z.object({ full_name: z.string() }),
        path: z.string(),
        sha: z.string(),
        html_url: z.string(),
      }),
    ),
  })
  .transform(({ items }) => items);
