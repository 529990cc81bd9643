import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { adds, number, repositoryInput, sha } from "./inputs.ts";
import { reviewOf, reviewRecord, reviewSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const reviewPullRequest = tool({
  name: "review_pull_request",
  title: "Review a pull request",
  description:
    "Approves a pull request, asks for changes, or comments on it as a review. Nobody can approve what they opened themselves.",
  input: z.object({
    ...repositoryInput,
    number,
    event: z.enum(["APPROVE", "REQUEST_CHANGES", "COMMENT"]),
    body: z.string().max(65_536).optional().describe("Markdown; needed unless it approves"),
    commit: sha.optional().describe("The commit that was looked at; default the last one"),
  }),
  output: reviewRecord,
  annotations: adds,
  examples: [{ input: { repo: "acme/site", number: 42, event: "APPROVE" } }],
  cost: 80,
  handler: async ({ number: at, event, body, commit, ...named }, { runtime, signal }) => {
    if (event !== "APPROVE" && (body ?? "").trim() === "")
      throw new ToolError(`A review that is no approval needs a \`body\` that says what it is.`, {
        code: "ARGUMENTS_INVALID",
      });
    const path = `${runtime.repository(named).path}/pulls/${at}/reviews`;
    const json = {
      event,
      ...(body !== undefined && { body }),
      ...(commit !== undefined && { commit_id: commit }),
    };
    return reviewOf(await runtime.api.change({ method: "POST", path, json, signal }, reviewSent));
  },
});
