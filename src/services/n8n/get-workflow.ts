import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { findWorkflow, node, workflow, workflowInput, workflowOf } from "./workflow.ts";
import { webhook, webhooksOf } from "./webhook.ts";

export const getWorkflow = tool({
  name: "get_workflow",
  title: "A workflow",
  description:
    "Shows one workflow: its nodes and where it can be called; with definition also all parameters and connections.",
  input: z.object({
    workflow: workflowInput,
    definition: z.boolean().default(false).describe("Whether to show nodes and connections whole"),
  }),
  output: workflow.extend({
    nodes: z.array(z.object({ name: z.string(), type: z.string(), disabled: z.boolean() })),
    webhooks: z.array(webhook),
    definition: z
      .object({
        nodes: z.array(node),
        connections: z.record(z.string(), z.unknown()),
        settings: z.record(z.string(), z.unknown()),
      })
      .optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { workflow: "Check-in mail" } }],
  cost: 1_500,
  handler: async ({ workflow: named, definition }, { runtime: { api, webUrl }, signal }) => {
    const found = await findWorkflow(api, named, signal);
    const { nodes, connections, settings } = found;
    const whole = { nodes, connections, settings: settings ?? {} };
    if (definition && JSON.stringify(whole).length > definitionLengthMax)
      throw new ToolError(
        "The definition is too large for an answer. Ask without definition, or export it from n8n.",
        { code: "VENDOR_ANSWER" },
      );
    return {
      ...workflowOf(found),
      nodes: nodes
        .slice(0, 500)
        .map(({ name, type, disabled }) => ({ name, type, disabled: disabled ?? false })),
      webhooks: webhooksOf(found, webUrl),
      ...(definition && { definition: whole }),
    };
  },
});

const definitionLengthMax = 200_000;
