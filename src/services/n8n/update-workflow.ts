import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { definitionInput, wholeNodes, writableSettings } from "./workflow-definition.ts";
import { findWorkflow, vendorWorkflow, workflow, workflowInput, workflowOf } from "./workflow.ts";

export const updateWorkflow = tool({
  name: "update_workflow",
  title: "Change a workflow",
  description:
    "Changes a workflow's name, nodes, connections or settings; what is not given stays. Nodes and connections are replaced whole: read them with get_workflow first. An active workflow goes on as changed.",
  input: z
    .object({
      workflow: workflowInput,
      name: z.string().min(1).max(128).optional(),
      nodes: definitionInput.nodes.optional(),
      connections: definitionInput.connections.optional(),
      settings: definitionInput.settings.optional(),
    })
    .refine(
      ({ workflow: _workflow, ...changes }) =>
        Object.values(changes).some((one) => one !== undefined),
      "Say what to change",
    ),
  output: workflow,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  scope: "manage",
  cost: 150,
  handler: async (
    { workflow: named, name, nodes, connections, settings },
    { runtime: { api }, signal },
  ) => {
    const now = await findWorkflow(api, named, signal);
    const json = {
      name: name ?? now.name,
      nodes: nodes === undefined ? now.nodes : wholeNodes(nodes),
      connections: connections ?? now.connections,
      settings: settings ?? writableSettings(now.settings ?? {}),
    };
    return workflowOf(
      await api.ask(
        { method: "PUT", path: path`/api/v1/workflows/${now.id}`, json, signal },
        vendorWorkflow,
      ),
    );
  },
});
