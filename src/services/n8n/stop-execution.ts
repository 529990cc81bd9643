import { path } from "@signalbox/kit";
import { z } from "zod";
import { execution, executionOf, getExecutionOf } from "./execution.ts";
import { executionInput } from "./get-execution.ts";
import { orNotFound } from "./not-found.ts";
import { tool } from "./runtime.ts";

export const stopExecution = tool({
  name: "stop_execution",
  title: "Stop an execution",
  description: "Stops an execution that is running or waiting. What it has done stays done.",
  input: z.object({ execution: executionInput }),
  output: execution,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  cost: 100,
  handler: async ({ execution: id }, { runtime: { api }, signal }) => {
    await orNotFound(
      api.request({ method: "POST", path: path`/api/v1/executions/${id}/stop`, signal }),
      `There is no execution ${id}. list_executions with status running names those that can be stopped.`,
    );
    return executionOf(await getExecutionOf(api, id, false, signal));
  },
});
