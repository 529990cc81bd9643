import { setTimeout as delay } from "node:timers/promises";
import { limitRow, type Question } from "../question.ts";
import { startGateway } from "../tools/gateway.ts";
import { echoCall, runLoad } from "../tools/load.ts";
import { McpClient, type Endpoint } from "../tools/mcp-client.ts";
import { residentKiB } from "../tools/process-use.ts";
import { startUpstream } from "../tools/upstream.ts";
import { startBareRelay } from "../tools/yardsticks.ts";

const BYTES = 10_000_000;
const READERS = 20;
const READERS_QUICK = 10;
const SETTLE_MS = 2_000;
const KiB = 1024;

/** What a client holds of our memory that does not read its answer. */
export const slowReaders: Question = {
  name: "slow-readers",
  method:
    "Clients ask for an answer of 10 MB and stop reading at its first bytes. Growth of resident memory after a settling time, divided by the readers. Before that the process has served small calls, so that its heap has its working size.",
  async measure(bench) {
    const readers = bench.quick ? READERS_QUICK : READERS;
    const upstream = await startUpstream(bench.upstream);
    const relay = await startBareRelay(upstream.port);
    const gateway = await startGateway({ servers: { up: { url: upstream.url } } });
    try {
      const bare = await held(relay.endpoint("modern"), relay.pid, readers);
      const ours = await held(gateway.endpoint("modern"), gateway.pid, readers);
      const row = limitRow({
        figure: "memory held per slow reader of 10 MB",
        max: 3,
        unit: "MB",
        digits: 2,
        measured: ours,
        yardstick: bare,
      });
      return { rows: [row], details: `${readers} readers at once.` };
    } finally {
      await Promise.all([relay.stop(), gateway.stop()]);
      await upstream.stop();
    }
  },
};

// In MB (millions of bytes) per reader.
async function held(endpoint: Endpoint, pid: number, readers: number): Promise<number> {
  await runLoad({ endpoint, call: echoCall("up__echo"), seconds: 1 });
  await delay(SETTLE_MS);
  const before = residentKiB(pid);
  const clients: McpClient[] = [];
  for (let index = 0; index < readers; index++) {
    const client = new McpClient(endpoint);
    client.prepare("tools/call", "up__blob");
    client.call("tools/call", `"name":"up__blob","arguments":{"size":${BYTES}}`, () => {});
    client.connection.readNothing();
    clients.push(client);
  }
  await delay(SETTLE_MS);
  const after = residentKiB(pid);
  for (const client of clients) client.connection.close();
  return ((after - before) * KiB) / 1e6 / readers;
}
