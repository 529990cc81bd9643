import { z } from "zod";

/** The parts of a workflow that may be written; the rest is n8n's own. */
export const definitionInput = {
  nodes: z
    .array(
      z.looseObject({
        name: z.string().min(1),
        type: z.string().min(1).describe("Such as n8n-nodes-base.webhook"),
        typeVersion: z.number().optional(),
        position: z.tuple([z.number(), z.number()]).optional(),
        parameters: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .max(500),
  connections: z
    .record(z.string(), z.unknown())
    .describe('By node: {"Webhook":{"main":[[{"node":"Set","type":"main","index":0}]]}}'),
  settings: z.record(z.string(), z.unknown()).describe('Such as {"executionOrder":"v1"}'),
};

/** The settings that n8n takes back; it shows others that it refuses. */
export function writableSettings(
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => writable.has(name)));
}

/** Each node with what n8n wants of every one. */
export function wholeNodes(
  nodes: readonly { readonly [field: string]: unknown }[],
): Record<string, unknown>[] {
  return nodes.map((one, index) => ({
    typeVersion: 1,
    position: [index * 200, 0],
    parameters: {},
    ...one,
  }));
}

const writable: ReadonlySet<string> = new Set([
  "saveExecutionProgress",
  "saveManualExecutions",
  "saveDataErrorExecution",
  "saveDataSuccessExecution",
  "executionTimeout",
  "errorWorkflow",
  "timezone",
  "executionOrder",
  "callerPolicy",
  "callerIds",
  "timeSavedPerExecution",
  "availableInMCP",
]);
