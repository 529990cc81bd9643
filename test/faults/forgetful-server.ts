import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { newId } from "../../src/foundation/index.ts";
import { Ledger } from "./ledger.ts";
import { callAnswer, callIn, invalidCall, plainAnswer, readMessage } from "./ledger-tools.ts";
import { bodyOf, sendJson } from "../support/node-json.ts";

/** How a server says that it does not know a session: each way is one that servers in use have. */
const forgottenDialects = {
  /** The specification's own, with nothing to read. */
  "404": { status: 404, body: "Session not found" },
  /** The SDK's, when asked for a session that ended. */
  "404 with an error": {
    status: 404,
    body: errorBody(null, -32001, "Session not found"),
  },
  /** That of many servers built on the SDK's examples. */
  "400 with -32000": {
    status: 400,
    body: errorBody(null, -32000, "Bad Request: session not found"),
  },
} as const;

export type ForgottenDialect = keyof typeof forgottenDialects;

/** When a session may be forgotten: as a request arrives, as its `initialize` was answered, while a call is under way. */
export type Moment = "before a request" | "after initialize" | "during a call";

export interface ForgetfulServerOptions {
  /** By which the ledger names it. */
  name: string;
  dialect: ForgottenDialect;
  /** Shared by several servers; default its own. */
  ledger?: Ledger;
}

/** Bodies of requests; longer ones are broken off. */

/**
 * A legacy MCP server over HTTP with the ledger tools, which forgets sessions when `forgets` says so. A call that it has
 * taken in it executes and answers, also when its session is forgotten meanwhile; any other is refused unexecuted.
 */
export class ForgetfulServer {
  readonly ledger: Ledger;
  /** Asked at every moment at which a session may end; default never. */
  forgets: (moment: Moment) => boolean = () => false;
  /** Whether the streams of a forgotten session end with it. */
  endsStreams = false;
  /** The answer to `initialize` comes so much later. */
  initializeDelayMs = 0;
  readonly #name: string;
  readonly #dialect: ForgottenDialect;
  readonly #server: Server;
  readonly #closing = new AbortController();
  /** The open streams of each session. */
  readonly #sessions = new Map<string, Set<ServerResponse>>();
  /** The ids of calls that were refused and have not come again. */
  readonly #refused = new Set<string>();
  #initialized = 0;
  #forgotten = 0;
  #port = 0;

  private constructor(options: ForgetfulServerOptions) {
    this.#name = options.name;
    this.#dialect = options.dialect;
    this.ledger = options.ledger ?? new Ledger();
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(options: ForgetfulServerOptions): Promise<ForgetfulServer> {
    const server = new ForgetfulServer(options);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    const address = server.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("it has no port");
    server.#port = address.port;
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** How many sessions were opened. */
  get initialized(): number {
    return this.#initialized;
  }

  /** How many sessions it forgot. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** How many calls were refused for their session and have not come again. */
  get owed(): number {
    return this.#refused.size;
  }

  /** As a restart does. */
  forgetAll(): void {
    for (const session of this.#sessions.keys()) this.#forget(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const session = String(incoming.headers["mcp-session-id"] ?? "");
    if (incoming.method === "POST") await this.#post(incoming, outgoing, session);
    else if (!this.#sessions.has(session)) this.#refuse(outgoing);
    else if (incoming.method === "GET") this.#stream(outgoing, session);
    else {
      this.#sessions.delete(session);
      outgoing.writeHead(204).end();
    }
  }

  #stream(outgoing: ServerResponse, session: string): void {
    const streams = this.#sessions.get(session);
    streams?.add(outgoing);
    outgoing.once("close", () => streams?.delete(outgoing));
    outgoing.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  }

  async #post(incoming: IncomingMessage, outgoing: ServerResponse, session: string): Promise<void> {
    const message = readMessage(await bodyOf(incoming));
    if (message.method === "initialize") {
      await this.#initialize(outgoing, plainAnswer(message, "legacy"));
      return;
    }
    if (session === "") {
      const body = errorBody(null, -32000, "Bad Request: Mcp-Session-Id header is required");
      outgoing.writeHead(400, { "content-type": "application/json" }).end(body);
      return;
    }
    const call = message.method === "tools/call" ? callIn(message) : undefined;
    if (this.#sessions.has(session) && this.forgets("before a request")) this.#forget(session);
    if (!this.#sessions.has(session)) {
      if (call !== undefined) this.#refused.add(call.args.id);
      this.#refuse(outgoing);
    } else if (message.id === undefined) {
      outgoing.writeHead(202).end();
    } else if (message.method !== "tools/call") {
      sendJson(outgoing, plainAnswer(message, "legacy"));
    } else if (call === undefined) {
      sendJson(outgoing, invalidCall(message));
    } else {
      const { tool, args } = call;
      this.#refused.delete(args.id);
      this.ledger.write({ server: this.#name, tool, id: args.id, what: "executed" });
      if (this.forgets("during a call")) this.#forget(session);
      if (args.delayMs > 0) await delay(args.delayMs, undefined, { signal: this.#closing.signal });
      sendJson(outgoing, callAnswer(message, tool, args));
    }
  }

  async #initialize(outgoing: ServerResponse, answer: object): Promise<void> {
    const session = newId("session");
    this.#initialized += 1;
    if (this.initializeDelayMs > 0)
      await delay(this.initializeDelayMs, undefined, { signal: this.#closing.signal });
    this.#sessions.set(session, new Set());
    outgoing.setHeader("mcp-session-id", session);
    sendJson(outgoing, answer);
    if (this.forgets("after initialize")) this.#forget(session);
  }

  #forget(session: string): void {
    const streams = this.#sessions.get(session);
    if (streams === undefined) return;
    this.#forgotten += 1;
    this.#sessions.delete(session);
    if (this.endsStreams) for (const stream of streams) stream.end();
  }

  #refuse(outgoing: ServerResponse): void {
    const { status, body } = forgottenDialects[this.#dialect];
    const type = body.startsWith("{") ? "application/json" : "text/plain";
    outgoing.writeHead(status, { "content-type": type }).end(body);
  }
}

function errorBody(id: string | number | null, code: number, message: string): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });
}
