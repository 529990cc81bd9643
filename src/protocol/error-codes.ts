import type { JsonRpcError, JsonRpcResponse, RequestId } from "./message.ts";

/** JSON-RPC and MCP error codes (2026-07-28, basic "Error Codes"; the older ones are accepted, never minted). */
export const RPC = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Legacy streamable HTTP: session unknown or gone. */
  sessionNotFound: -32001,
  /** Legacy: resource unknown; 2026-07-28 uses invalidParams. */
  resourceNotFoundLegacy: -32002,
  headerMismatch: -32020,
  missingClientCapability: -32021,
  unsupportedProtocolVersion: -32022,
  urlElicitationRequired: -32042,
} as const;

/** The HTTP status that goes with an error code in an answer of the 2026-07-28 transport; 200 means in-band. */
export function modernStatusOf(code: number): number {
  switch (code) {
    case RPC.parseError:
    case RPC.invalidRequest:
    case RPC.headerMismatch:
    case RPC.missingClientCapability:
    case RPC.unsupportedProtocolVersion:
      return 400;
    case RPC.methodNotFound:
      return 404;
    default:
      return 200;
  }
}

/** An error response to `id`; `data` is left out when undefined. */
export function errorResponse(
  id: RequestId | null,
  code: number,
  message: string,
  data?: unknown,
): JsonRpcResponse {
  const error: JsonRpcError = data === undefined ? { code, message } : { code, message, data };
  return { jsonrpc: "2.0", id, error };
}
