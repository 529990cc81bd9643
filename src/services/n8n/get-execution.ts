import { z } from "zod";
import {
  execution,
  executionOf,
  getExecutionOf,
  nodeOutcome,
  nodeOutcomesOf,
  outcome,
  outcomeOf,
} from "./execution.ts";
import { tool } from "./runtime.ts";

export const executionInput = z
  .string()
  .regex(/^\d{1,20}$/)
  .describe("Id of the execution");

export const getExecution = tool({
  name: "get_execution",
  title: "An execution",
  description:
    "Shows one execution: how it ended, its error, what its last node gave and how each node fared.",
  input: z.object({
    execution: executionInput,
    includeData: z.boolean().default(true).describe("Whether to show errors and outputs"),
  }),
  output: execution
    .extend(outcome.shape)
    .extend({ nodes: z.array(nodeOutcome).optional().describe("The first 100") }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { execution: "6" } }],
  cost: 1_000,
  handler: async ({ execution: id, includeData }, { runtime: { api }, signal }) => {
    const found = await getExecutionOf(api, id, includeData, signal);
    return {
      ...executionOf(found),
      ...(includeData && { ...outcomeOf(found), nodes: nodeOutcomesOf(found) }),
    };
  },
});
