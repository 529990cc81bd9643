import { z } from "zod";
import { execution, executionOf, vendorExecution } from "./execution.ts";
import { tool } from "./runtime.ts";
import { findWorkflow, workflowInput } from "./workflow.ts";

export const listExecutions = tool({
  name: "list_executions",
  title: "Executions",
  description:
    "Lists the executions of workflows, the newest first. Those that are running are listed with status running.",
  input: z.object({
    workflow: workflowInput.optional(),
    status: z
      .enum(["success", "error", "running", "waiting", "canceled", "crashed", "new"])
      .optional(),
    limit: z.int().min(1).max(250).default(20),
    cursor: z.string().max(2_000).optional().describe("The nextCursor of the page before"),
  }),
  output: z.object({
    executions: z.array(execution),
    nextCursor: z.string().optional().describe("Absent on the last page"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { workflow: "Check-in mail", status: "error" } }],
  cost: 1_500,
  handler: async ({ workflow, ...query }, { runtime: { api }, signal }) => {
    const workflowId =
      workflow === undefined ? undefined : (await findWorkflow(api, workflow, signal)).id;
    const { data, nextCursor } = await api.ask(
      { path: "/api/v1/executions", query: { workflowId, ...query }, signal },
      z.object({ data: z.array(vendorExecution), nextCursor: z.string().nullish() }),
    );
    return {
      executions: data.map(executionOf),
      ...(typeof nextCursor === "string" && { nextCursor }),
    };
  },
});
