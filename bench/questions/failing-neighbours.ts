import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { limitRow, type Question } from "../question.ts";
import { Contestant, alternate, mediansTable, p99Ms } from "../tools/contestant.ts";
import { startGateway } from "../tools/gateway.ts";
import { echoCall } from "../tools/load.ts";
import { McpClient } from "../tools/mcp-client.ts";
import { startUpstream } from "../tools/upstream.ts";

const RATE = 500;
/** Callers of the failing server, each with one call after the other. */
const CALLERS = 8;
const PAUSE_MS = 20;

/** Whether a server that fails is felt by the calls of a healthy one. */
export const failingNeighbours: Question = {
  name: "failing-neighbours",
  method:
    "Open loop, 500 calls a second to a healthy server, in turns alone and while eight callers keep calling a server of the same gateway that breaks every connection half-way through its answer. The healthy server's p99 beside the failing one, less its p99 alone; the median of the rounds.",
  async measure(bench) {
    const upstream = await startUpstream(bench.upstream);
    const broken = await startBroken();
    const gateway = await startGateway({
      servers: { well: { url: upstream.url }, broken: { url: broken.url } },
    });
    const common = {
      seconds: bench.seconds + 1,
      rate: RATE,
      endpoint: gateway.endpoint("modern"),
      call: echoCall("well__echo"),
      pid: gateway.pid,
    };
    const alone = new Contestant("alone", common);
    const beside = new Contestant("beside a failing server", common, async (round) => {
      const callers = new AbortController();
      const calling = callBroken(gateway.endpoint("modern"), callers.signal);
      await round();
      callers.abort();
      await calling;
    });
    try {
      await alternate([alone, beside], bench.rounds);
      return {
        rows: [
          limitRow({
            figure: "p99 that a failing neighbour adds",
            max: 1,
            unit: "ms",
            digits: 3,
            measured: beside.added(alone, p99Ms),
          }),
        ],
        details: mediansTable([alone, beside]),
      };
    } finally {
      await gateway.stop();
      await upstream.stop();
      broken.stop();
    }
  },
};

// It lists its one tool, and breaks the connection of whoever calls it.
async function startBroken(): Promise<{ url: string; stop: () => void }> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { id, method }: { id?: number; method?: string } = JSON.parse(
        Buffer.concat(chunks).toString() || "{}",
      );
      outgoing.writeHead(200, { "content-type": "application/json" });
      const result = resultOf(method);
      if (result !== undefined) {
        outgoing.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
        return;
      }
      outgoing.write(`{"jsonrpc":"2.0","id":${id},"result":{"content"`);
      setTimeout(() => incoming.socket.resetAndDestroy(), 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/mcp`, stop: () => void server.close() };
}

function resultOf(method: string | undefined): object | undefined {
  if (method === "tools/list") {
    const echo = {
      name: "echo",
      inputSchema: { type: "object" },
      annotations: { readOnlyHint: true },
    };
    return { resultType: "complete", tools: [echo] };
  }
  if (method !== "server/discover") return undefined;
  return {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {} },
    serverInfo: { name: "broken", version: "1" },
  };
}

async function callBroken(
  endpoint: ConstructorParameters<typeof McpClient>[0],
  signal: AbortSignal,
): Promise<void> {
  const callers = Array.from({ length: CALLERS }, async () => {
    const client = await new McpClient(endpoint).open();
    client.prepare("tools/call", "broken__echo");
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        client.call("tools/call", '"name":"broken__echo","arguments":{"text":"x"}', () =>
          resolve(),
        );
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    await client.close();
  });
  await Promise.all(callers);
}
