// The headers of a 2026-07-28 request repeat what its body says, and the gateway refuses a request where they differ.
import { z } from "zod";

export const modernRevision = "2026-07-28";
export const metaKeys = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
} as const;

export const headerMismatch = -32020;

/** The revision a message names in its `_meta`; undefined for a message of the legacy era. */
export function claimedRevision(params: unknown): string | undefined {
  const claim = z
    .looseObject({ _meta: z.looseObject({ [metaKeys.protocolVersion]: z.string() }) })
    .safeParse(params);
  return claim.data?.["_meta"][metaKeys.protocolVersion];
}

/** MCP-Protocol-Version, Mcp-Method and Mcp-Name for a message that names `revision`. */
export function modernHeaders(
  revision: string,
  method: string,
  params: unknown,
): Record<string, string> {
  const name = nameOf(method, params);
  return {
    "mcp-protocol-version": revision,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": encodeHeaderValue(name) }),
  };
}

const named = z.looseObject({
  name: z.string().optional(),
  uri: z.string().optional(),
  taskId: z.string().optional(),
});

function nameOf(method: string, params: unknown): string | undefined {
  const parsed = named.safeParse(params);
  if (!parsed.success) return undefined;
  if (method === "tools/call" || method === "prompts/get") return parsed.data.name;
  if (method === "resources/read") return parsed.data.uri;
  if (method.startsWith("tasks/")) return parsed.data.taskId;
  return undefined;
}

/** A header value as the protocol writes it: as it is when that is safe, else `=?base64?…?=`. */
export function encodeHeaderValue(value: string): string {
  const safe =
    /^[\u0021-\u007E]([\u0020-\u007E]*[\u0021-\u007E])?$/.test(value) &&
    !/^=\?base64\?.*\?=$/s.test(value);
  return safe ? value : `=?base64?${Buffer.from(value, "utf8").toString("base64")}?=`;
}

const schemaNode = z.looseObject({
  "x-mcp-header": z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

/** The Mcp-Param-* headers a tool's input schema asks for, from the arguments of one call. */
export function paramHeaders(inputSchema: unknown, args: unknown): Record<string, string> {
  const node = schemaNode.safeParse(inputSchema);
  if (!node.success || node.data.properties === undefined) return {};
  const values = z.record(z.string(), z.unknown()).safeParse(args);
  const headers: Record<string, string> = {};
  for (const [property, schema] of Object.entries(node.data.properties)) {
    const value = values.success ? values.data[property] : undefined;
    const header = schemaNode.safeParse(schema).data?.["x-mcp-header"];
    if (header !== undefined && ["string", "number", "boolean"].includes(typeof value)) {
      headers[`mcp-param-${header.toLowerCase()}`] = encodeHeaderValue(String(value));
    }
    Object.assign(headers, paramHeaders(schema, value));
  }
  return headers;
}
