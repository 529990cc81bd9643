// Small MCP servers for the demonstrations: real ones, over HTTP, each on a port of its own. They speak the revision
// 2026-07-28, count what reaches them, and fail when and how they are told to.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { z } from "zod";
import { freePort } from "../../test/support/free-port.ts";

/** How a server answers one call. Default: an answer at once. */
export type Reply =
  | { readonly kind: "answer"; readonly afterMs?: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfterSeconds?: number }
  | { readonly kind: "reset" };

/** One call as it reached the server. */
export interface Arrival {
  readonly tool: string;
  /** What the caller put into the argument `order`, or "". */
  readonly order: string;
  /** Milliseconds on the clock of `performance.now()`. */
  readonly atMs: number;
}

export interface DemoServerOptions {
  /** What it says of each tool. Default: `look`, which is read-only, and `book`, which is not. */
  readonly tools?: Readonly<Record<string, ToolHints>>;
  /** Asked for each call. */
  readonly reply?: (arrival: Arrival) => Reply;
}

export interface ToolHints {
  readonly readOnlyHint?: boolean;
  readonly idempotentHint?: boolean;
}

/** Arrivals that are kept; a demonstration makes far fewer calls. */
const ARRIVALS_MAX = 100_000;

/** An MCP server that can be killed and started again on the same port. */
export class DemoServer {
  readonly name: string;
  /** May be replaced at any time. */
  reply: (arrival: Arrival) => Reply;
  readonly #tools: Readonly<Record<string, ToolHints>>;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #arrivals: Arrival[] = [];
  #answered = 0;
  #socketsPeak = 0;
  #http: Server | undefined;

  private constructor(name: string, port: number, options: DemoServerOptions) {
    this.name = name;
    this.reply = options.reply ?? (() => ({ kind: "answer" }));
    this.#tools = options.tools ?? { look: { readOnlyHint: true }, book: {} };
    this.#port = port;
  }

  static async start(name: string, options: DemoServerOptions = {}): Promise<DemoServer> {
    const server = new DemoServer(name, await freePort(), options);
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** Its id as an endpoint. */
  get id(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The calls that reached it since `forget`, the oldest first. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals;
  }

  /** How many of them it answered. */
  get answered(): number {
    return this.#answered;
  }

  /** Connections that are open at this moment. */
  get sockets(): number {
    return this.#sockets.size;
  }

  /** The most that were open at once since `forget`. */
  get socketsPeak(): number {
    return this.#socketsPeak;
  }

  /** Counts anew. */
  forget(): void {
    this.#arrivals = [];
    this.#answered = 0;
    this.#socketsPeak = this.#sockets.size;
  }

  async listen(): Promise<void> {
    const http = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch(() => outgoing.destroy());
    });
    // It leaves it to the gateway when an idle connection is closed.
    http.keepAliveTimeout = 0;
    http.on("connection", (socket: Socket) => this.#connected(socket));
    http.listen(this.#port, "127.0.0.1");
    await once(http, "listening");
    this.#http = http;
  }

  /** Breaks every connection, in the middle of whatever it carries, and refuses new ones. */
  async kill(): Promise<void> {
    const http = this.#http;
    if (http === undefined) return;
    this.#http = undefined;
    const closed = once(http, "close");
    http.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    this.#socketsPeak = Math.max(this.#socketsPeak, this.#sockets.size);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (incoming.method !== "POST") {
      outgoing.writeHead(405).end();
      return;
    }
    const message = await messageIn(incoming);
    if (message.id === undefined) {
      outgoing.writeHead(202).end();
      return;
    }
    if (message.method === "tools/call") await this.#answerCall(message, outgoing);
    else send(outgoing, message, this.#answerTo(message));
  }

  async #answerCall(message: Message, outgoing: ServerResponse): Promise<void> {
    const arrival = {
      tool: message.params.name,
      order: message.params.arguments.order,
      atMs: performance.now(),
    };
    if (this.#arrivals.length < ARRIVALS_MAX) this.#arrivals.push(arrival);
    const reply = this.reply(arrival);
    switch (reply.kind) {
      case "answer": {
        if (reply.afterMs !== undefined) await delay(reply.afterMs);
        if (outgoing.destroyed) return;
        const text = `${this.name} did ${arrival.tool} ${arrival.order}`.trimEnd();
        send(outgoing, message, { result: { content: [{ type: "text", text }] } });
        this.#answered++;
        return;
      }
      case "status": {
        const { status, retryAfterSeconds } = reply;
        if (retryAfterSeconds !== undefined)
          outgoing.setHeader("retry-after", String(retryAfterSeconds));
        outgoing.writeHead(status).end();
        return;
      }
      case "reset":
        outgoing.socket?.resetAndDestroy();
    }
  }

  #answerTo({ method }: Message): Record<string, unknown> {
    switch (method) {
      case "server/discover":
        return {
          result: {
            supportedVersions: ["2026-07-28"],
            capabilities: { tools: {} },
            ttlMs: 0,
            cacheScope: "private",
            _meta: { "io.modelcontextprotocol/serverInfo": { name: this.name, version: "1.0.0" } },
          },
        };
      case "tools/list":
        return {
          result: {
            tools: Object.entries(this.#tools).map(([name, annotations]) => ({
              name,
              description: `Does ${name} for an order.`,
              inputSchema: { type: "object", properties: { order: { type: "string" } } },
              annotations,
            })),
            ttlMs: 60_000,
            cacheScope: "public",
          },
        };
      default:
        return { error: { code: -32601, message: "Method not found" } };
    }
  }
}

const messageSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string(),
  params: z
    .object({
      name: z.string().default(""),
      arguments: z.object({ order: z.string().default("") }).prefault({}),
    })
    .prefault({}),
});

type Message = z.infer<typeof messageSchema>;

async function messageIn(incoming: IncomingMessage): Promise<Message> {
  let text = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) text += String(chunk);
  return messageSchema.parse(JSON.parse(text));
}

function send(outgoing: ServerResponse, { id }: Message, answer: Record<string, unknown>): void {
  const result = answer["result"];
  const whole =
    typeof result === "object" ? { result: { ...result, resultType: "complete" } } : answer;
  const body = JSON.stringify({ jsonrpc: "2.0", id, ...whole });
  outgoing.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  outgoing.end(body);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
