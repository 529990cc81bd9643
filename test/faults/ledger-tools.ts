// What the ledger servers over HTTP and over stdio have in common: three tools that do the same and promise differently.
import { z } from "zod";
import { MODERN_REVISION, META, type Era } from "../../src/protocol/index.ts";

export const ledgerToolNames = ["write", "read", "put"] as const;

export type LedgerToolName = (typeof ledgerToolNames)[number];

/** The ways in which a call goes wrong; `throttle429` turns it away, all others come after its execution. */
export const ledgerFailures = [
  "status500",
  "reset",
  "garbage",
  "hang",
  "throttle429",
  "crash",
] as const;

export type LedgerFailure = (typeof ledgerFailures)[number];

/** The arguments of every ledger tool. */
export type LedgerArguments = z.infer<typeof argumentsSchema>;

const argumentsSchema = z.object({
  /** The call's own id, under which it is counted. */
  id: z.string(),
  /** The answer comes so much later; default at once. */
  delayMs: z.number().min(0).max(600_000).default(0),
  fail: z.enum(ledgerFailures).optional(),
  /** Only the first so many tries of this id fail; by default all. */
  failTimes: z.int().min(0).optional(),
  /** The answer's text is filled up to this length; default as short as it is. */
  answerBytes: z.int().min(0).max(10_000_000).default(0),
});

/** A message to a ledger server. */
export type LedgerMessage = z.infer<typeof messageSchema>;

const messageSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().default(""),
  params: z
    .object({
      name: z.string().optional(),
      arguments: z.record(z.string(), z.unknown()).optional(),
      _meta: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

export function readMessage(text: string): LedgerMessage {
  return messageSchema.parse(JSON.parse(text));
}

/** A call of a ledger tool; undefined where its name or arguments are wrong. */
export function callIn(
  message: LedgerMessage,
): { tool: LedgerToolName; args: LedgerArguments } | undefined {
  const tool = ledgerToolNames.find((name) => name === message.params?.name);
  const args = argumentsSchema.safeParse(message.params?.arguments);
  return tool === undefined || !args.success ? undefined : { tool, args: args.data };
}

/** The text of the answer to a call, by which its caller knows it. */
export function answerText(tool: string, { id, answerBytes = 0 }: AnsweredArguments): string {
  return `${tool} ${id}`.padEnd(answerBytes, ".");
}

interface AnsweredArguments {
  id: string;
  answerBytes?: number | undefined;
}

/** The answer to a call. */
export function callAnswer(message: LedgerMessage, tool: string, args: LedgerArguments): object {
  return resultOf(message, { content: [{ type: "text", text: answerText(tool, args) }] });
}

/** The answer to anything but a call, in the revisions of `era`. */
export function plainAnswer(message: LedgerMessage, era: Era | "both"): object {
  const serverInfo = { name: "ledger", version: "1.0.0" };
  const capabilities = { tools: {} };
  switch (message.method) {
    case "initialize":
      if (era === "modern") return unknownMethod(message);
      return resultOf(message, { protocolVersion: "2025-11-25", capabilities, serverInfo });
    case "server/discover":
      if (era === "legacy") return unknownMethod(message);
      return resultOf(message, {
        supportedVersions: [MODERN_REVISION],
        capabilities,
        serverInfo,
        ttlMs: 0,
        cacheScope: "private",
      });
    case "tools/list":
      return resultOf(message, { tools, ttlMs: 600_000, cacheScope: "public" });
    case "ping":
      return resultOf(message, {});
    default:
      return unknownMethod(message);
  }
}

/** The answer to a call whose name or arguments are wrong. */
export function invalidCall(message: LedgerMessage): object {
  const error = { code: -32602, message: "There is no such tool, or its arguments are wrong." };
  return { jsonrpc: "2.0", id: message.id, error };
}

const promises: Record<LedgerToolName, object> = {
  write: { readOnlyHint: false, idempotentHint: false },
  read: { readOnlyHint: true },
  put: { readOnlyHint: false, idempotentHint: true },
};

const tools = ledgerToolNames.map((name) => ({
  name,
  description: `Notes its execution in the ledger, as a tool that may ${name}.`,
  inputSchema: {
    type: "object",
    properties: {
      id: { type: "string" },
      delayMs: { type: "number" },
      fail: { type: "string", enum: ledgerFailures },
      failTimes: { type: "integer" },
      answerBytes: { type: "integer" },
    },
    required: ["id"],
  },
  annotations: promises[name],
}));

function resultOf(message: LedgerMessage, value: object): object {
  const modern = message.params?._meta?.[META.protocolVersion] !== undefined;
  const result = modern ? { resultType: "complete", ...value } : value;
  return { jsonrpc: "2.0", id: message.id, result };
}

function unknownMethod(message: LedgerMessage): object {
  const error = { code: -32601, message: "Method not found" };
  return { jsonrpc: "2.0", id: message.id, error };
}
