// Requests as bytes: for what no decent client would send.
import { request } from "node:http";
import { z } from "zod";

/** One HTTP request to send exactly as it is. */
export interface WireRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** What came back: the whole body as text, or what had come of it when the connection broke. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly broken: boolean;
}

const keptCharactersMax = 10_000_000;

/** Sends one request on a connection of its own; rejects only when no answer began. */
export async function send(url: string, wire: WireRequest): Promise<WireAnswer> {
  const { method = "POST", headers = {}, body = "" } = wire;
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (answer) => {
      let text = "";
      const done = (broken: boolean): void =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, broken });
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        if (text.length < keptCharactersMax) text += chunk;
      });
      answer.on("end", () => done(false));
      answer.on("error", () => done(true));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** A JSON-RPC response, as far as tests look into it. */
export type WireResponse = z.infer<typeof responseSchema>;

const responseSchema = z.looseObject({
  id: z.unknown().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z
    .looseObject({
      code: z.number(),
      message: z.string(),
      data: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

/** The last JSON-RPC response in an answer, whether it came as JSON or as an event stream. */
export function responseIn(answer: WireAnswer): WireResponse {
  const type = String(answer.headers["content-type"] ?? "");
  if (!type.includes("text/event-stream")) return readResponse(answer.text);
  const events = answer.text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trim())
    .filter((data) => data !== "")
    .map(readResponse);
  return events.findLast((event) => event.result !== undefined || event.error !== undefined) ?? {};
}

function readResponse(text: string): WireResponse {
  return responseSchema.parse(JSON.parse(text));
}

export const modernRevision = "2026-07-28";

/** The headers of a modern request; `name` is what it calls or reads. */
export function modernHeaders(key: string, method: string, name?: string): Record<string, string> {
  return {
    ...baseHeaders(key),
    "mcp-protocol-version": modernRevision,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": name }),
  };
}

/** The envelope every modern request carries in its `_meta`. */
export const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": modernRevision,
  "io.modelcontextprotocol/clientInfo": { name: "signalbox-test", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A modern request, whole. */
export function modernRequest(
  key: string,
  method: string,
  params: Record<string, unknown> = {},
  id: unknown = 1,
): { headers: Record<string, string>; body: string } {
  const name = params["name"] ?? params["uri"];
  return {
    headers: modernHeaders(key, method, typeof name === "string" ? name : undefined),
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: modernMeta } }),
  };
}

/** A legacy request on an open session. */
export function legacyRequest(
  session: Record<string, string>,
  method: string,
  params: Record<string, unknown> = {},
  id: unknown = 1,
): { headers: Record<string, string>; body: string } {
  return { headers: session, body: JSON.stringify({ jsonrpc: "2.0", id, method, params }) };
}

/** Opens a legacy session and answers the headers of its further requests. */
export async function openSession(
  url: string,
  key: string,
  revision = "2025-11-25",
): Promise<Record<string, string>> {
  const headers = baseHeaders(key);
  const clientInfo = { name: "signalbox-test", version: "1.0.0" };
  const params = { protocolVersion: revision, capabilities: {}, clientInfo };
  const answer = await send(url, {
    headers,
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params }),
  });
  const id = answer.headers["mcp-session-id"];
  if (answer.status !== 200 || typeof id !== "string")
    throw new Error(`initialize: ${answer.status} ${answer.text}`);
  const session = { ...headers, "mcp-session-id": id, "mcp-protocol-version": revision };
  const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
  await send(url, { headers: session, body: JSON.stringify(initialized) });
  return session;
}

function baseHeaders(key: string): Record<string, string> {
  return {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
}

/** An answer read while it comes: its text so far, and a way to hang up. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  text(): string;
  ended(): boolean;
  hangUp(): void;
}

/** Sends one request and returns as soon as its answer begins. */
export async function open(url: string, wire: WireRequest): Promise<OpenAnswer> {
  const { method = "POST", headers = {}, body = "" } = wire;
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (answer) => {
      let text = "";
      let ended = false;
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        if (text.length < keptCharactersMax) text += chunk;
      });
      answer.on("close", () => {
        ended = true;
      });
      answer.on("error", () => undefined);
      resolve({
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        text: () => text,
        ended: () => ended,
        hangUp: () => outgoing.destroy(),
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
