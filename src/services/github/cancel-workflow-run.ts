import { ServiceError, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { destroys, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const cancelWorkflowRun = tool({
  name: "cancel_workflow_run",
  title: "Cancel a workflow run",
  description: "Stops a run of a workflow that is waiting or under way.",
  input: z.object({ ...repositoryInput, runId: z.int().min(1) }),
  output: z.object({ runId: z.int(), cancelling: z.literal(true) }),
  annotations: destroys,
  cost: 20,
  handler: async ({ runId, ...named }, { runtime, signal }) => {
    const path = `${runtime.repository(named).path}/actions/runs/${runId}/cancel`;
    try {
      await runtime.api.change({ method: "POST", path, signal }, z.unknown());
      return { runId, cancelling: true as const };
    } catch (error) {
      if (error instanceof ServiceError && error.status === 409)
        throw new ToolError(
          `Run ${runId} cannot be cancelled: it is over, or not yet begun. get_workflow_run tells.`,
          { code: "NOT_POSSIBLE", cause: error },
        );
      throw error;
    }
  },
});
