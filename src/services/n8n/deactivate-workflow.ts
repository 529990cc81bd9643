import { z } from "zod";
import { tool } from "./runtime.ts";
import { switchWorkflow, switchedWorkflow } from "./switch-workflow.ts";
import { workflowInput } from "./workflow.ts";

export const deactivateWorkflow = tool({
  name: "deactivate_workflow",
  title: "Deactivate a workflow",
  description: "Switches a workflow's triggers and webhooks off.",
  input: z.object({ workflow: workflowInput }),
  output: switchedWorkflow,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 300,
  handler: ({ workflow: named }, { runtime, signal }) =>
    switchWorkflow(named, "deactivate", runtime, signal),
});
