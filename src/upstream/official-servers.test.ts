// The servers of the official SDKs, behind lanes: 2.x speaks both eras, 1.x has sessions and HTTP+SSE.
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { InMemoryEventStore } from "@modelcontextprotocol/sdk/examples/shared/inMemoryEventStore.js";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { createMcpHandler, McpServer as McpServer2 } from "@modelcontextprotocol/server";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { silentLog, systemClock } from "../foundation/index.ts";
import {
  isJsonObject,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
} from "../protocol/index.ts";
import { ask } from "./ask.ts";
import { modernMeta } from "./era-probe.ts";
import type { Lane } from "./lane.ts";
import type { ServerOptions } from "./server-options.ts";
import { fakeContext, HeardLane } from "./transports/fake-http-server.ts";
import { connectionPoolOptions } from "./connection-pool-options.ts";
import { UpstreamServer } from "./upstream-server.ts";

describe("a server of SDK 2", () => {
  test.each(["auto", "legacy"] as const)("answers a lane opened as %s", async (era) => {
    const { url } = await sdk2();
    const lane = await connect({ url, protocol_era: era });
    expect(lane.era).toBe(era === "auto" ? "modern" : "legacy");
    expect(lane.serverInfo).toMatchObject({ name: "sdk2" });
    const result = await callTool(lane, "echo", { text: "größe" });
    expect(result).toMatchObject({ content: [{ type: "text", text: "größe" }] });
    const unknown = await ask(lane, "tools/nothing", metaFor(lane), { timeoutMs: 5000 });
    expect(unknown.error?.code).toBe(-32601);
  });

  test("sends progress during a modern call, and a cancelled call is aborted", async () => {
    const { url, aborted } = await sdk2();
    const lane = await connect({ url });
    const heard: string[] = [];
    const stop = new AbortController();
    const params = {
      name: "slow",
      arguments: {},
      _meta: { ...modernMeta(fakeContext), progressToken: "p" },
    };
    const answer = ask(lane, "tools/call", params, {
      timeoutMs: 20_000,
      signal: stop.signal,
      onMessage: (message) => heard.push(JSON.stringify(message.params)),
    });
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0), { timeout: 5000 });
    expect(heard[0]).toContain('"progressToken":"p"');
    stop.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
    await vi.waitFor(() => expect(aborted.count).toBe(1), { timeout: 5000 });
  });

  test("reports changed lists and watched resources through one listen", async () => {
    const { url, notify, listeners } = await sdk2();
    const server = upstream({ url });
    const heard: unknown[] = [];
    server.events.on("listChanged", ({ kind }) => heard.push(kind));
    server.events.on("resourceUpdated", ({ uri }) => heard.push(uri));
    await server.lane({ kind: "shared" }, AbortSignal.timeout(5000));
    await vi.waitFor(() => expect(listeners()).toBe(1), { timeout: 5000 });
    notify.toolsChanged();
    await vi.waitFor(() => expect(heard).toEqual(["tools"]));
    void server.setResourceInterest(new Set(["test://a"]));
    await vi.waitFor(
      () => {
        notify.resourceUpdated("test://a");
        expect(heard).toContain("test://a");
      },
      { timeout: 5000 },
    );
    await vi.waitFor(() => expect(listeners()).toBe(1));
    await server.close();
    await vi.waitFor(() => expect(listeners()).toBe(0), { timeout: 5000 });
  });
});

describe("a server of SDK 1 over streamable HTTP", () => {
  test("has a session, which is opened anew when it was forgotten", async () => {
    const { url, forget } = await sdk1();
    const lane = await connect({ url });
    expect(lane).toMatchObject({ era: "legacy", revision: "2025-11-25" });
    expect(await callTool(lane, "echo", { text: "one" })).toMatchObject({
      content: [{ text: "one" }],
    });
    await forget();
    expect(await callTool(lane, "echo", { text: "two" })).toMatchObject({
      content: [{ text: "two" }],
    });
  });

  test("may close the stream of a call and be asked for the answer later", async () => {
    const { url } = await sdk1();
    const lane = await connect({ url });
    expect(await callTool(lane, "polled", {})).toMatchObject({ content: [{ text: "at last" }] });
  });

  test("reports changed lists on its own stream", async () => {
    const { url, servers } = await sdk1();
    const server = upstream({ url });
    const heard: unknown[] = [];
    server.events.on("listChanged", ({ kind }) => heard.push(kind));
    await server.lane({ kind: "shared" }, AbortSignal.timeout(5000));
    await vi.waitFor(
      () => {
        for (const one of servers.values()) one.sendToolListChanged();
        expect(heard).toContain("tools");
      },
      { timeout: 5000 },
    );
  });

  test.each(["asks", "asks within"])("%s the client of a session lane in a call", async (name) => {
    const { url } = await sdk1();
    const server = upstream({ url });
    const listener = new HeardLane();
    const lane = await server.lane(
      {
        kind: "session",
        id: "c1",
        clientInfo: { name: "client", version: "3" },
        capabilities: { elicitation: {} },
        listener,
      },
      AbortSignal.timeout(5000),
    );
    const asked: JsonObject[] = [];
    listener.request = (message) => {
      if (!("id" in message)) return;
      asked.push(message.params ?? {});
      const result = { action: "accept", content: { name: "Ada" } };
      lane.respond({ jsonrpc: "2.0", id: message.id, result });
    };
    const params = { name, arguments: {} };
    const onMessage = (message: JsonRpcNotification | JsonRpcRequest): void =>
      listener.request(message);
    const response = await ask(lane, "tools/call", params, { timeoutMs: 5000, onMessage });
    expect(asked[0]).toMatchObject({ message: "Who?" });
    expect(response.result).toMatchObject({ content: [{ text: "Ada" }] });
  });
});

describe("a server of SDK 1 over HTTP+SSE", () => {
  test.each([undefined, "http-sse"] as const)("is found with transport = %s", async (transport) => {
    const { url } = await sdk1Sse();
    const lane = await connect({ url, ...(transport && { transport }) });
    expect(lane.era).toBe("legacy");
    const texts = ["a", "b", "c"];
    const results = await Promise.all(texts.map((text) => callTool(lane, "echo", { text })));
    for (const [index, text] of texts.entries())
      expect(results[index]).toMatchObject({ content: [{ text }] });
  });

  test("fails what is in flight when its stream ends", async () => {
    const { url, hangUp } = await sdk1Sse();
    const lane = await connect({ url, transport: "http-sse" });
    const answer = callTool(lane, "slow", {});
    await delay(50);
    hangUp();
    await expect(answer).rejects.toMatchObject({ code: "SERVER_CLOSED" });
    expect(lane.closed).toBe(true);
  });
});

function upstream(options: ServerOptions): UpstreamServer {
  const server = new UpstreamServer(
    { name: "peer", options, origin: "config" },
    {
      log: silentLog,
      clock: systemClock,
      options: {
        clientInfo: { name: "gateway", version: "1" },
        guards: { connection_pool: connectionPoolOptions.parse({ connection_timeout: 5000 }) },
      },
    },
  );
  onTestFinished(() => server.close());
  return server;
}

function connect(options: ServerOptions): Promise<Lane> {
  return upstream(options).lane({ kind: "shared" }, AbortSignal.timeout(10_000));
}

async function callTool(lane: Lane, name: string, args: JsonObject): Promise<JsonObject> {
  const params = { name, arguments: args, ...metaFor(lane) };
  const response = await ask(lane, "tools/call", params, { timeoutMs: 10_000 });
  if (!isJsonObject(response.result)) throw new Error(JSON.stringify(response));
  return response.result;
}

function metaFor(lane: Lane): JsonObject {
  return lane.era === "modern" ? { _meta: modernMeta(fakeContext) } : {};
}

interface Sdk2 {
  url: string;
  aborted: { count: number };
  notify: ReturnType<typeof createMcpHandler>["notify"];
  listeners: () => number;
}

async function sdk2(): Promise<Sdk2> {
  const aborted = { count: 0 };
  const handler = createMcpHandler(() => {
    const server = new McpServer2({ name: "sdk2", version: "1" });
    server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
      content: [{ type: "text", text }],
    }));
    server.registerTool("slow", { inputSchema: z.object({}) }, async (_args, context) => {
      const { signal, _meta } = context.mcpReq;
      signal.addEventListener("abort", () => aborted.count++);
      for (let progress = 1; !signal.aborted && progress < 200; progress++) {
        const progressToken = _meta?.progressToken ?? 0;
        const params = { progressToken, progress };
        await context.mcpReq.notify({ method: "notifications/progress", params });
        await delay(50);
      }
      return { content: [] };
    });
    server.registerResource("a", "test://a", {}, () => ({
      contents: [{ uri: "test://a", text: "a" }],
    }));
    server.server.registerCapabilities({ resources: { subscribe: true, listChanged: true } });
    return server;
  });
  const url = await listen(async (request, response) => {
    const stop = new AbortController();
    response.once("close", () => stop.abort());
    const body = await bodyOf(request);
    const answer = await handler.fetch(
      new Request(`http://127.0.0.1${request.url}`, {
        method: request.method ?? "GET",
        headers: headersOf(request),
        signal: stop.signal,
        ...(body.length > 0 && { body }),
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    try {
      for await (const chunk of answer.body ?? []) response.write(chunk);
    } catch {
      // The client went away.
    }
    response.end();
  });
  onTestFinished(() => handler.close());
  const { bus } = handler;
  const listeners = (): number => ("listenerCount" in bus ? Number(bus.listenerCount) : -1);
  return { url, aborted, notify: handler.notify, listeners };
}

function server1(polled?: (requestId: string | number) => void): McpServer1 {
  const server = new McpServer1({ name: "sdk1", version: "1" });
  server.registerTool("echo", { inputSchema: { text: z.string() } }, ({ text }) => ({
    content: [{ type: "text", text }],
  }));
  server.registerTool("slow", {}, async () => {
    await delay(20_000, undefined, { ref: false });
    return { content: [] };
  });
  server.registerTool("polled", {}, async ({ requestId }) => {
    polled?.(requestId);
    await delay(300);
    return { content: [{ type: "text", text: "at last" }] };
  });
  const question = {
    message: "Who?",
    requestedSchema: { type: "object" as const, properties: { name: { type: "string" as const } } },
  };
  server.registerTool("asks", {}, async () => {
    const answer = await server.server.elicitInput(question);
    return { content: [{ type: "text", text: String(answer.content?.["name"]) }] };
  });
  server.registerTool("asks within", {}, async ({ sendRequest }) => {
    const request = { method: "elicitation/create" as const, params: question };
    const answer = await sendRequest(request, ElicitResultSchema);
    return { content: [{ type: "text", text: String(answer.content?.["name"]) }] };
  });
  return server;
}

interface Sdk1 {
  url: string;
  servers: Map<string, McpServer1>;
  forget: () => Promise<void>;
}

async function sdk1(): Promise<Sdk1> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const servers = new Map<string, McpServer1>();
  const url = await listen(async (request, response) => {
    const session = request.headers["mcp-session-id"];
    const known = typeof session === "string" ? transports.get(session) : undefined;
    const text = (await bodyOf(request)).toString();
    if (known !== undefined) {
      await known.handleRequest(request, response, text === "" ? undefined : JSON.parse(text));
      return;
    }
    if (!text.includes('"initialize"')) {
      const error = { code: -32001, message: "Session not found" };
      const status = session === undefined ? 400 : 404;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
      return;
    }
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: new InMemoryEventStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => {
        transports.set(id, transport);
        servers.set(id, server);
      },
    });
    const server = server1((requestId) => transport.closeSSEStream(requestId));
    await server.connect(transport);
    await transport.handleRequest(request, response, JSON.parse(text));
  });
  const forget = async (): Promise<void> => {
    for (const transport of transports.values()) await transport.close();
    transports.clear();
  };
  onTestFinished(forget);
  return { url, servers, forget };
}

async function sdk1Sse(): Promise<{ url: string; hangUp: () => void }> {
  const transports = new Map<string, SSEServerTransport>();
  const streams: ServerResponse[] = [];
  const url = await listen(async (request, response) => {
    const path = new URL(request.url ?? "", "http://x");
    if (request.method === "GET") {
      streams.push(response);
      const transport = new SSEServerTransport("/messages", response);
      transports.set(transport.sessionId, transport);
      await server1().connect(transport);
      return;
    }
    const transport = transports.get(path.searchParams.get("sessionId") ?? "");
    if (path.pathname === "/messages" && transport !== undefined)
      await transport.handlePostMessage(request, response);
    else response.writeHead(405).end();
  });
  const hangUp = (): void => {
    for (const stream of streams) stream.destroy();
  };
  return { url, hangUp };
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<string> {
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/mcp`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function headersOf(request: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (typeof value === "string") headers.set(name, value);
  return headers;
}
