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
  if (isMessage(value)) return { ok: true, message: value };
  const id = isJsonObject(value) && isRequestId(value["id"]) ? value["id"] : null;
  return { ok: false, reason: problemOf(value) ?? "", id };
}

function isMessage(value: unknown): value is Message {
  return problemOf(value) === undefined;
}

function problemOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return "a message is a JSON object";
  if (value["jsonrpc"] !== "2.0") return '"jsonrpc" must be "2.0"';
  const called = "method" in value;
  if ("id" in value && !isRequestId(value["id"]) && (called || value["id"] !== null)) {
    return '"id" must be a string or an integer';
  }
  return called ? problemOfCall(value) : problemOfResponse(value);
}

function problemOfCall(value: JsonObject): string | undefined {
  if (typeof value["method"] !== "string") return '"method" must be a string';
  const params = value["params"];
  if (params === undefined) return undefined;
  if (!isJsonObject(params)) return '"params" must be an object';
  const meta = params["_meta"];
  return meta === undefined || isJsonObject(meta) ? undefined : '"params._meta" must be an object';
}

function problemOfResponse(value: JsonObject): string | undefined {
  if (isJsonObject(value["error"])) {
    return typeof value["error"]["code"] === "number" ? undefined : '"error.code" is missing';
  }
  if (isJsonObject(value["result"])) return undefined;
  return 'neither "method" nor "result" nor "error" is there';
}

function isRequestId(value: unknown): value is RequestId {
  return typeof value === "string" || (typeof value === "number" && Number.isInteger(value));
}
