import { ToolError, path, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import { orNotFound } from "./not-found.ts";

/** A node as n8n has it. */
export const node = z.looseObject({
  name: z.string(),
  type: z.string(),
  webhookId: z.string().nullish(),
  disabled: z.boolean().nullish(),
  parameters: z.record(z.string(), z.unknown()).default({}),
});

/** A workflow as n8n has it, as far as tools use it. */
export const vendorWorkflow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  active: z.boolean(),
  isArchived: z.boolean().nullish(),
  triggerCount: z.number().nullish(),
  createdAt: z.string(),
  updatedAt: z.string(),
  nodes: z.array(node).default([]),
  connections: z.record(z.string(), z.unknown()).default({}),
  settings: z.record(z.string(), z.unknown()).nullish(),
  tags: z.array(z.object({ name: z.string() })).nullish(),
});
export type VendorWorkflow = z.output<typeof vendorWorkflow>;

/** A workflow as lists show it. */
export const workflow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().optional(),
  active: z.boolean().describe("Whether its triggers and webhooks are live"),
  archived: z.boolean(),
  triggers: z.number().describe("How many triggers are live"),
  tags: z.array(z.string()),
  createdAt: z.string(),
  updatedAt: z.string(),
});

export function workflowOf(from: VendorWorkflow): z.output<typeof workflow> {
  const { id, name, description, active, isArchived, triggerCount, createdAt, updatedAt } = from;
  return {
    id,
    name,
    ...(typeof description === "string" && description !== "" && { description }),
    active,
    archived: isArchived ?? false,
    triggers: triggerCount ?? 0,
    tags: (from.tags ?? []).map((tag) => tag.name),
    createdAt,
    updatedAt,
  };
}

/** How a call names a workflow. */
export const workflowInput = z
  .string()
  .min(1)
  .max(128)
  .describe("Id of the workflow, or its whole name");

/** The workflow of an id or a name; throws ToolError where there is none, or several have the name. */
export async function findWorkflow(
  api: RestClient,
  named: string,
  signal: AbortSignal,
): Promise<VendorWorkflow> {
  const named404 = `There is no workflow "${named}". list_workflows names them.`;
  if (/^[A-Za-z0-9]{1,36}$/.test(named)) {
    const byId = api.ask({ path: path`/api/v1/workflows/${named}`, signal }, vendorWorkflow);
    const found = await orNotFound(byId, named404).catch((error: unknown) => {
      if (error instanceof ToolError && error.code === "NOT_FOUND") return undefined;
      throw error;
    });
    if (found !== undefined) return found;
  }
  const { data } = await api.ask(
    { path: "/api/v1/workflows", query: { name: named, limit: 50 }, signal },
    z.object({ data: z.array(vendorWorkflow) }),
  );
  // The API may answer those that have the text somewhere in their name.
  const [only, ...others] = data.filter(({ name }) => name === named);
  if (only === undefined) throw new ToolError(named404, { code: "NOT_FOUND" });
  if (others.length === 0) return only;
  throw new ToolError(
    `Several workflows are called "${named}". Give the id of one: ${[only, ...others].map(({ id }) => id).join(", ")}.`,
    { code: "NAME_AMBIGUOUS" },
  );
}
