import { z } from "zod";
import { changeFile, fileChange } from "./file-change.ts";
import { branchName, destroys, filePath, repositoryInput, sha } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const putFile = tool({
  name: "put_file",
  title: "Write a file",
  description:
    "Makes a file, or replaces one whose `sha` you give, in a commit of its own. Files under .github/workflows need the permission Workflows: write.",
  input: z.object({
    ...repositoryInput,
    path: filePath,
    content: z.string().max(5_000_000).describe("The whole file"),
    encoding: z.enum(["utf-8", "base64"]).default("utf-8").describe("How `content` is written"),
    branch: branchName.optional().describe("Default the default branch"),
    sha: sha.optional().describe("Of the file that is replaced, by get_file"),
    message: z.string().min(1).max(10_000).optional().describe("Of the commit"),
  }),
  output: fileChange,
  annotations: destroys,
  examples: [
    { input: { repo: "acme/site", path: "docs/a.md", content: "# A\n", branch: "fix-login" } },
  ],
  cost: 80,
  handler: (input, { runtime, signal }) => {
    const { path, content, encoding, branch, sha: replaced, message, ...named } = input;
    const json = {
      message: message ?? `${replaced === undefined ? "Add" : "Change"} ${path}`,
      content: encoding === "base64" ? content : Buffer.from(content).toString("base64"),
      ...(branch !== undefined && { branch }),
      ...(replaced !== undefined && { sha: replaced }),
    };
    return changeFile(runtime, named, { method: "PUT", path, json, signal });
  },
});
