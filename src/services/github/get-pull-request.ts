import { z } from "zod";
import { number, reads, repositoryInput } from "./inputs.ts";
import {
  clipped,
  pullRequestOf,
  pullRequestRecord,
  pullRequestSent,
  reviewOf,
  reviewRecord,
  reviewSent,
} from "./records.ts";
import { tool, type GitHub } from "./runtime.ts";

const file = z.object({
  path: z.string(),
  status: z.string().describe("added, modified, removed, renamed, ..."),
  additions: z.int(),
  deletions: z.int(),
  patch: z.string().optional().describe("Left out for binary and very large files"),
});
const check = z.object({
  name: z.string(),
  status: z.string(),
  conclusion: z.string().nullable(),
  url: z.string().nullable(),
});

export const getPullRequest = tool({
  name: "get_pull_request",
  title: "A pull request",
  description:
    "Tells about one pull request, whether it can be merged, and on request its changed files with patches, checks and reviews (up to 100 of each).",
  input: z.object({
    ...repositoryInput,
    number,
    include: z
      .array(z.enum(["files", "checks", "reviews"]))
      .max(3)
      .default([])
      .describe("What else to tell; checks need the permission Checks: read"),
  }),
  output: z.object({
    ...pullRequestRecord.shape,
    body: z.string(),
    mergeable: z.boolean().nullable().describe("null while GitHub still finds out: ask again"),
    mergeableState: z.string().describe("clean, blocked, behind, dirty, unstable, ..."),
    additions: z.int(),
    deletions: z.int(),
    changedFiles: z.int(),
    files: z.array(file).optional(),
    checks: z.array(check).optional(),
    reviews: z.array(reviewRecord).optional(),
  }),
  annotations: reads,
  examples: [{ input: { repo: "acme/site", number: 42, include: ["reviews"] } }],
  cost: 1_500,
  handler: async ({ number: at, include, ...named }, { runtime, signal }) => {
    const { path } = runtime.repository(named);
    const sent = await runtime.api.ask({ path: `${path}/pulls/${at}`, signal }, detailed);
    const extra = { api: runtime.api, path, number: at, sha: sent.head.sha, signal };
    const wants = new Set(include);
    const [files, checks, reviews] = await Promise.all([
      wants.has("files") ? filesOf(extra) : undefined,
      wants.has("checks") ? checksOf(extra) : undefined,
      wants.has("reviews") ? reviewsOf(extra) : undefined,
    ]);
    return {
      ...pullRequestOf(sent),
      body: clipped(sent.body),
      mergeable: sent.mergeable,
      mergeableState: sent.mergeable_state,
      additions: sent.additions,
      deletions: sent.deletions,
      changedFiles: sent.changed_files,
      ...(files !== undefined && { files }),
      ...(checks !== undefined && { checks }),
      ...(reviews !== undefined && { reviews }),
    };
  },
});

const detailed = pullRequestSent.extend({
  mergeable: z.boolean().nullable(),
  mergeable_state: z.string(),
  additions: z.int(),
  deletions: z.int(),
  changed_files: z.int(),
});

interface Of {
  readonly api: GitHub["api"];
  readonly path: string;
  readonly number: number;
  readonly sha: string;
  readonly signal: AbortSignal;
}

async function filesOf({ api, path, number: at, signal }: Of): Promise<z.output<typeof file>[]> {
  const sent = await api.ask(
    { path: `${path}/pulls/${at}/files`, query: { per_page: 100 }, signal },
    z.array(
      z.object({
        filename: z.string(),
        status: z.string(),
        additions: z.int(),
        deletions: z.int(),
        patch: z.string().optional(),
      }),
    ),
  );
  return sent.map(({ filename, patch, ...rest }) => ({
    path: filename,
    ...rest,
    ...(patch !== undefined && { patch: clipped(patch, 4_000) }),
  }));
}

async function checksOf({ api, path, sha, signal }: Of): Promise<z.output<typeof check>[]> {
  const { check_runs } = await api.ask(
    { path: `${path}/commits/${sha}/check-runs`, query: { per_page: 100 }, signal },
    z.object({
      check_runs: z.array(
        z.object({
          name: z.string(),
          status: z.string(),
          conclusion: z.string().nullable(),
          html_url: z.string().nullable(),
        }),
      ),
    }),
  );
  return check_runs.map(({ html_url, ...rest }) => ({ ...rest, url: html_url }));
}

async function reviewsOf({
  api,
  path,
  number: at,
  signal,
}: Of): Promise<z.output<typeof reviewRecord>[]> {
  const sent = await api.ask(
    { path: `${path}/pulls/${at}/reviews`, query: { per_page: 100 }, signal },
    z.array(reviewSent),
  );
  return sent.map(reviewOf);
}
