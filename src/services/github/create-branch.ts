import { path, ServiceError, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { defaultBranch } from "./default-branch.ts";
import { orFound } from "./github-api.ts";
import { adds, branchName, repositoryInput, sha } from "./inputs.ts";
import { tool } from "./runtime.ts";

const refSent = z.object({ object: z.object({ sha: z.string() }) });

export const createBranch = tool({
  name: "create_branch",
  title: "Create a branch",
  description: "Makes a branch at the end of another one, or at a commit.",
  input: z.object({
    ...repositoryInput,
    name: branchName.describe("Name of the new branch"),
    from: z
      .union([sha, branchName])
      .optional()
      .describe("Branch or whole commit SHA to start from; default the default branch"),
  }),
  output: z.object({ name: z.string(), sha: z.string(), from: z.string() }),
  annotations: adds,
  examples: [{ input: { repo: "acme/site", name: "fix-login" } }],
  cost: 60,
  handler: async ({ name, from: given, ...named }, { runtime, signal }) => {
    const { api } = runtime;
    const repository = runtime.repository(named);
    const shaOf = async (branch: string): Promise<string> => {
      const place = `${repository.path}/git/ref/${path`${`heads/${branch}`}`}`;
      return (await api.ask({ path: place, signal }, refSent)).object.sha;
    };
    const from = given ?? (await defaultBranch(runtime, repository, signal));
    const start = sha.safeParse(from).success
      ? from
      : await shaOf(from).catch((error: unknown) => {
          throw notThere(error, from);
        });
    const make = async (): Promise<string> => {
      const made = await api.change(
        {
          method: "POST",
          path: `${repository.path}/git/refs`,
          json: { ref: `refs/heads/${name}`, sha: start },
          signal,
        },
        refSent,
      );
      return made.object.sha;
    };
    const find = async (): Promise<string | undefined> => {
      const there = await shaOf(name);
      return there === start ? there : undefined;
    };
    return { name, sha: await orFound(make, find), from };
  },
});

function notThere(error: unknown, from: string): unknown {
  return error instanceof ServiceError && error.status === 404
    ? new ToolError(`There is no branch "${from}" to start from. list_branches names them.`, {
        code: "NOT_FOUND",
      })
    : error;
}
