import { randomUUID } from "node:crypto";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { createEventStore } from "./event-store.ts";
import { createEverything } from "./everything.ts";
import type { World } from "./world.ts";

const retryMs = 100;

/** Serves the revisions with sessions: a server instance per session, resumable streams, 404 for a session that ended. */
export class Sessions {
  readonly #world: World;
  readonly #transports = new Map<string, WebStandardStreamableHTTPServerTransport>();

  constructor(world: World) {
    this.#world = world;
  }

  async fetch(request: Request): Promise<Response> {
    const id = request.headers.get("mcp-session-id");
    if (id === null) return await (await this.#open()).handleRequest(request);
    const transport = this.#transports.get(id);
    return transport ? await transport.handleRequest(request) : sessionNotFound();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()));
  }

  async #open(): Promise<WebStandardStreamableHTTPServerTransport> {
    const server = createEverything(this.#world, { era: "legacy", lasting: true });
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: createEventStore(),
      retryInterval: retryMs,
      onsessioninitialized: (id) => {
        this.#transports.set(id, transport);
      },
      onsessionclosed: (id) => {
        this.#transports.delete(id);
      },
    });
    await server.connect(transport);
    return transport;
  }
}

function sessionNotFound(): Response {
  const error = { code: -32001, message: "Session not found" };
  return Response.json({ jsonrpc: "2.0", id: null, error }, { status: 404 });
}
