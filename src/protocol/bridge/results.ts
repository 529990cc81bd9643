import { RPC } from "../error-codes.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import type { JsonRpcError } from "../message.ts";

/**
 * Results between the eras. A modern result says how it ended and how long it may be kept; a legacy one has no words for
 * either, and knows structured content only as an object.
 */

const CACHEABLE = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
]);

/** A legacy server's result as a modern client reads it. */
export function toModernResult(method: string, result: JsonObject): JsonObject {
  const modern: JsonObject = { resultType: "complete", ...result };
  if (CACHEABLE.has(method)) {
    modern["ttlMs"] ??= 0;
    modern["cacheScope"] ??= "private";
  }
  return modern;
}

/** A modern server's result as a legacy client reads it; undefined where it has no legacy form (`input_required`). */
export function toLegacyResult(method: string, result: JsonObject): JsonObject | undefined {
  const { resultType, ttlMs: _ttl, cacheScope: _scope, ...legacy } = result;
  if (resultType !== undefined && resultType !== "complete") return undefined;
  if (method !== "tools/call" || !("structuredContent" in legacy)) return legacy;
  const structured = legacy["structuredContent"];
  const content = Array.isArray(legacy["content"]) ? legacy["content"] : [];
  if (content.length === 0) {
    legacy["content"] = [{ type: "text", text: JSON.stringify(structured) }];
  }
  if (!isJsonObject(structured)) legacy["structuredContent"] = { result: structured };
  return legacy;
}

/** A modern tool as a legacy client reads it: an output schema that is not an object's is wrapped like its content. */
export function toLegacyTool(tool: JsonObject): JsonObject {
  const schema = tool["outputSchema"];
  if (!isJsonObject(schema) || schema["type"] === "object") return tool;
  const { $schema, $defs, ...inner } = schema;
  return {
    ...tool,
    outputSchema: {
      ...($schema === undefined ? {} : { $schema }),
      ...($defs === undefined ? {} : { $defs }),
      type: "object",
      properties: { result: inner },
      required: ["result"],
    },
  };
}

/** A legacy tool as a modern client reads it: core tasks are gone. */
export function toModernTool(tool: JsonObject): JsonObject {
  if (!("execution" in tool)) return tool;
  const { execution: _gone, ...rest } = tool;
  return rest;
}

/** A legacy server's error with the code a modern client expects. */
export function toModernError(error: JsonRpcError): JsonRpcError {
  return error.code === RPC.resourceNotFoundLegacy ? { ...error, code: RPC.invalidParams } : error;
}
