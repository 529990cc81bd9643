import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { limitRow, type Question } from "../question.ts";
import { Contestant, alternate, mediansTable, p99Ms } from "../tools/contestant.ts";
import { startGateway } from "../tools/gateway.ts";
import { echoCall } from "../tools/load.ts";
import { McpClient, type Endpoint } from "../tools/mcp-client.ts";
import { startUpstream } from "../tools/upstream.ts";

const RATE = 500;
/** Callers of each failing server, each with one call after the other. */
const CALLERS = 4;
const PAUSE_MS = 20;

/** What a failing server does with a call. */
type Failing = (outgoing: ServerResponse, id: number) => void;

const FAILING: Readonly<Record<string, Failing>> = {
  breaks(outgoing, id) {
    outgoing.write(`{"jsonrpc":"2.0","id":${id},"result":{"content"`);
    setTimeout(() => outgoing.socket?.resetAndDestroy(), 1);
  },
  hangs() {},
  garbage(outgoing) {
    outgoing.end("this is no JSON");
  },
};

/** Whether servers that fail are felt by the calls of a healthy one. */
export const failingNeighbours: Question = {
  name: "failing-neighbours",
  method:
    "Open loop, 500 calls a second to a healthy server, in turns alone and while four callers each keep calling three servers of the same gateway: one breaks every connection half-way through its answer, one never answers (its calls time out after half a second), one answers garbage. The healthy server's p99 beside them, less its p99 alone; the median of the rounds.",
  async measure(bench) {
    const upstream = await startUpstream(bench.upstream);
    const failing = await Promise.all(
      Object.entries(FAILING).map(async ([name, fail]) => ({
        name,
        ...(await startFailing(fail)),
      })),
    );
    const gateway = await startGateway({
      servers: {
        well: { url: upstream.url },
        ...Object.fromEntries(failing.map(({ name, url }) => [name, { url, timeout: "500ms" }])),
      },
    });
    const common = {
      seconds: bench.seconds + 1,
      rate: RATE,
      endpoint: gateway.endpoint("modern"),
      call: echoCall("well__echo"),
      pid: gateway.pid,
    };
    const alone = new Contestant("alone", common);
    const beside = new Contestant("beside three that fail", common, async (round) => {
      const callers = new AbortController();
      const calling = failing.map(({ name }) =>
        keepCalling(gateway.endpoint("modern"), `${name}__echo`, callers.signal),
      );
      await round();
      callers.abort();
      await Promise.all(calling);
    });
    try {
      await alternate([alone, beside], bench.rounds);
      return {
        rows: [
          limitRow({
            figure: "p99 that failing neighbours add",
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
      for (const one of failing) one.stop();
    }
  },
};

// It lists its one tool, and fails whoever calls it.
async function startFailing(fail: Failing): Promise<{ url: string; stop: () => void }> {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { id = 0, method }: { id?: number; method?: string } = JSON.parse(
        Buffer.concat(chunks).toString() || "{}",
      );
      outgoing.writeHead(200, { "content-type": "application/json" });
      const result = resultOf(method);
      if (result !== undefined) {
        outgoing.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
        return;
      }
      fail(outgoing, id);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo;
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/mcp`, stop };
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
    serverInfo: { name: "failing", version: "1" },
  };
}

async function keepCalling(endpoint: Endpoint, tool: string, signal: AbortSignal): Promise<void> {
  const callers = Array.from({ length: CALLERS }, async () => {
    const client = await new McpClient(endpoint).open();
    client.prepare("tools/call", tool);
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        client.call("tools/call", `"name":"${tool}","arguments":{"text":"x"}`, () => resolve());
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    await client.close();
  });
  await Promise.all(callers);
}
