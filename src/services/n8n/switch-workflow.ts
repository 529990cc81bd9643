import { path } from "@signalbox/kit";
import { z } from "zod";
import type { N8n } from "./runtime.ts";
import { webhook, webhooksOf } from "./webhook.ts";
import { findWorkflow, vendorWorkflow, workflow, workflowOf } from "./workflow.ts";

/** A workflow that was switched, with its webhooks. */
export const switchedWorkflow = workflow.extend({ webhooks: z.array(webhook) });

/** Switches a workflow on or off. Safe to repeat: it is then as it was to be. */
export async function switchWorkflow(
  named: string,
  action: "activate" | "deactivate",
  { api, webUrl }: Pick<N8n, "api" | "webUrl">,
  signal: AbortSignal,
): Promise<z.output<typeof switchedWorkflow>> {
  const { id } = await findWorkflow(api, named, signal);
  const changed = await api.ask(
    { method: "POST", path: path`/api/v1/workflows/${id}/${action}`, safe: true, signal },
    vendorWorkflow,
  );
  return { ...workflowOf(changed), webhooks: webhooksOf(changed, webUrl) };
}
