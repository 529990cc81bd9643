import { z } from "zod";
import { adds, number, repositoryInput } from "./inputs.ts";
import { commentOf, commentRecord, commentSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const addComment = tool({
  name: "add_comment",
  title: "Comment",
  description: "Writes a comment on an issue or a pull request.",
  input: z.object({
    ...repositoryInput,
    number,
    body: z.string().min(1).max(65_536).describe("Markdown"),
  }),
  output: commentRecord,
  annotations: adds,
  cost: 80,
  handler: async ({ number: at, body, ...named }, { runtime, signal }) => {
    const path = `${runtime.repository(named).path}/issues/${at}/comments`;
    const request = { method: "POST", path, json: { body }, signal } as const;
    return commentOf(await runtime.api.change(request, commentSent));
  },
});
