import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import { z } from "zod";

/** The tools of a misbehaving server; `good` alone does what it should. */
export const httpMisdeeds = [
  "good",
  "garbage",
  "html",
  "empty",
  "no-object",
  "never",
  "twice",
  "stranger",
  "stranger-first",
  "hang-up",
  "status-500",
  "huge",
  "huge-event",
] as const;

export type HttpMisdeed = (typeof httpMisdeeds)[number];

/** An MCP server of either era over HTTP whose every tool but one breaks the protocol in its own way. */
export class MisbehavingHttp {
  readonly #server: Server;

  constructor(era: Era) {
    this.#server = createServer((incoming, outgoing) => {
      void answer(era, incoming, outgoing);
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/mcp`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Era = "modern" | "legacy";
type Message = z.infer<typeof messageSchema>;

const messageSchema = z.object({
  id: z.unknown().optional(),
  method: z.string().default(""),
  params: z
    .object({
      name: z.string().optional(),
      _meta: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

async function answer(
  era: Era,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (incoming.method !== "POST") {
    outgoing.writeHead(405).end();
    return;
  }
  const message = await readMessage(incoming);
  if (message.id === undefined) {
    outgoing.writeHead(202).end();
    return;
  }
  if (message.method === "tools/call") await misdeeds[nameOf(message)](outgoing, message);
  else if (message.method === (era === "modern" ? "initialize" : "server/discover"))
    json(outgoing, { jsonrpc: "2.0", id: message.id, error: unknownMethod });
  else json(outgoing, result(message, resultOf(message)));
}

async function readMessage(incoming: IncomingMessage): Promise<Message> {
  let text = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) text += String(chunk);
  return messageSchema.parse(JSON.parse(text));
}

const unknownMethod = { code: -32601, message: "Method not found" };

function nameOf(message: Message): HttpMisdeed {
  return httpMisdeeds.find((misdeed) => misdeed === message.params?.name) ?? "good";
}

function resultOf(message: Message): Record<string, unknown> {
  const serverInfo = { name: "misbehaving", version: "1.0.0" };
  const capabilities = { tools: {} };
  switch (message.method) {
    case "initialize":
      return { protocolVersion: "2025-11-25", capabilities, serverInfo };
    case "server/discover":
      return { supportedVersions: ["2026-07-28"], capabilities, ttlMs: 0, cacheScope: "private" };
    case "tools/list":
      return { tools: httpMisdeeds.map(describe), ttlMs: 60_000, cacheScope: "public" };
    default:
      return {};
  }
}

function describe(name: string): Record<string, unknown> {
  return { name, description: `Does something ${name}`, inputSchema: { type: "object" } };
}

const misdeeds: Record<
  HttpMisdeed,
  (outgoing: ServerResponse, message: Message) => void | Promise<void>
> = {
  good: (outgoing, message) => json(outgoing, said(message, "good")),
  garbage: (outgoing) => body(outgoing, "application/json", "<<< not JSON >>>"),
  html: (outgoing) => body(outgoing, "text/html", "<h1>Bad gateway</h1>"),
  empty: (outgoing) => body(outgoing, "application/json", ""),
  "no-object": (outgoing, { id }) => json(outgoing, { jsonrpc: "2.0", id, result: "text" }),
  never: () => undefined,
  twice: (outgoing, message) => events(outgoing, [said(message, "first"), said(message, "second")]),
  stranger: (outgoing, message) => json(outgoing, said({ ...message, id: 987_654_321 }, "alien")),
  "stranger-first": (outgoing, message) =>
    events(outgoing, [said({ ...message, id: 987_654_321 }, "alien"), said(message, "own")]),
  "hang-up": (outgoing) => {
    outgoing.writeHead(200, { "content-type": "application/json" });
    outgoing.write('{"jsonrpc":"2.0",', () => outgoing.destroy());
  },
  "status-500": (outgoing) => {
    outgoing.writeHead(500).end("Internal error");
  },
  huge: async (outgoing, { id }) => {
    outgoing.writeHead(200, { "content-type": "application/json" });
    outgoing.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"text":"`);
    await pour(outgoing);
  },
  "huge-event": async (outgoing) => {
    outgoing.writeHead(200, { "content-type": "text/event-stream" });
    outgoing.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"');
    await pour(outgoing);
  },
};

const gigabyte = 1_000_000_000;

// Writes a gigabyte as fast as it is taken, unless the reader leaves first.
async function pour(outgoing: ServerResponse): Promise<void> {
  const chunk = Buffer.alloc(1_000_000, "a");
  const { signal, left } = leaving(outgoing);
  for (let written = 0; written < gigabyte && !left(); written += chunk.length)
    if (!outgoing.write(chunk)) await once(outgoing, "drain", { signal }).catch(() => undefined);
  outgoing.end();
}

function leaving(outgoing: ServerResponse): { signal: AbortSignal; left: () => boolean } {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  return { signal: gone.signal, left: () => gone.signal.aborted };
}

function said(message: Message, text: string): Record<string, unknown> {
  return result(message, { content: [{ type: "text", text }] });
}

function result(message: Message, value: Record<string, unknown>): Record<string, unknown> {
  const { _meta: meta } = message.params ?? {};
  const modern = meta?.["io.modelcontextprotocol/protocolVersion"] !== undefined;
  const typed = modern ? { resultType: "complete", ...value } : value;
  return { jsonrpc: "2.0", id: message.id, result: typed };
}

function json(outgoing: ServerResponse, value: Record<string, unknown>): void {
  body(outgoing, "application/json", JSON.stringify(value));
}

function body(outgoing: ServerResponse, type: string, text: string): void {
  outgoing.writeHead(200, { "content-type": type }).end(text);
}

function events(outgoing: ServerResponse, values: Record<string, unknown>[]): void {
  const text = values.map((value) => `event: message\ndata: ${JSON.stringify(value)}\n\n`);
  body(outgoing, "text/event-stream", text.join(""));
}
