import { path, ServiceError, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { defaultBranch } from "./default-branch.ts";
import { branchName, destroys, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const deleteBranch = tool({
  name: "delete_branch",
  title: "Delete a branch",
  description:
    "Deletes a branch; commits that are on no other branch are lost with it. The default branch is refused.",
  input: z.object({ ...repositoryInput, name: branchName }),
  output: z.object({
    name: z.string(),
    existed: z.boolean().describe("false where there was no such branch"),
  }),
  annotations: { ...destroys, idempotentHint: true },
  cost: 30,
  handler: async ({ name, ...named }, { runtime, signal }) => {
    const repository = runtime.repository(named);
    if (name === (await defaultBranch(runtime, repository, signal)))
      throw new ToolError(`"${name}" is the repository's default branch, which is not deleted.`, {
        code: "GITHUB_DEFAULT_BRANCH",
      });
    try {
      await runtime.api.change(
        {
          method: "DELETE",
          path: `${repository.path}/git/refs/${path`${`heads/${name}`}`}`,
          safe: true,
          signal,
        },
        z.unknown(),
      );
      return { name, existed: true };
    } catch (error) {
      if (error instanceof ServiceError && error.status === 422 && gone.test(error.message))
        return { name, existed: false };
      throw error;
    }
  },
});

const gone = /reference does not exist/i;
