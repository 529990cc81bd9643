import { path } from "@signalbox/kit";
import { z } from "zod";
import { nextPage, pageInput, reads, repositoryInput } from "./inputs.ts";
import { workflowRunOf, workflowRunRecord, workflowRunSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const listWorkflowRuns = tool({
  name: "list_workflow_runs",
  title: "Workflow runs",
  description: "Lists runs of all workflows or of one, the newest first.",
  input: z.object({
    ...repositoryInput,
    workflow: z
      .union([z.string().min(1), z.int().positive()])
      .optional()
      .describe("File name such as deploy.yml, or id"),
    branch: z.string().min(1).optional(),
    event: z.string().min(1).optional().describe("push, pull_request, workflow_dispatch, ..."),
    status: z
      .enum([
        "queued",
        "in_progress",
        "waiting",
        "completed",
        "success",
        "failure",
        "cancelled",
        "timed_out",
      ])
      .optional(),
    sha: z.string().min(1).optional().describe("Of the commit they ran on"),
    ...pageInput,
  }),
  output: z.object({ runs: z.array(workflowRunRecord), nextPage }),
  annotations: reads,
  cost: 3_000,
  handler: async (input, { runtime, signal }) => {
    const { owner, repo, workflow, branch, event, status, sha, ...page } = input;
    const of = workflow === undefined ? "" : path`/workflows/${workflow}`;
    const { items, nextPage: next } = await runtime.api.list(
      {
        path: `${runtime.repository({ owner, repo }).path}/actions${of}/runs`,
        query: { branch, event, status, head_sha: sha },
        signal,
      },
      page,
      sent,
    );
    return { runs: items.map(workflowRunOf), ...(next !== undefined && { nextPage: next }) };
  },
});

const sent = z
  .object({ workflow_runs: z.array(workflowRunSent) })
  .transform(({ workflow_runs }) => workflow_runs);
