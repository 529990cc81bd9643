import { z } from "zod";
import { changeFile, fileChange } from "./file-change.ts";
import { branchName, destroys, filePath, repositoryInput, sha } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const deleteFile = tool({
  name: "delete_file",
  title: "Delete a file",
  description: "Deletes a file in a commit of its own.",
  input: z.object({
    ...repositoryInput,
    path: filePath,
    sha: sha.describe("Of the file, by get_file"),
    branch: branchName.optional().describe("Default the default branch"),
    message: z.string().min(1).max(10_000).optional().describe("Of the commit"),
  }),
  output: fileChange,
  annotations: destroys,
  cost: 60,
  handler: ({ path, branch, sha: deleted, message, ...named }, { runtime, signal }) => {
    const json = {
      message: message ?? `Delete ${path}`,
      sha: deleted,
      ...(branch !== undefined && { branch }),
    };
    return changeFile(runtime, named, { method: "DELETE", path, json, signal });
  },
});
