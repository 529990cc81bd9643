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

/** Rewrites, in place, every resource URI of a result of tools/call, prompts/get or resources/read. */
export function rewriteResult(result: JsonObject, rewrite: RewriteUri): void {
  rewriteUiMeta(result, rewrite);
  rewriteContent(result["content"], rewrite);
  if (Array.isArray(result["messages"])) {
    for (const message of result["messages"]) {
      if (isJsonObject(message)) rewriteContent(message["content"], rewrite);
    }
  }
  if (Array.isArray(result["contents"])) {
    for (const part of result["contents"]) if (isJsonObject(part)) rewriteUri(part, rewrite);
  }
}

/** A tool with its MCP Apps references rewritten; the same object where it has none. */
export function withPublicUi(tool: JsonObject, rewrite: RewriteUri): JsonObject {
  if (!isJsonObject(tool["_meta"])) return tool;
  const copy = { ...tool, _meta: { ...tool["_meta"] } };
  rewriteUiMeta(copy, rewrite);
  return copy;
}

function rewriteContent(content: unknown, rewrite: RewriteUri): void {
  const blocks = Array.isArray(content) ? content : [content];
  for (const block of blocks) {
    if (!isJsonObject(block)) continue;
    if (block["type"] === "resource_link") rewriteUri(block, rewrite);
    else if (block["type"] === "resource" && isJsonObject(block["resource"])) {
      rewriteUri(block["resource"], rewrite);
    } else if (block["type"] === "tool_result") rewriteContent(block["content"], rewrite);
  }
}

function rewriteUri(holder: JsonObject, rewrite: RewriteUri): void {
  if (typeof holder["uri"] === "string") holder["uri"] = rewrite(holder["uri"]);
  rewriteUiMeta(holder, rewrite);
}

function rewriteUiMeta(holder: JsonObject, rewrite: RewriteUri): void {
  const meta = holder["_meta"];
  if (!isJsonObject(meta)) return;
  const legacy = meta["ui/resourceUri"];
  if (typeof legacy === "string") meta["ui/resourceUri"] = rewrite(legacy);
  const ui = meta["ui"];
  if (isJsonObject(ui) && typeof ui["resourceUri"] === "string") {
    meta["ui"] = { ...ui, resourceUri: rewrite(ui["resourceUri"]) };
  }
}
