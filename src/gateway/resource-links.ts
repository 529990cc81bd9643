/**
 * URIs inside results. A resource reaches the client under its public URI wherever it is named: in lists, in links and
 * embedded resources of tool results and prompt messages, in what was read, and in `_meta.ui` of MCP Apps.
 */
import { isJsonObject, type JsonObject } from "../protocol/index.ts";

export type RewriteUri = (uri: string) => string;

const MAY_NAME_A_RESOURCE = Buffer.from("resource");
const CONTENTS = Buffer.from('"contents"');

/** Whether an answer's bytes can hold a URI to rewrite; a cheap test that never misses one. */
export function mayNameResource(body: Buffer): boolean {
  return body.includes(MAY_NAME_A_RESOURCE) || body.includes(CONTENTS);
}

/** Rewrites, in place, every resource URI of a result of tools/call, prompts/get or resources/read; whether there was one. */
export function rewriteResult(result: JsonObject, rewrite: RewriteUri): boolean {
  let found = rewriteUiMeta(result, rewrite);
  found = rewriteContent(result["content"], rewrite) || found;
  for (const message of listOf(result["messages"])) {
    if (isJsonObject(message)) found = rewriteContent(message["content"], rewrite) || found;
  }
  for (const part of listOf(result["contents"])) {
    if (isJsonObject(part)) found = rewriteUri(part, rewrite) || found;
  }
  return found;
}

/** A tool with its MCP Apps references rewritten; the same object where it has none. */
export function withPublicUi(tool: JsonObject, rewrite: RewriteUri): JsonObject {
  if (!isJsonObject(tool["_meta"])) return tool;
  const copy = { ...tool, _meta: { ...tool["_meta"] } };
  rewriteUiMeta(copy, rewrite);
  return copy;
}

function rewriteContent(content: unknown, rewrite: RewriteUri): boolean {
  if (!Array.isArray(content)) return isJsonObject(content) && rewriteBlock(content, rewrite);
  let found = false;
  for (const block of content) {
    if (isJsonObject(block)) found = rewriteBlock(block, rewrite) || found;
  }
  return found;
}

function rewriteBlock(block: JsonObject, rewrite: RewriteUri): boolean {
  switch (block["type"]) {
    case "resource_link":
      return rewriteUri(block, rewrite);
    case "resource":
      return isJsonObject(block["resource"]) && rewriteUri(block["resource"], rewrite);
    case "tool_result":
      return rewriteContent(block["content"], rewrite);
    default:
      return false;
  }
}

function rewriteUri(holder: JsonObject, rewrite: RewriteUri): boolean {
  const named = typeof holder["uri"] === "string";
  if (named) holder["uri"] = rewrite(String(holder["uri"]));
  return rewriteUiMeta(holder, rewrite) || named;
}

function rewriteUiMeta(holder: JsonObject, rewrite: RewriteUri): boolean {
  const meta = holder["_meta"];
  if (!isJsonObject(meta)) return false;
  let found = false;
  const legacy = meta["ui/resourceUri"];
  if (typeof legacy === "string") {
    meta["ui/resourceUri"] = rewrite(legacy);
    found = true;
  }
  const ui = meta["ui"];
  if (isJsonObject(ui) && typeof ui["resourceUri"] === "string") {
    meta["ui"] = { ...ui, resourceUri: rewrite(ui["resourceUri"]) };
    found = true;
  }
  return found;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : NOTHING;
}

const NOTHING: readonly unknown[] = [];
