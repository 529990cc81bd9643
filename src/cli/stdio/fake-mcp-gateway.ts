// For tests: a gateway's /mcp on both eras, served by the protocol's official servers.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { McpServer as LegacyServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
}

export class FakeMcpGateway implements AsyncDisposable {
  readonly key = "sbx_test-key";
  readonly seen: SeenRequest[] = [];
  /** Calls of the tool `wait` that began, and how many of them were cancelled. */
  waiting = 0;
  cancelled = 0;
  readonly #modern = createMcpHandler(() => this.#modernServer(), { legacy: "reject" });
  readonly #sessions = new Map<
    string,
    { transport: StreamableHTTPServerTransport; server: LegacyServer }
  >();
  #server: Server = createServer();
  #port = 0;

  static async start(): Promise<FakeMcpGateway> {
    const gateway = new FakeMcpGateway();
    await gateway.listen();
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  /** Begins to listen, on the port it had before when it listened before. */
  async listen(): Promise<void> {
    this.#server = createServer((request, response) => {
      void this.#handle(request, response);
    });
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  /** Stops as a killed process does: connections broken, sessions forgotten. */
  async kill(): Promise<void> {
    this.#sessions.clear();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Adds a tool to every legacy session's server, which tells its client. */
  addLegacyTool(name: string): void {
    for (const { server } of this.#sessions.values()) {
      server.registerTool(name, {}, () => ({ content: [] }));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#modern.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "", headers } = request;
    if (path === "/health") {
      response.end("{}");
      return;
    }
    this.seen.push({ method, path, headers });
    if (headers.authorization !== `Bearer ${this.key}`) {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(
        JSON.stringify({ code: "KEY_INVALID", message: "No such key.", requestId: "req_1" }),
      );
      return;
    }
    if (headers["mcp-protocol-version"] === "2026-07-28")
      await this.#answerModern(request, response);
    else await this.#legacy(request, response);
  }

  async #answerModern(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const gone = new AbortController();
    response.on("close", () => {
      gone.abort();
    });
    const answer = await this.#modern.fetch(
      new Request(`${this.url}${request.url ?? ""}`, {
        method: "POST",
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        body: Buffer.concat(chunks),
        signal: gone.signal,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body === null) response.end();
    else await pipeline(answer.body, response).catch(() => undefined);
  }

  async #legacy(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = request.headers["mcp-session-id"];
    if (typeof id === "string") {
      const session = this.#sessions.get(id);
      if (session === undefined) response.writeHead(404).end();
      else await session.transport.handleRequest(request, response);
      return;
    }
    const server = this.#legacyServer();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (session) => {
        this.#sessions.set(session, { transport, server });
      },
      onsessionclosed: (session) => {
        this.#sessions.delete(session);
      },
    });
    await server.connect(transport);
    await transport.handleRequest(request, response);
  }

  #modernServer(): McpServer {
    const server = new McpServer({ name: "modern", version: "1" });
    server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
      content: [{ type: "text", text }],
    }));
    server.registerTool(
      "region",
      { inputSchema: z.object({ region: z.string().meta({ "x-mcp-header": "Region" }) }) },
      ({ region }) => ({ content: [{ type: "text", text: `in ${region}` }] }),
    );
    server.registerTool("wait", {}, async (context) => {
      await this.#wait(context.mcpReq.signal);
      return { content: [] };
    });
    server.registerTool("steps", {}, async (context) => {
      const progressToken = context.mcpReq["_meta"]?.progressToken;
      for (const progress of [1, 2, 3]) {
        if (progressToken !== undefined) {
          await context.mcpReq.notify({
            method: "notifications/progress",
            params: { progressToken, progress, total: 3, message: `step ${String(progress)}` },
          });
        }
      }
      return { content: [{ type: "text", text: "three steps" }] };
    });
    server.registerTool("fails", {}, () => ({
      content: [{ type: "text", text: "it broke" }],
      isError: true,
    }));
    return server;
  }

  #legacyServer(): LegacyServer {
    const server = new LegacyServer({ name: "legacy", version: "1" });
    server.registerTool("echo", { inputSchema: { text: z.string() } }, ({ text }) => ({
      content: [{ type: "text", text }],
    }));
    server.registerTool("wait", {}, async ({ signal }) => {
      await this.#wait(signal);
      return { content: [] };
    });
    server.registerTool("ask", {}, async () => {
      const answer = await server.server.elicitInput({
        message: "Your name?",
        requestedSchema: { type: "object", properties: { name: { type: "string" } } },
      });
      return { content: [{ type: "text", text: JSON.stringify(answer) }] };
    });
    return server;
  }

  async #wait(signal: AbortSignal): Promise<void> {
    this.waiting += 1;
    if (!signal.aborted) await once(signal, "abort");
    this.cancelled += 1;
  }
}
