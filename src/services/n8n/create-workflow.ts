import { z } from "zod";
import { tool } from "./runtime.ts";
import { definitionInput, wholeNodes } from "./workflow-definition.ts";
import { vendorWorkflow, workflow, workflowOf } from "./workflow.ts";

export const createWorkflow = tool({
  name: "create_workflow",
  title: "Create a workflow",
  description: "Creates a workflow. It is not active: activate_workflow makes it live.",
  input: z.object({
    name: z.string().min(1).max(128),
    nodes: definitionInput.nodes,
    connections: definitionInput.connections.default({}),
    settings: definitionInput.settings.default({ executionOrder: "v1" }),
  }),
  output: workflow,
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  scope: "manage",
  cost: 150,
  handler: async ({ nodes, ...rest }, { runtime: { api }, signal }) =>
    workflowOf(
      await api.ask(
        {
          method: "POST",
          path: "/api/v1/workflows",
          json: { ...rest, nodes: wholeNodes(nodes) },
          signal,
        },
        vendorWorkflow,
      ),
    ),
});
