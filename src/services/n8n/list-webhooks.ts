import { takeUpTo } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { webhook, webhooksOf } from "./webhook.ts";
import { findWorkflow, vendorWorkflow, workflowInput } from "./workflow.ts";

const page = z.object({ data: z.array(vendorWorkflow), nextCursor: z.string().nullish() });

export const listWebhooks = tool({
  name: "list_webhooks",
  title: "Webhooks",
  description:
    "Lists where workflows can be called: webhooks, forms and chats, their methods, and whether they are live. Of one workflow, or of all that are active.",
  input: z.object({ workflow: workflowInput.optional() }),
  output: z.object({
    webhooks: z.array(webhook),
    more: z.boolean().describe("Whether there are workflows that were not looked at"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 1_500,
  handler: async ({ workflow }, { runtime: { api, webUrl }, signal }) => {
    if (workflow !== undefined) {
      const found = await findWorkflow(api, workflow, signal);
      return { webhooks: webhooksOf(found, webUrl), more: false };
    }
    const query = { active: true, limit: 100 };
    const active = api.pages(
      { path: "/api/v1/workflows", query, signal },
      {
        items: (data) => page.parse(data).data,
        next: ({ data }, request) => {
          const { nextCursor } = page.parse(data);
          return typeof nextCursor === "string"
            ? { ...request, query: { ...query, cursor: nextCursor } }
            : undefined;
        },
        itemsMax: workflowsMax + 1,
      },
    );
    const { items, more } = await takeUpTo(active, workflowsMax);
    return { webhooks: items.flatMap((one) => webhooksOf(one, webUrl)), more };
  },
});

const workflowsMax = 500;
