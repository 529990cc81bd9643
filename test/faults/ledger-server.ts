import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/foundation/index.ts";
import type { Era } from "../../src/protocol/index.ts";
import { Ledger } from "./ledger.ts";
import {
  callAnswer,
  callIn,
  invalidCall,
  plainAnswer,
  readMessage,
  type LedgerArguments,
  type LedgerFailure,
  type LedgerMessage,
  type LedgerToolName,
} from "./ledger-tools.ts";
import { seededRandom } from "./seeded-random.ts";
import { bodyOf, sendJson } from "../support/node-json.ts";

/** How a server is disposed as a whole, beside what its calls ask for. */
export interface Mood {
  /** The share of calls that fail by status 500, from 0 to 1; they are executed before. */
  failShare?: number;
  /** Every answer to a call comes so much later. */
  delayMs?: number;
  /** Every request is refused with status 401, and nothing is executed: the credentials have expired. */
  refuses?: boolean;
}

export interface LedgerServerOptions {
  /** By which the ledger names it; default "ledger". */
  name?: string;
  /** Default both. */
  era?: Era | "both";
  /** Shared by the endpoints of one server; by default its own. */
  ledger?: Ledger;
  /** Of the share of failures; default 1. */
  seed?: number;
}

const greetingsMax = 10_000;

/** A session that was begun: at which path with its query, and when in monotonic milliseconds. */
export interface Greeting {
  readonly path: string;
  readonly at: number;
}
/** How long a caller who was turned away is asked to wait. */
const retryAfterSeconds = 1;

/**
 * An MCP server over HTTP that notes each execution in its ledger before it answers or fails, so that a repeated call
 * shows as a second execution. `GET /ledger` answers what is in it. In a legacy era it also holds open the stream that
 * clients ask for, on which nothing ever comes.
 */
export class LedgerServer {
  readonly ledger: Ledger;
  readonly #name: string;
  readonly #era: Era | "both";
  readonly #random: () => number;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #greetings: Greeting[] = [];
  #mood: Mood = {};
  #port = 0;

  private constructor(options: LedgerServerOptions) {
    this.#name = options.name ?? "ledger";
    this.#era = options.era ?? "both";
    this.ledger = options.ledger ?? new Ledger();
    this.#random = seededRandom(options.seed ?? 1);
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  /** Listens on a free port of 127.0.0.1. */
  static async start(options: LedgerServerOptions = {}): Promise<LedgerServer> {
    const server = new LedgerServer(options);
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    const address = server.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("it has no port");
    server.#port = address.port;
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/mcp`;
  }

  /** The sessions that were begun with it; at most the last 10,000. */
  get greetings(): readonly Greeting[] {
    return this.#greetings;
  }

  setMood(mood: Mood): void {
    this.#mood = mood;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (incoming.method === "GET" && incoming.url === "/ledger") {
      sendJson(outgoing, { entries: this.ledger.entries });
      return;
    }
    if (this.#mood.refuses === true) {
      incoming.resume();
      outgoing.writeHead(401, { "www-authenticate": "Bearer" }).end();
      return;
    }
    if (incoming.method === "GET" && this.#era !== "modern") {
      outgoing.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      return;
    }
    if (incoming.method !== "POST") {
      outgoing.writeHead(405).end();
      return;
    }
    const message = readMessage(await bodyOf(incoming));
    if (message.method === "initialize") this.#greet(incoming.url ?? "");
    if (message.id === undefined) outgoing.writeHead(202).end();
    else if (message.method !== "tools/call") sendJson(outgoing, plainAnswer(message, this.#era));
    else await this.#call(message, outgoing);
  }

  #greet(path: string): void {
    this.#greetings.push({ path, at: systemClock.monotonicMs() });
    if (this.#greetings.length > greetingsMax) this.#greetings.shift();
  }

  async #call(message: LedgerMessage, outgoing: ServerResponse): Promise<void> {
    const call = callIn(message);
    if (call === undefined) {
      sendJson(outgoing, invalidCall(message));
      return;
    }
    const { tool, args } = call;
    const failure = this.#failureOf(args);
    this.#note(tool, args, failure === "throttle429" ? "turned away" : "executed");
    const delayMs = args.delayMs + (this.#mood.delayMs ?? 0);
    if (delayMs > 0) await delay(delayMs, undefined, { signal: this.#closing.signal });
    if (failure === undefined) sendJson(outgoing, callAnswer(message, tool, args));
    else fail[failure](outgoing);
  }

  #failureOf({
    id,
    fail: asked,
    failTimes = Infinity,
  }: LedgerArguments): LedgerFailure | undefined {
    if (asked !== undefined && this.ledger.timesSeen(id) < failTimes) return asked;
    const { failShare = 0 } = this.#mood;
    return failShare > 0 && this.#random() < failShare ? "status500" : undefined;
  }

  #note(tool: LedgerToolName, { id }: LedgerArguments, what: "executed" | "turned away"): void {
    this.ledger.write({ server: this.#name, tool, id, what });
  }
}

const fail: Record<LedgerFailure, (outgoing: ServerResponse) => void> = {
  status500: (outgoing) => {
    outgoing.writeHead(500).end("Internal error");
  },
  reset: (outgoing) => {
    outgoing.socket?.resetAndDestroy();
  },
  garbage: (outgoing) => {
    outgoing.writeHead(200, { "content-type": "application/json" }).end("<<< not JSON >>>");
  },
  hang: () => undefined,
  throttle429: (outgoing) => {
    outgoing.writeHead(429, { "retry-after": String(retryAfterSeconds) }).end("Too many requests");
  },
  // Over HTTP there is no process to end: the connection does.
  crash: (outgoing) => {
    outgoing.destroy();
  },
};
