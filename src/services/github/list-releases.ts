import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { clipped } from "./records.ts";
import { tool } from "./runtime.ts";

export const listReleases = tool({
  name: "list_releases",
  title: "Releases",
  description: "Lists the releases of a repository, the newest first, with their notes.",
  input: z.object({ ...repositoryInput, ...pageInput }),
  output: z.object({
    releases: z.array(
      z.object({
        tag: z.string(),
        name: z.string().nullable(),
        draft: z.boolean(),
        prerelease: z.boolean(),
        notes: z.string(),
        url: z.string(),
        publishedAt: z.string().nullable(),
      }),
    ),
    nextPage,
  }),
  annotations: reads,
  cost: 3_000,
  handler: async ({ owner, repo, ...page }, { runtime, signal }) => {
    const { items, nextPage: next } = await runtime.api.list(
      { path: `${runtime.repository({ owner, repo }).path}/releases`, signal },
      page,
      z.array(sent),
    );
    const releases = items.map((item) => ({
      tag: item.tag_name,
      name: item.name ?? null,
      draft: item.draft,
      prerelease: item.prerelease,
      notes: clipped(item.body, 4_000),
      url: item.html_url,
      publishedAt: item.published_at ?? null,
    }));
    return { releases, ...(next !== undefined && { nextPage: next }) };
  },
});

const sent = z.object({
  tag_name: z.string(),
  name: z.string().nullish(),
  draft: z.boolean(),
  prerelease: z.boolean(),
  body: z.string().nullish(),
  html_url: z.string(),
  published_at: z.string().nullish(),
});
