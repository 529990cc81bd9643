import { z } from "zod";
import { scopeInput, toldChange, toldMemory } from "./memory.ts";
import { scopeOf, tool } from "./runtime.ts";

const id = z.string().min(1).max(200).describe("Of the memory, as search or list told it");
const outcomes = z.array(
  z.object({
    id: z.string(),
    memory: z.string(),
    event: z.string().describe("ADD, UPDATE, DELETE or NONE"),
  }),
);

const remember = tool({
  name: "remember",
  title: "Remember",
  description:
    "Stores what should be known later of a person, an agent or a run: a text, or a conversation of which Mem0 keeps the facts.",
  input: z
    .object({
      ...scopeInput,
      text: z.string().min(1).max(100_000).optional().describe("Either this or messages"),
      messages: z
        .array(
          z.object({
            role: z.enum(["user", "assistant", "system"]),
            content: z.string().min(1).max(100_000),
          }),
        )
        .min(1)
        .max(200)
        .optional()
        .describe("Either this or text"),
      metadata: z.record(z.string(), z.json()).optional(),
      infer: z.boolean().default(true).describe("false stores the words as they are"),
    })
    .refine(({ text, messages }) => (text === undefined) !== (messages === undefined), {
      error: "give either text or messages",
    }),
  output: z.object({
    memories: outcomes.describe("What was stored or changed by it"),
    pending: z.boolean().describe("Whether Mem0 still works on it; event_status tells"),
    eventId: z.string().optional(),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  examples: [{ input: { agentId: "concierge", text: "Guests of flat 3 like late check-out." } }],
  cost: 150,
  handler: ({ text, messages, metadata, infer, ...scope }, { runtime: { store }, signal }) => {
    const said = messages ?? [{ role: "user" as const, content: text ?? "" }];
    return store.add(said, scopeOf(scope), { metadata, infer }, signal);
  },
});

const search = tool({
  name: "search",
  title: "Search memories",
  description: "Finds memories by meaning, the best first, of a person, an agent or a run.",
  input: z.object({
    ...scopeInput,
    query: z.string().min(1).max(10_000),
    limit: z.int().min(1).max(100).default(10).describe("How many at most"),
    threshold: z.number().min(0).max(1).optional().describe("Leave out what fits less than this"),
  }),
  output: z.object({ memories: z.array(toldMemory) }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { agentId: "concierge", query: "check-out times" } }],
  cost: 600,
  handler: async ({ query, limit, threshold, ...scope }, { runtime: { store }, signal }) => ({
    memories: await store.search(query, scopeOf(scope), { limit, threshold }, signal),
  }),
});

const getContext = tool({
  name: "get_context",
  title: "Context of an agent",
  description:
    "Puts an agent's memories into one text to work with: those that fit a query, or its newest, as many as fit into maxTokens.",
  input: z.object({
    agentId: z.string().min(1).max(256),
    query: z
      .string()
      .min(1)
      .max(10_000)
      .optional()
      .describe("What it is about; default the newest"),
    limit: z.int().min(1).max(100).default(20).describe("Memories at most"),
    maxTokens: z
      .int()
      .min(50)
      .max(20_000)
      .default(1_000)
      .describe("About how long the text may be"),
  }),
  output: z.object({
    context: z.string().describe("One line for each memory"),
    memories: z.array(z.string()).describe("Ids of those in it"),
    more: z.boolean().describe("Whether some were left out"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 1_000,
  handler: async ({ agentId, query, limit, maxTokens }, { runtime: { store }, signal }) => {
    const found =
      query === undefined
        ? await store.list({ agentId }, limit, signal)
        : { items: await store.search(query, { agentId }, { limit }, signal), more: false };
    const lines = found.items.map((one) => `- ${one.memory.replaceAll(/\s+/g, " ")}`);
    let left = maxTokens * charactersPerToken;
    const end = lines.findIndex((line) => (left -= line.length + 1) < 0);
    const kept = end < 0 ? lines.length : end;
    return {
      context: lines.slice(0, kept).join("\n"),
      memories: found.items.slice(0, kept).map((one) => one.id),
      more: found.more || kept < lines.length,
    };
  },
});

const charactersPerToken = 4;

const list = tool({
  name: "list",
  title: "Memories",
  description: "Lists the memories of a person, an agent or a run.",
  input: z.object({
    ...scopeInput,
    limit: z.int().min(1).max(500).default(50).describe("How many at most"),
  }),
  output: z.object({ memories: z.array(toldMemory), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 1_500,
  handler: async ({ limit, ...scope }, { runtime: { store }, signal }) => {
    const { items, more } = await store.list(scopeOf(scope), limit, signal);
    return { memories: items, more };
  },
});

const get = tool({
  name: "get",
  title: "Memory",
  description: "Reads one memory.",
  input: z.object({ id }),
  output: toldMemory,
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 80,
  handler: ({ id: which }, { runtime: { store }, signal }) => store.get(which, signal),
});

const update = tool({
  name: "update",
  title: "Change a memory",
  description: "Gives a memory another text.",
  input: z.object({ id, text: z.string().min(1).max(100_000) }),
  output: z.object({ id: z.string(), memory: z.string() }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 60,
  handler: async ({ id: which, text }, { runtime: { store }, signal }) => {
    await store.update(which, text, signal);
    return { id: which, memory: text };
  },
});

const forget = tool({
  name: "forget",
  title: "Forget",
  description: "Deletes one memory.",
  input: z.object({ id }),
  output: z.object({ forgotten: z.string() }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 40,
  handler: async ({ id: which }, { runtime: { store }, signal }) => {
    await store.remove(which, signal);
    return { forgotten: which };
  },
});

const forgetAll = tool({
  name: "forget_all",
  title: "Forget everything",
  description: "Deletes all memories of a person, an agent or a run. This cannot be undone.",
  input: z.object(scopeInput),
  output: z.object({ forgotten: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 30,
  handler: async (scope, { runtime: { store }, signal }) => {
    await store.removeAll(scopeOf(scope), signal);
    return { forgotten: true as const };
  },
});

const history = tool({
  name: "history",
  title: "History of a memory",
  description: "Tells how a memory came to be what it is.",
  input: z.object({ id }),
  output: z.object({ changes: z.array(toldChange) }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 300,
  handler: async ({ id: which }, { runtime: { store }, signal }) => ({
    changes: await store.history(which, signal),
  }),
});

const eventStatus = tool({
  name: "event_status",
  title: "Event",
  description:
    "Tells whether Mem0's platform has finished what remember began, and what came of it.",
  input: z.object({ eventId: z.string().min(1).describe("As remember told it") }),
  output: z.object({
    status: z.string().describe("PENDING, RUNNING, SUCCEEDED or FAILED"),
    pending: z.boolean(),
    memories: outcomes,
    eventId: z.string().optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 100,
  handler: ({ eventId }, { runtime: { store }, signal }) => store.event(eventId, signal),
});

const health = tool({
  name: "health",
  title: "Health",
  description: "Tells whether Mem0 answers, how fast, and which of its APIs is used.",
  input: z.object({}),
  output: z.object({
    healthy: z.literal(true),
    dialect: z.enum(["platform", "server"]),
    durationMs: z.number(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 30,
  handler: async (_input, { runtime: { store, clock, dialect }, signal }) => {
    const beganMs = clock.monotonicMs();
    await store.ping(signal);
    return {
      healthy: true as const,
      dialect,
      durationMs: Math.round(clock.monotonicMs() - beganMs),
    };
  },
});

/** All of them, for either API. */
export const memoryTools = [
  remember,
  search,
  getContext,
  list,
  get,
  update,
  forget,
  forgetAll,
  history,
  eventStatus,
  health,
];
