import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { webhook, webhooksOf } from "./webhook.ts";
import { findWorkflow, vendorWorkflow, workflow, workflowInput, workflowOf } from "./workflow.ts";

export const activateWorkflow = tool({
  name: "activate_workflow",
  title: "Activate a workflow",
  description:
    "Makes a workflow's triggers and webhooks live. A path that another workflow has already is refused.",
  input: z.object({ workflow: workflowInput }),
  output: workflow.extend({ webhooks: z.array(webhook) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 300,
  handler: async ({ workflow: named }, { runtime: { api, webUrl }, signal }) => {
    const { id } = await findWorkflow(api, named, signal);
    const changed = await api.ask(
      { method: "POST", path: path`/api/v1/workflows/${id}/activate`, safe: true, signal },
      vendorWorkflow,
    );
    return { ...workflowOf(changed), webhooks: webhooksOf(changed, webUrl) };
  },
});
