// An MCP server over HTTP whose tools say other things when a test wants it, and tell so.
import { once } from "node:events";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

export interface ChangingServer extends AsyncDisposable {
  readonly url: string;
  /** Tools that were called, in order. */
  readonly called: readonly string[];
  /** From now on the tools are these, by name and description; sessions that are open are told. */
  offer(tools: Readonly<Record<string, string>>): void;
}

export async function startChangingServer(
  first: Readonly<Record<string, string>>,
): Promise<ChangingServer> {
  let offered = first;
  const called: string[] = [];
  const sessions = new Map<
    string,
    { server: Offering; transport: StreamableHTTPServerTransport }
  >();
  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const server = new Offering(called);
    server.offer(offered);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
    });
    await server.mcp.connect(transport);
    return transport;
  };
  const http = createServer((req, res) => {
    const id = req.headers["mcp-session-id"];
    const known = typeof id === "string" ? sessions.get(id)?.transport : undefined;
    const take = async (): Promise<void> => {
      await (known ?? (await open())).handleRequest(req, res);
    };
    take().catch(() => res.destroy());
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    called,
    offer: (tools) => {
      offered = tools;
      for (const { server } of sessions.values()) server.offer(tools);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { server } of sessions.values()) await server.mcp.close();
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
}

class Offering {
  readonly mcp = new McpServer({ name: "changing", version: "1.0.0" });
  readonly #tools = new Map<string, ReturnType<McpServer["registerTool"]>>();
  readonly #called: string[];

  constructor(called: string[]) {
    this.#called = called;
  }

  offer(tools: Readonly<Record<string, string>>): void {
    for (const [name, tool] of this.#tools) {
      if (name in tools) continue;
      tool.remove();
      this.#tools.delete(name);
    }
    for (const [name, description] of Object.entries(tools)) {
      const tool = this.#tools.get(name);
      if (tool !== undefined) {
        tool.update({ description });
        continue;
      }
      const made = this.mcp.registerTool(name, { description }, () => {
        this.#called.push(name);
        return { content: [{ type: "text", text: `${name} was called` }] };
      });
      this.#tools.set(name, made);
    }
  }
}
