import { ServiceError, path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { findWorkflow, workflowInput } from "./workflow.ts";

export const deleteWorkflow = tool({
  name: "delete_workflow",
  title: "Delete a workflow",
  description: "Deletes a workflow and its executions. It cannot be undone.",
  input: z.object({ workflow: workflowInput }),
  output: z.object({ id: z.string(), name: z.string(), deleted: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  scope: "manage",
  cost: 40,
  handler: async ({ workflow: named }, { runtime: { api, clock }, signal }) => {
    const { id, name } = await findWorkflow(api, named, signal);
    for (let attempt = 1; ; attempt++) {
      try {
        await api.request({ method: "DELETE", path: path`/api/v1/workflows/${id}`, signal });
        return { id, name, deleted: true as const };
      } catch (error) {
        // It was deactivated a moment ago.
        const passes =
          error instanceof ServiceError && /still being unpublished/.test(error.message);
        if (!passes || attempt >= attemptsMax) throw error;
        await clock.wait(attempt * 500, signal);
      }
    }
  },
});

const attemptsMax = 5;
