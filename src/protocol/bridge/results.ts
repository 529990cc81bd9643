import { RPC } from "../error-codes.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import type { JsonRpcError } from "../message.ts";
import { META } from "../meta.ts";

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

/** A legacy server's result as a modern client reads it; `serverInfo` is who says so, where the server does not. */
export function toModernResult(
  method: string,
  result: JsonObject,
  serverInfo?: JsonObject,
): JsonObject {
  const modern: JsonObject = { resultType: "complete", ...result };
  if (serverInfo !== undefined) {
    const meta = result["_meta"];
    modern["_meta"] = { [META.serverInfo]: serverInfo, ...(isJsonObject(meta) && meta) };
  }
  if (CACHEABLE.has(method)) {
    modern["ttlMs"] ??= 0;
    modern["cacheScope"] ??= "private";
  }
  return modern;
}

/**
 * A modern server's result as a legacy client reads it; undefined where it has no legacy form (`input_required`). `tool` is
 * the one that was called: content is wrapped wherever its schema is.
 */
export function toLegacyResult(
  method: string,
  result: JsonObject,
  tool?: JsonObject,
): JsonObject | undefined {
  const { resultType, ttlMs: _ttl, cacheScope: _scope, ...legacy } = result;
  if (resultType !== undefined && resultType !== "complete") return undefined;
  if (method !== "tools/call" || !("structuredContent" in legacy)) return legacy;
  const structured = legacy["structuredContent"];
  const content = Array.isArray(legacy["content"]) ? legacy["content"] : [];
  if (content.length === 0) {
    legacy["content"] = [{ type: "text", text: JSON.stringify(structured) }];
  }
  if (!isJsonObject(structured) || mustWrap(tool?.["outputSchema"])) {
    legacy["structuredContent"] = { result: structured };
  }
  return legacy;
}

/** A modern tool as a legacy client reads it: an output schema that is not an object's is wrapped like its content. */
export function toLegacyTool(tool: JsonObject): JsonObject {
  const schema = tool["outputSchema"];
  if (!mustWrap(schema)) return tool;
  const { $schema, ...inner } = schema;
  return {
    ...tool,
    outputSchema: {
      ...($schema === undefined ? {} : { $schema }),
      type: "object",
      properties: { result: "$id" in inner ? inner : moveReferences(inner) },
      required: ["result"],
    },
  };
}

function mustWrap(schema: unknown): schema is JsonObject {
  return isJsonObject(schema) && schema["type"] !== "object";
}

/** Keywords whose values are data, not schemas. */
const PLAIN = new Set(["const", "default", "enum", "examples"]);

// References to places of a schema start at its root, which has moved; those of a schema with an `$id` start there still.
function moveReferences(schema: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => {
      if (keyword === "$ref" && typeof value === "string" && /^#(?:\/|$)/.test(value)) {
        return [keyword, `#/properties/result${value.slice(1)}`];
      }
      return [keyword, PLAIN.has(keyword) ? value : moveIn(value)];
    }),
  );
}

function moveIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => moveIn(element));
  return isJsonObject(value) ? moveReferences(value) : value;
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
