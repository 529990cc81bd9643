import { z } from "zod";
import { reads, repositoryInput } from "./inputs.ts";
import { workflowRunOf, workflowRunRecord, workflowRunSent } from "./records.ts";
import { tool } from "./runtime.ts";

const job = z.object({
  id: z.int(),
  name: z.string(),
  status: z.string(),
  conclusion: z.string().nullable(),
  failedSteps: z.array(z.string()),
  url: z.string().nullable(),
});

export const getWorkflowRun = tool({
  name: "get_workflow_run",
  title: "A workflow run",
  description: "Tells how a run of a workflow stands, with its jobs and the steps that failed.",
  input: z.object({ ...repositoryInput, runId: z.int().min(1) }),
  output: z.object({ ...workflowRunRecord.shape, jobs: z.array(job).describe("Up to 100") }),
  annotations: reads,
  cost: 500,
  handler: async ({ runId, ...named }, { runtime, signal }) => {
    const path = `${runtime.repository(named).path}/actions/runs/${runId}`;
    const [run, { jobs }] = await Promise.all([
      runtime.api.ask({ path, signal }, workflowRunSent),
      runtime.api.ask({ path: `${path}/jobs`, query: { per_page: 100 }, signal }, jobsSent),
    ]);
    return {
      ...workflowRunOf(run),
      jobs: jobs.map(({ steps, html_url, ...rest }) => ({
        ...rest,
        failedSteps: steps.filter(({ conclusion }) => conclusion === "failure").map(nameOf),
        url: html_url,
      })),
    };
  },
});

const jobsSent = z.object({
  jobs: z.array(
    z.object({
      id: z.int(),
      name: z.string(),
      status: z.string(),
      conclusion: z.string().nullable(),
      html_url: z.string().nullable(),
      steps: z.array(z.object({ name: z.string(), conclusion: z.string().nullable() })).default([]),
    }),
  ),
});

function nameOf({ name }: { name: string }): string {
  return name;
}
