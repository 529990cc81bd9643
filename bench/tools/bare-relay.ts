/**
 * The yardstick: the least a Node relay over HTTP can do. It parses the request, routes by the name in front of "__",
 * rewrites the name, sends it on with undici, and streams the answer's bytes. No keys, no catalog, no metrics, no log.
 *
 *   node bare-relay.ts PORT UPSTREAM_PORT
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Pool, type Dispatcher } from "undici";

const [port = "", upstreamPort = ""] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, {
  connections: 128,
  keepAliveTimeout: 60_000,
  headersTimeout: 0,
  bodyTimeout: 0,
});
const servers = new Map([["up", pool]]);
/** Our session id to the upstream's. */
const sessions = new Map<string, string>();

interface Message {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: { name?: string };
}

createServer((req, res) => {
  if (req.method !== "POST") {
    res.writeHead(405).end();
    return;
  }
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  req.on("data", (chunk: Buffer) => {
    if (first === undefined) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  req.on("end", () => relay(req, res, more === undefined ? first : Buffer.concat(more)));
}).listen(Number(port), "127.0.0.1", 4096);

function relay(req: IncomingMessage, res: ServerResponse, raw: Buffer | undefined): void {
  let message: Message;
  let body: string;
  try {
    body = raw?.toString("utf8") ?? "";
    message = JSON.parse(body);
  } catch {
    fail(res, 400, "Parse error");
    return;
  }
  const version = req.headers["mcp-protocol-version"];
  const modern = version === "2026-07-28";
  const given = req.headers["mcp-session-id"];
  const session = typeof given === "string" ? sessions.get(given) : undefined;
  if (!modern && message.method !== "initialize" && session === undefined) {
    fail(res, 404, "Session not found");
    return;
  }
  let target = pool;
  let name = message.params?.name;
  const at = name?.indexOf("__") ?? -1;
  if (message.params !== undefined && name !== undefined && at > 0) {
    const found = servers.get(name.slice(0, at));
    if (found === undefined) {
      fail(res, 200, "Unknown tool");
      return;
    }
    target = found;
    name = name.slice(at + 2);
    message.params.name = name;
    body = JSON.stringify(message);
  }
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
  };
  if (typeof version === "string") headers["mcp-protocol-version"] = version;
  if (modern) headers["mcp-method"] = message.method;
  if (modern && name !== undefined) headers["mcp-name"] = name;
  if (session !== undefined) headers["mcp-session-id"] = session;
  target.dispatch({ path: "/mcp", method: "POST", headers, body }, handler(res));
}

function handler(res: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart() {},
    onResponseStart(_controller, status, upstream) {
      const headers: Record<string, string> = {};
      for (const name of ["content-type", "content-length"]) {
        const value = upstream[name];
        if (typeof value === "string") headers[name] = value;
      }
      const opened = upstream["mcp-session-id"];
      if (typeof opened === "string") {
        const id = randomUUID();
        sessions.set(id, opened);
        headers["mcp-session-id"] = id;
      }
      res.writeHead(status, headers);
    },
    onResponseData(controller, chunk) {
      if (res.write(chunk)) return;
      controller.pause();
      res.once("drain", () => controller.resume());
    },
    onResponseEnd() {
      res.end();
    },
    onResponseError() {
      if (res.headersSent) res.destroy();
      else fail(res, 502, "The upstream failed");
    },
  };
}

function fail(res: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32603, message } });
  res.writeHead(status, { "content-type": "application/json", "content-length": body.length });
  res.end(body);
}
