import { ServiceError, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { orFound } from "./github-api.ts";
import { destroys, number, repositoryInput, sha } from "./inputs.ts";
import { tool } from "./runtime.ts";

const merged = z.object({ sha: z.string(), message: z.string() });

export const mergePullRequest = tool({
  name: "merge_pull_request",
  title: "Merge a pull request",
  description:
    "Takes a pull request's changes into its target branch. With `expectedSha` (headSha of get_pull_request) it merges only what was looked at.",
  input: z.object({
    ...repositoryInput,
    number,
    method: z.enum(["merge", "squash", "rebase"]).default("merge"),
    expectedSha: sha.optional().describe("Refuse where the branch has moved on from this commit"),
    title: z.string().min(1).max(256).optional().describe("First line of the commit's message"),
    message: z.string().max(65_536).optional().describe("The rest of it"),
  }),
  output: z.object({
    number: z.int(),
    merged: z.literal(true),
    sha: z.string().describe("The commit that has come onto the target branch"),
    message: z.string(),
  }),
  annotations: destroys,
  examples: [{ input: { repo: "acme/site", number: 42, method: "squash" } }],
  cost: 60,
  handler: async (input, { runtime, signal }) => {
    const { number: at, method, expectedSha, title, message, ...named } = input;
    const place = `${runtime.repository(named).path}/pulls/${at}`;
    const json = {
      merge_method: method,
      ...(expectedSha !== undefined && { sha: expectedSha }),
      ...(title !== undefined && { commit_title: title }),
      ...(message !== undefined && { commit_message: message }),
    };
    const make = (): Promise<z.output<typeof merged>> =>
      runtime.api.change({ method: "PUT", path: `${place}/merge`, json, signal }, merged);
    const find = async (): Promise<z.output<typeof merged> | undefined> => {
      const now = await runtime.api.ask({ path: place, signal }, after);
      return now.merged && now.merge_commit_sha !== null
        ? { sha: now.merge_commit_sha, message: "Pull Request successfully merged" }
        : undefined;
    };
    const done = await orFound(make, find).catch((error: unknown) => {
      throw refusal(error, at);
    });
    return { number: at, merged: true as const, ...done };
  },
});

const after = z.object({ merged: z.boolean(), merge_commit_sha: z.string().nullable() });

function refusal(error: unknown, at: number): unknown {
  if (!(error instanceof ServiceError)) return error;
  if (error.status === 405)
    return new ToolError(
      `Pull request ${at} cannot be merged: ${error.message}. get_pull_request with checks and reviews shows what is in the way (mergeableState).`,
      { code: "GITHUB_NOT_MERGEABLE", cause: error },
    );
  if (error.status === 409)
    return new ToolError(
      `Pull request ${at} has other commits than expected: ${error.message}. Look at it again, and give its new headSha.`,
      { code: "GITHUB_HEAD_MOVED", cause: error },
    );
  return error;
}
