import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { defaultBranch } from "./default-branch.ts";
import { orFound } from "./github-api.ts";
import { adds, branchName, repositoryInput } from "./inputs.ts";
import { branchesSent } from "./list-branches.ts";
import { pullRequestOf, pullRequestRecord, pullRequestSent } from "./records.ts";
import { tool, type GitHub, type Repository } from "./runtime.ts";

export const createPullRequest = tool({
  name: "create_pull_request",
  title: "Create a pull request",
  description: "Asks for a branch's changes to be taken into another branch.",
  input: z.object({
    ...repositoryInput,
    title: z.string().min(1).max(256),
    body: z.string().max(65_536).default("").describe("Markdown"),
    head: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Branch with the changes, or owner:branch of a fork; default the only branch that has no pull request yet",
      ),
    base: branchName.optional().describe("Branch they go into; default the default branch"),
    draft: z.boolean().default(false),
  }),
  output: pullRequestRecord,
  annotations: adds,
  examples: [
    { input: { repo: "acme/site", title: "Fix the login", body: "Closes #7", head: "fix-login" } },
  ],
  cost: 200,
  handler: async ({ owner, repo, base: into, head: from, ...text }, { runtime, signal }) => {
    const repository = runtime.repository({ owner, repo });
    const base = into ?? (await defaultBranch(runtime, repository, signal));
    const head = from ?? (await onlyNewBranch(runtime, repository, base, signal));
    const place = `${repository.path}/pulls`;
    const make = (): Promise<z.output<typeof pullRequestSent>> =>
      runtime.api.change(
        { method: "POST", path: place, json: { ...text, head, base }, signal },
        pullRequestSent,
      );
    const find = async (): Promise<z.output<typeof pullRequestSent> | undefined> => {
      const label = head.includes(":") ? head : `${repository.owner}:${head}`;
      const query = { state: "open", head: label, base };
      const open = await runtime.api.ask({ path: place, query, signal }, z.array(pullRequestSent));
      return open[0];
    };
    return pullRequestOf(await orFound(make, find));
  },
});

async function onlyNewBranch(
  { api }: GitHub,
  { path }: Repository,
  base: string,
  signal: AbortSignal,
): Promise<string> {
  const query = { per_page: 100 };
  const [branches, open] = await Promise.all([
    api.ask({ path: `${path}/branches`, query, signal }, branchesSent),
    api.ask(
      { path: `${path}/pulls`, query: { ...query, state: "open" }, signal },
      z.array(pullRequestSent),
    ),
  ]);
  const taken = new Set([base, ...open.map(({ head }) => head.ref)]);
  const left = branches.map(({ name }) => name).filter((name) => !taken.has(name));
  const [only] = left;
  if (only !== undefined && left.length === 1) return only;
  const which =
    left.length === 0
      ? "There is no branch without a pull request: make one with create_branch"
      : `Branches without a pull request: ${left.slice(0, 20).join(", ")}`;
  throw new ToolError(`Give \`head\`, the branch with the changes. ${which}.`, {
    code: "ARGUMENTS_INVALID",
  });
}
