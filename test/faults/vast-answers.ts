// Answers far larger than anybody should hold, written as fast as their reader takes them and no faster.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import type { Era } from "../../src/protocol/index.ts";
import { bodyOf, sendJson } from "../support/node-json.ts";
import { plainAnswer, readMessage, type LedgerMessage } from "./ledger-tools.ts";

/** How an answer comes over HTTP, each by a tool of that name: with its length, in chunks, as one event. */
export const vastTools = ["length", "chunked", "event"] as const;

const block = Buffer.alloc(64 * 1024, "x");

/** Writes one JSON-RPC answer with a text of so many bytes, and stops where its reader goes away. */
export async function writeVast(out: Writable, id: unknown, textBytes: number): Promise<void> {
  out.write(headOf(id));
  for (let left = textBytes; left > 0 && !out.destroyed; left -= block.length)
    if (!out.write(block.subarray(0, left))) await drained(out);
  out.write(tail);
}

/** How long such an answer is. */
export function vastBytes(id: unknown, textBytes: number): number {
  return headOf(id).length + textBytes + tail.length;
}

function headOf(id: unknown): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete","content":[{"type":"text","text":"`;
}

const tail = '"}]}}';

async function drained(out: Writable): Promise<void> {
  const ended = new AbortController();
  const { signal } = ended;
  await Promise.race([once(out, "drain", { signal }), once(out, "close", { signal })]).catch(
    () => undefined,
  );
  ended.abort();
}

/** An MCP server with the three tools. */
export class VastAnswers implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    const address = server.address();
    this.#server = server;
    this.url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/mcp`;
  }

  static async start(era: Era, textBytes: number): Promise<VastAnswers> {
    const server = createServer((incoming, outgoing) => {
      serve(incoming, outgoing, era, textBytes).catch(() => outgoing.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new VastAnswers(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  era: Era,
  textBytes: number,
): Promise<void> {
  if (incoming.method !== "POST") {
    outgoing.writeHead(405).end();
    return;
  }
  const message = readMessage(await bodyOf(incoming));
  if (message.id === undefined) outgoing.writeHead(202).end();
  else if (message.method !== "tools/call")
    sendJson(outgoing, vastPlainAnswer(message, era, vastTools));
  else await answer(outgoing, message, textBytes);
}

async function answer(
  outgoing: ServerResponse,
  { id, params }: LedgerMessage,
  textBytes: number,
): Promise<void> {
  const isEvent = params?.name === "event";
  outgoing.writeHead(200, {
    "content-type": isEvent ? "text/event-stream" : "application/json",
    ...(params?.name === "length" && { "content-length": vastBytes(id, textBytes) }),
  });
  if (isEvent) outgoing.write("data: ");
  await writeVast(outgoing, id, textBytes);
  outgoing.end(isEvent ? "\n\n" : "");
}

/** The answer to anything but a call. */
export function vastPlainAnswer(
  message: LedgerMessage,
  era: Era,
  names: readonly string[],
): object {
  if (message.method !== "tools/list") return plainAnswer(message, era);
  const tools = names.map((name) => ({ name, inputSchema: { type: "object" } }));
  const page = { tools, ttlMs: 600_000, cacheScope: "public" };
  const result = era === "modern" ? { resultType: "complete", ...page } : page;
  return { jsonrpc: "2.0", id: message.id, result };
}
