import { z } from "zod";
import { adds, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

export const rerunWorkflow = tool({
  name: "rerun_workflow",
  title: "Run again",
  description: "Runs a workflow run that is over once more, on the same commit.",
  input: z.object({ ...repositoryInput, runId: z.int().min(1) }),
  output: z.object({ runId: z.int(), started: z.literal(true) }),
  annotations: adds,
  cost: 20,
  handler: async ({ runId, ...named }, { runtime, signal }) => {
    const path = `${runtime.repository(named).path}/actions/runs/${runId}/rerun`;
    await runtime.api.change({ method: "POST", path, json: {}, signal }, z.unknown());
    return { runId, started: true as const };
  },
});
