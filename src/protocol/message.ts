import { isJsonObject, type JsonObject } from "./json.ts";

/** JSON-RPC 2.0 as MCP uses it: ids are strings or integers, params and results are objects. */
export type RequestId = string | number;

export interface JsonRpcRequest {
  jsonrpc: "2.0";
  id: RequestId;
  method: string;
  params?: JsonObject;
}

export interface JsonRpcNotification {
  jsonrpc: "2.0";
  method: string;
  params?: JsonObject;
}

export interface JsonRpcError {
  code: number;
  message: string;
  data?: unknown;
}

export interface JsonRpcResponse {
  jsonrpc: "2.0";
  /** Null or absent only where the request could not be read. */
  id?: RequestId | null;
  result?: JsonObject;
  error?: JsonRpcError;
}

export type Message = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse;

export function isRequest(message: Message): message is JsonRpcRequest {
  return "method" in message && "id" in message;
}

export function isNotification(message: Message): message is JsonRpcNotification {
  return "method" in message && !("id" in message);
}

export function isResponse(message: Message): message is JsonRpcResponse {
  return !("method" in message);
}

/** A value's reading as a message, or the sentence that says what is wrong with it and the id to answer to. */
export type MessageOutcome =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly reason: string; readonly id: RequestId | null };

/** Reads one parsed JSON value as a JSON-RPC 2.0 message (jsonrpc.org/specification, sections 4 and 5). */
export function readMessage(value: unknown): MessageOutcome {
  if (!isJsonObject(value)) return refuse("a message is a JSON object", null);
  const id = isRequestId(value["id"]) ? value["id"] : null;
  if (value["jsonrpc"] !== "2.0") return refuse('"jsonrpc" must be "2.0"', id);
  if ("id" in value && id === null && (value["id"] !== null || "method" in value)) {
    return refuse('"id" must be a string or an integer', null);
  }
  if ("method" in value) {
    if (typeof value["method"] !== "string") return refuse('"method" must be a string', id);
    const params = value["params"];
    if (params !== undefined && !isJsonObject(params)) {
      return refuse('"params" must be an object', id);
    }
    const meta = params?.["_meta"];
    if (meta !== undefined && !isJsonObject(meta)) {
      return refuse('"params._meta" must be an object', id);
    }
  } else if (isJsonObject(value["error"])) {
    if (typeof value["error"]["code"] !== "number") return refuse('"error.code" is missing', id);
  } else if (!isJsonObject(value["result"])) {
    return refuse('neither "method" nor "result" nor "error" is there', id);
  }
  return { ok: true, message: value as unknown as Message };
}

function isRequestId(value: unknown): value is RequestId {
  return typeof value === "string" || (typeof value === "number" && Number.isInteger(value));
}

function refuse(reason: string, id: RequestId | null): MessageOutcome {
  return { ok: false, reason, id };
}
