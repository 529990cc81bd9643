import type { ToolAnnotations } from "@signalbox/kit";
import { z } from "zod";
import { callOutcomes, serverStates } from "./ports.ts";

/** What a client may assume of every tool of this service. */
export const readOnly: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};

const failure = z.object({
  code: z.string(),
  message: z.string().optional().describe("For operators only"),
  at: z.string().describe("ISO time"),
});

export const serverSummary = z.object({
  name: z.string(),
  state: z.enum(serverStates),
  transport: z.string(),
  era: z.string().optional().describe("modern (2026-07-28) or legacy"),
  tools: z.int().optional().describe("How many tools it offers, where known"),
  lastError: failure.optional(),
  needs: z
    .array(z.string())
    .readonly()
    .optional()
    .describe("What a service still needs before it can be served"),
});

export const serverDetail = serverSummary.extend({
  revision: z.string().optional().describe("Protocol revision in use"),
  since: z.string().describe("ISO time at which the state was entered"),
  calls: z.int().describe("Calls answered since the gateway started"),
  errors: z.int().describe("Calls that failed since the gateway started"),
});

export const recentCall = z.object({
  at: z.string().describe("ISO time"),
  tool: z.string().optional(),
  server: z.string().optional(),
  method: z.string(),
  principal: z.string().describe("Who called"),
  outcome: z.enum(callOutcomes),
  errorCode: z.string().optional(),
  durationMs: z.number(),
  requestId: z.string(),
});
