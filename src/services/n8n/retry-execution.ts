import { path } from "@signalbox/kit";
import { z } from "zod";
import { execution, executionOf, vendorExecution } from "./execution.ts";
import { executionInput } from "./get-execution.ts";
import { orNotFound } from "./not-found.ts";
import { tool } from "./runtime.ts";

export const retryExecution = tool({
  name: "retry_execution",
  title: "Retry an execution",
  description: "Runs an execution that failed again from the node that failed.",
  input: z.object({
    execution: executionInput,
    currentWorkflow: z
      .boolean()
      .default(false)
      .describe("Whether by the workflow as it is now, rather than as it was then"),
  }),
  output: execution,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  cost: 100,
  handler: async ({ execution: id, currentWorkflow }, { runtime: { api }, signal }) => {
    const retried = api.ask(
      {
        method: "POST",
        path: path`/api/v1/executions/${id}/retry`,
        json: { loadWorkflow: currentWorkflow },
        signal,
      },
      vendorExecution,
    );
    return executionOf(
      await orNotFound(retried, `There is no execution ${id}. list_executions names them.`),
    );
  },
});
