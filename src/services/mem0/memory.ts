import { z } from "zod";

/** Whose memories: at least one is given. */
export interface Scope {
  readonly userId?: string | undefined;
  readonly agentId?: string | undefined;
  readonly runId?: string | undefined;
}

export const scopeInput = {
  userId: z.string().min(1).max(256).optional().describe("The person it is about"),
  agentId: z.string().min(1).max(256).optional().describe("The agent whose memory it is"),
  runId: z.string().min(1).max(256).optional().describe("The session or run it belongs to"),
};

export const toldMemory = z.object({
  id: z.string(),
  memory: z.string(),
  score: z.number().optional().describe("How well it fits, 0 to 1"),
  userId: z.string().optional(),
  agentId: z.string().optional(),
  runId: z.string().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  createdAt: z.string().optional(),
  updatedAt: z.string().optional(),
});

export type Memory = z.output<typeof toldMemory>;

/** What may be left out or null, as Mem0 has it: undefined either way. */
function given<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** A memory as both of Mem0's APIs give it. */
export const memory = z
  .object({
    id: z.string(),
    memory: z.string(),
    score: given(z.number()),
    user_id: given(z.string()),
    agent_id: given(z.string()),
    run_id: given(z.string()),
    session_id: given(z.string()),
    metadata: given(z.record(z.string(), z.unknown())),
    created_at: given(z.string()),
    updated_at: given(z.string()),
  })
  .transform((one): Memory => {
    const runId = one.run_id ?? one.session_id;
    return {
      id: one.id,
      memory: one.memory,
      ...(one.score !== undefined && { score: one.score }),
      ...(one.user_id !== undefined && { userId: one.user_id }),
      ...(one.agent_id !== undefined && { agentId: one.agent_id }),
      ...(runId !== undefined && { runId }),
      ...(one.metadata !== undefined && { metadata: one.metadata }),
      ...(one.created_at !== undefined && { createdAt: one.created_at }),
      ...(one.updated_at !== undefined && { updatedAt: one.updated_at }),
    };
  });

export const change = z.object({
  id: z.string(),
  old_memory: given(z.string()),
  new_memory: given(z.string()),
  event: given(z.string()),
  created_at: given(z.string()),
});

export const toldChange = z.object({
  id: z.string(),
  event: z.string().optional().describe("ADD, UPDATE or DELETE"),
  before: z.string().optional(),
  after: z.string().optional(),
  at: z.string().optional(),
});

export type Change = z.output<typeof toldChange>;

export function tellChange(one: z.output<typeof change>): Change {
  return {
    id: one.id,
    ...(one.event !== undefined && { event: one.event }),
    ...(one.old_memory !== undefined && { before: one.old_memory }),
    ...(one.new_memory !== undefined && { after: one.new_memory }),
    ...(one.created_at !== undefined && { at: one.created_at }),
  };
}

/** What a scope is in Mem0's words. */
export function asFields({ userId, agentId, runId }: Scope): Record<string, string> {
  return {
    ...(userId !== undefined && { user_id: userId }),
    ...(agentId !== undefined && { agent_id: agentId }),
    ...(runId !== undefined && { run_id: runId }),
  };
}
