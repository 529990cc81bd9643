import { path } from "@signalbox/kit";
import { z } from "zod";
import { defaultBranch } from "./default-branch.ts";
import { adds, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const dispatchWorkflow = tool({
  name: "dispatch_workflow",
  title: "Run a workflow",
  description:
    "Starts a GitHub Actions workflow that has the trigger workflow_dispatch. The App needs the permission Actions: write.",
  input: z.object({
    ...repositoryInput,
    workflow: z
      .union([z.string().min(1), z.int().positive()])
      .describe("File name such as deploy.yml, or id"),
    ref: z.string().min(1).optional().describe("Branch or tag; default the default branch"),
    inputs: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .refine((inputs) => Object.keys(inputs).length <= 25, "25 inputs at most")
      .default({})
      .describe("What the workflow asks for, 25 at most"),
  }),
  output: z.object({
    ref: z.string(),
    runId: z
      .int()
      .optional()
      .describe("For get_workflow_run; older Enterprise Servers do not tell"),
    url: z.string().optional(),
  }),
  annotations: adds,
  examples: [{ input: { repo: "acme/site", workflow: "deploy.yml", inputs: { target: "test" } } }],
  cost: 50,
  handler: async ({ workflow, ref: given, inputs, ...named }, { runtime, signal }) => {
    const repository = runtime.repository(named);
    const ref = given ?? (await defaultBranch(runtime, repository, signal));
    const started = await runtime.api.change(
      {
        method: "POST",
        path: `${repository.path}/actions/workflows/${path`${workflow}`}/dispatches`,
        json: { ref, inputs, return_run_details: true },
        signal,
      },
      z.object({ workflow_run_id: z.int(), html_url: z.string() }).optional(),
    );
    if (started === undefined) return { ref };
    return { ref, runId: started.workflow_run_id, url: started.html_url };
  },
});
