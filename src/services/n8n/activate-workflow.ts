import { z } from "zod";
import { tool } from "./runtime.ts";
import { switchWorkflow, switchedWorkflow } from "./switch-workflow.ts";
import { workflowInput } from "./workflow.ts";

export const activateWorkflow = tool({
  name: "activate_workflow",
  title: "Activate a workflow",
  description:
    "Makes a workflow's triggers and webhooks live. A path that another workflow has already is refused.",
  input: z.object({ workflow: workflowInput }),
  output: switchedWorkflow,
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 300,
  handler: ({ workflow: named }, { runtime, signal }) =>
    switchWorkflow(named, "activate", runtime, signal),
});
