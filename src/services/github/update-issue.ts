import { z } from "zod";
import { changes, number, repositoryInput } from "./inputs.ts";
import { issueOf, issueRecord, issueSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const updateIssue = tool({
  name: "update_issue",
  title: "Change an issue",
  description:
    "Changes an issue: closes it or opens it again, gives it another title, text, labels or assignees. What is left out stays.",
  input: z.object({
    ...repositoryInput,
    number,
    title: z.string().min(1).max(256).optional(),
    body: z.string().max(65_536).optional().describe("Markdown; replaces the text"),
    state: z.enum(["open", "closed"]).optional(),
    stateReason: z
      .enum(["completed", "not_planned", "duplicate", "reopened"])
      .optional()
      .describe("Why it is closed or open"),
    labels: z.array(z.string().min(1)).max(100).optional().describe("Replaces the labels"),
    assignees: z.array(z.string().min(1)).max(10).optional().describe("Replaces the assignees"),
  }),
  output: issueRecord,
  annotations: changes,
  examples: [{ title: "Close it", input: { repo: "acme/site", number: 7, state: "closed" } }],
  cost: 150,
  handler: async ({ owner, repo, number: at, stateReason, ...rest }, { runtime, signal }) => {
    const path = `${runtime.repository({ owner, repo }).path}/issues/${at}`;
    const json = { ...rest, ...(stateReason !== undefined && { state_reason: stateReason }) };
    // The same change twice has the effect of once.
    const request = { method: "PATCH", path, json, safe: true, signal } as const;
    return issueOf(await runtime.api.change(request, issueSent));
  },
});
