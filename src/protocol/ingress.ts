import { RPC, errorResponse } from "./error-codes.ts";
import { decodeHeaderValue } from "./header-values.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import {
  isNotification,
  isRequest,
  isResponse,
  readMessage,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Message,
  type RequestId,
} from "./message.ts";
import { META } from "./meta.ts";
import { LEGACY_REVISIONS, MODERN_REVISION, revisionOf } from "./revisions/index.ts";

/**
 * What a POST asks for. The era is decided for each request by its body (a request that carries its protocol version in
 * `_meta` is modern), and the headers must then agree with it. The order of the checks is the one that lets each failure
 * name its first cause: shape, era and version, envelope, headers.
 */
export type Ingress =
  | { readonly kind: "modern-request"; readonly message: JsonRpcRequest }
  | { readonly kind: "modern-notification"; readonly message: JsonRpcNotification }
  | { readonly kind: "legacy"; readonly messages: readonly Message[]; readonly batch: boolean }
  | { readonly kind: "refused"; readonly status: number; readonly body: JsonRpcResponse };

export type IngressHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Decides the era of a parsed body and checks what that era asks of its headers. */
export function readIngress(body: unknown, headers: IngressHeaders, batchMax: number): Ingress {
  if (Array.isArray(body)) return readBatch(body, batchMax);
  const read = readMessage(body);
  if (!read.ok) return refuse(read.id, RPC.invalidRequest, `Invalid request: ${read.reason}.`);
  const { message } = read;
  if (isResponse(message)) return { kind: "legacy", messages: [message], batch: false };
  const claim = metaOf(message)[META.protocolVersion];
  const header = headers["mcp-protocol-version"];
  if (isNotification(message)) {
    return claim === undefined && !isModernVersion(header)
      ? { kind: "legacy", messages: [message], batch: false }
      : { kind: "modern-notification", message };
  }
  if (!isRequest(message)) return refuse(null, RPC.invalidRequest, "Invalid request.");
  if (claim === undefined) return readUnclaimed(message, header);
  return readModern(message, claim, headers);
}

/** The method's `Mcp-Name` value: a tool's or prompt's name, a resource's URI; undefined where the method has none. */
export function mcpNameOf(method: string, params: JsonObject | undefined): unknown {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return params?.["name"];
    case "resources/read":
      return params?.["uri"];
    case "tasks/get":
    case "tasks/update":
    case "tasks/cancel":
      return params?.["taskId"];
    default:
      return undefined;
  }
}

function readUnclaimed(message: JsonRpcRequest, header: string | string[] | undefined): Ingress {
  const modernHeader = isModernVersion(header);
  if (message.method === "initialize") {
    return modernHeader
      ? refuse(
          message.id,
          RPC.headerMismatch,
          `Header mismatch: initialize does not exist in ${MODERN_REVISION}.`,
        )
      : { kind: "legacy", messages: [message], batch: false };
  }
  if (modernHeader) {
    return refuse(
      message.id,
      RPC.invalidParams,
      `Invalid params: params._meta["${META.protocolVersion}"] is missing.`,
    );
  }
  return { kind: "legacy", messages: [message], batch: false };
}

function readModern(message: JsonRpcRequest, claim: unknown, headers: IngressHeaders): Ingress {
  const { id, method } = message;
  if (typeof claim !== "string") {
    return refuse(id, RPC.invalidParams, `Invalid params: "${META.protocolVersion}" is no string.`);
  }
  const header = headers["mcp-protocol-version"];
  if (header !== undefined && header !== claim) {
    return refuse(
      id,
      RPC.headerMismatch,
      "Header mismatch: MCP-Protocol-Version does not equal the version in _meta.",
    );
  }
  if (revisionOf(claim)?.era !== "modern") {
    return refuse(id, RPC.unsupportedProtocolVersion, "Unsupported protocol version", {
      supported: [MODERN_REVISION, ...LEGACY_REVISIONS],
      requested: claim,
    });
  }
  if (!isJsonObject(metaOf(message)[META.clientCapabilities])) {
    return refuse(
      id,
      RPC.invalidParams,
      `Invalid params: params._meta["${META.clientCapabilities}"] is missing or no object.`,
    );
  }
  const problem = standardHeaderProblem(method, message.params, headers);
  if (problem !== undefined) {
    return refuse(id, RPC.headerMismatch, `Header mismatch: ${problem}.`);
  }
  return { kind: "modern-request", message };
}

function standardHeaderProblem(
  method: string,
  params: JsonObject | undefined,
  headers: IngressHeaders,
): string | undefined {
  if (headers["mcp-protocol-version"] === undefined) return "MCP-Protocol-Version is missing";
  const sentMethod = headers["mcp-method"];
  if (typeof sentMethod !== "string") return "Mcp-Method is missing";
  if (sentMethod !== method && sentMethod.trim() !== method) {
    return "Mcp-Method does not equal the method in the body";
  }
  const name = mcpNameOf(method, params);
  if (typeof name !== "string") return undefined;
  const sentName = headers["mcp-name"];
  if (typeof sentName !== "string") return "Mcp-Name is missing";
  if (decodeHeaderValue(sentName) !== name) {
    return "Mcp-Name does not equal the name in the body";
  }
  return undefined;
}

function readBatch(body: readonly unknown[], batchMax: number): Ingress {
  if (body.length === 0) return refuse(null, RPC.invalidRequest, "Invalid request: empty batch.");
  if (body.length > batchMax) {
    return refuse(null, RPC.invalidRequest, `Invalid request: a batch holds at most ${batchMax}.`);
  }
  const messages: Message[] = [];
  for (const element of body) {
    const read = readMessage(element);
    if (!read.ok) return refuse(null, RPC.invalidRequest, `Invalid request: ${read.reason}.`);
    const { message } = read;
    if (!isResponse(message) && metaOf(message)[META.protocolVersion] !== undefined) {
      return refuse(
        null,
        RPC.invalidRequest,
        `Invalid request: ${MODERN_REVISION} has no batches.`,
      );
    }
    if (isRequest(message) && message.method === "initialize") {
      return refuse(null, RPC.invalidRequest, "Invalid request: initialize stands alone.");
    }
    messages.push(message);
  }
  return { kind: "legacy", messages, batch: true };
}

function metaOf(message: JsonRpcRequest | JsonRpcNotification): JsonObject {
  const meta = message.params?.["_meta"];
  return isJsonObject(meta) ? meta : EMPTY;
}

const EMPTY: JsonObject = {};

// A version we do not know that is not an older one can only be newer: its sender speaks the modern framing.
function isModernVersion(header: string | string[] | undefined): boolean {
  return typeof header === "string" && header !== "" && !LEGACY_REVISIONS.includes(header);
}

function refuse(id: RequestId | null, code: number, message: string, data?: unknown): Ingress {
  return { kind: "refused", status: 400, body: errorResponse(id, code, message, data) };
}
