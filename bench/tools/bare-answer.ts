/**
 * The yardstick without an upstream: node:http that parses a call and answers it alone. It also opens sessions and holds
 * their GET streams, so that it shows what those cost at least.
 *
 *   node bare-answer.ts PORT
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

const sessions = new Map<string, { readonly at: number }>();

interface Message {
  readonly id?: string | number;
  readonly method: string;
  readonly params?: { readonly arguments?: { readonly text?: string; readonly size?: number } };
}

createServer((req, res) => {
  if (req.method === "GET") {
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.write(":\n\n");
    return;
  }
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  req.on("data", (chunk: Buffer) => {
    if (first === undefined) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  req.on("end", () => {
    const raw = more === undefined ? first : Buffer.concat(more);
    if (raw === undefined) {
      res.writeHead(200, { "content-length": 0 }).end();
      return;
    }
    const message: Message = JSON.parse(raw.toString("utf8"));
    const { id, method, params } = message;
    if (id === undefined) {
      res.writeHead(202, { "content-length": 0 }).end();
      return;
    }
    const headers: Record<string, string | number> = { "content-type": "application/json" };
    const { text = "", size = 0 } = params?.arguments ?? {};
    let result: object = {
      resultType: "complete",
      content: [{ type: "text", text: text.padEnd(size, "x") }],
    };
    if (method === "initialize") {
      const session = randomUUID();
      sessions.set(session, { at: Date.now() });
      headers["mcp-session-id"] = session;
      result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} };
    }
    const body = JSON.stringify({ jsonrpc: "2.0", id, result });
    headers["content-length"] = Buffer.byteLength(body);
    res.writeHead(200, headers);
    res.end(body);
  });
}).listen(Number(process.argv[2]), "127.0.0.1", 4096);
