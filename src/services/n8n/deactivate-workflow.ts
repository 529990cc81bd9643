import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { webhook, webhooksOf } from "./webhook.ts";
import { findWorkflow, vendorWorkflow, workflow, workflowInput, workflowOf } from "./workflow.ts";

export const deactivateWorkflow = tool({
  name: "deactivate_workflow",
  title: "Deactivate a workflow",
  description: "Switches a workflow's triggers and webhooks off.",
  input: z.object({ workflow: workflowInput }),
  output: workflow.extend({ webhooks: z.array(webhook) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 300,
  handler: async ({ workflow: named }, { runtime: { api, webUrl }, signal }) => {
    const { id } = await findWorkflow(api, named, signal);
    const changed = await api.ask(
      { method: "POST", path: path`/api/v1/workflows/${id}/deactivate`, safe: true, signal },
      vendorWorkflow,
    );
    return { ...workflowOf(changed), webhooks: webhooksOf(changed, webUrl) };
  },
});
