import type { JsonRpcRequest, JsonRpcResponse } from "../protocol/index.ts";
import type { JsonObject } from "../protocol/index.ts";
import type { ServerOptions } from "./server-options.ts";

/** The gateway's own answer to a server's request that needs no client: ping, and roots that are configured. */
export function localAnswer(
  request: JsonRpcRequest,
  options: Pick<ServerOptions, "roots">,
): JsonRpcResponse | undefined {
  if (request.method === "ping") return { jsonrpc: "2.0", id: request.id, result: {} };
  if (request.method === "roots/list" && options.roots !== undefined)
    return { jsonrpc: "2.0", id: request.id, result: { roots: options.roots } };
  return undefined;
}

/**
 * The client capabilities to show this server: roots only where they are configured, because a server
 * may treat the roots it is offered as the whole of what it may touch.
 */
export function offeredCapabilities(
  capabilities: JsonObject,
  options: Pick<ServerOptions, "roots">,
): JsonObject {
  const { roots: _roots, ...rest } = capabilities;
  return options.roots === undefined ? rest : { ...rest, roots: {} };
}
