// For tests: an HTTP server that behaves exactly as badly as its handler, and an ear for one exchange.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { systemClock, silentLog, type SignalboxError } from "../../foundation/index.ts";
import {
  isJsonObject,
  parseJson,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
} from "../../protocol/index.ts";
import type { ExchangeSink, LaneContext, LaneListener, TransportDeps } from "../lane.ts";

/** One request as the server received it. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; empty where it is none. */
  readonly message: JsonObject;
  /** Settles when the client has closed the connection, or the response has ended. */
  readonly gone: Promise<void>;
}

export interface FakeHttpServer extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** The requests whose JSON-RPC method is `method`. */
  calls(method: string): Received[];
  /** Connections: how many there were, are, and were at most at the same time. */
  readonly connections: { readonly made: number; readonly open: number; readonly most: number };
  /** Closes the connections that carry no request. */
  closeIdle(): void;
  close(): Promise<void>;
}

/** Listens on an ephemeral port and leaves every answer to `handle`. `keepAliveMs`: how long it keeps idle connections. */
export async function fakeHttpServer(
  handle: (request: Received, response: ServerResponse) => void | Promise<void>,
  { keepAliveMs }: { keepAliveMs?: number } = {},
): Promise<FakeHttpServer> {
  const received: Received[] = [];
  const connections = { made: 0, open: 0, most: 0 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const one: Received = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        text,
        message: messageIn(text),
        gone: new Promise((resolve) => response.once("close", resolve)),
      };
      received.push(one);
      void handle(one, response);
    });
  });
  if (keepAliveMs !== undefined) server.keepAliveTimeout = keepAliveMs;
  server.on("connection", (socket) => {
    connections.made++;
    connections.most = Math.max(connections.most, ++connections.open);
    socket.once("close", () => connections.open--);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    received,
    calls: (method) => received.filter((one) => one.message["method"] === method),
    connections,
    closeIdle: () => server.closeIdleConnections(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Answers with one JSON document. */
export function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Begins an event stream. */
export function events(response: ServerResponse, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "text/event-stream", ...headers });
  response.flushHeaders();
}

/** Writes one event. */
export function event(response: ServerResponse, message: unknown, id?: string): void {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  response.write(`${id === undefined ? "" : `id: ${id}\n`}data: ${text}\n\n`);
}

/** Does the legacy handshake, where the request is part of it; true when it was. */
export function handshake(
  request: Received,
  response: ServerResponse,
  options: { session?: string; revision?: string; capabilities?: JsonObject } = {},
): boolean {
  const { session, revision = "2025-11-25", capabilities = { tools: {} } } = options;
  const { method, id } = request.message;
  const headers: Record<string, string> =
    session === undefined ? {} : { "mcp-session-id": session };
  if (method === "initialize") {
    const serverInfo = { name: "fake", version: "1" };
    json(
      response,
      { jsonrpc: "2.0", id, result: { protocolVersion: revision, capabilities, serverInfo } },
      200,
      headers,
    );
  } else if (method === "notifications/initialized") response.writeHead(202).end();
  else if (request.method === "DELETE") response.writeHead(200).end();
  else if (request.method === "GET") response.writeHead(405).end();
  else return false;
  return true;
}

/** Answers `server/discover`, where the request is that; true when it was. */
export function discovery(
  request: Received,
  response: ServerResponse,
  capabilities: JsonObject = { tools: {} },
  more: JsonObject = {},
): boolean {
  if (request.message["method"] !== "server/discover") return false;
  json(response, {
    jsonrpc: "2.0",
    id: request.message["id"],
    result: {
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities,
      ...more,
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "fake", version: "2" } },
    },
  });
  return true;
}

/** Hears one exchange and remembers it all. */
export class Heard implements ExchangeSink {
  readonly messages: JsonObject[] = [];
  readonly chunks: Buffer[] = [];
  endings = 0;
  begun: { length: number | undefined } | undefined;
  /** Set to pause the server after this many chunks. */
  pauseAfter = Infinity;
  readonly #done = Promise.withResolvers<Buffer>();
  /** The whole answer, however it came. */
  readonly body = this.#done.promise;

  constructor() {
    this.body.catch(() => undefined);
  }

  get json(): Promise<JsonObject> {
    return this.body.then((body) => messageIn(body.toString()));
  }

  /** The error that ended the exchange; rejects where it was answered. */
  get failure(): Promise<SignalboxError> {
    return this.body.then(
      (body) => {
        throw new Error(`it was answered: ${body.toString().slice(0, 200)}`);
      },
      (error: SignalboxError) => error,
    );
  }

  message(message: object): void {
    this.messages.push(isJsonObject(message) ? message : {});
  }
  answer(body: Buffer): void {
    this.endings++;
    this.#done.resolve(body);
  }
  begin(firstBytes: Buffer, length: number | undefined): void {
    this.begun = { length };
    this.chunks.push(firstBytes);
  }
  chunk(bytes: Buffer): boolean {
    this.chunks.push(bytes);
    return this.chunks.length < this.pauseAfter;
  }
  end(): void {
    this.endings++;
    this.#done.resolve(Buffer.concat(this.chunks));
  }
  fail(error: SignalboxError): void {
    this.endings++;
    this.#done.reject(error);
  }
}

/** Hears what belongs to no exchange. */
export class HeardLane implements LaneListener {
  readonly notifications: JsonObject[] = [];
  readonly requests: JsonObject[] = [];
  readonly ends: SignalboxError[] = [];
  renewals = 0;
  notification(message: object): void {
    this.notifications.push(isJsonObject(message) ? message : {});
  }
  request(message: JsonRpcRequest | JsonRpcNotification): void {
    this.requests.push({ ...message });
  }
  closed(error: SignalboxError): void {
    this.ends.push(error);
  }
  renewed(): void {
    this.renewals++;
  }
}

/** What a lane needs besides, with small bounds where `more` says so. */
export function fakeDeps(more: Partial<TransportDeps> = {}): TransportDeps {
  return {
    serverName: "peer",
    log: silentLog,
    clock: systemClock,
    responseBytesMax: 64 * 1024 * 1024,
    inspectBytesMax: 1024 * 1024,
    connectTimeoutMs: 5000,
    ...more,
  };
}

export const fakeContext: LaneContext = {
  clientInfo: { name: "tests", version: "1" },
  capabilities: {},
  shared: true,
};

function messageIn(text: string): JsonObject {
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
