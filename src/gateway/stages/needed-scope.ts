/** Which scope a message needs of a token: reading what there is, calling what only reads, or calling anything. */
import type { McpScope } from "../../access/index.ts";
import { isJsonObject } from "../../protocol/index.ts";
import { MODERN_AUDIENCE, type View } from "../view.ts";

/** The largest scope that a body's messages need; a scope includes the smaller ones. */
export function neededScope(body: unknown, view: View): McpScope {
  const messages: unknown[] = Array.isArray(body) ? body : [body];
  const calls = messages.filter((message) => isJsonObject(message) && isToolCall(message));
  if (calls.length === 0) return "mcp:read";
  return calls.every((call) => isReading(call, view)) ? "mcp:call" : "mcp:write";
}

function isToolCall(message: unknown): boolean {
  return isJsonObject(message) && message["method"] === "tools/call";
}

// A tool that says nothing of itself, or is not listed yet, may change something.
function isReading(call: unknown, view: View): boolean {
  const params = isJsonObject(call) ? call["params"] : undefined;
  const name = isJsonObject(params) ? params["name"] : undefined;
  if (typeof name !== "string") return false;
  const annotations = view.known("tools", name, MODERN_AUDIENCE)?.item["annotations"];
  return isJsonObject(annotations) && annotations["readOnlyHint"] === true;
}
