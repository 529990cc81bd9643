import { setTimeout as delay } from "node:timers/promises";
import { limitRow, type Question } from "../question.ts";
import { startGateway } from "../tools/gateway.ts";
import { McpClient, type Endpoint } from "../tools/mcp-client.ts";
import { residentKiB } from "../tools/process-use.ts";
import { startUpstream } from "../tools/upstream.ts";
import { startBareAnswer } from "../tools/yardsticks.ts";

const SESSIONS = 10_000;
const SESSIONS_QUICK = 3_000;
const WORKERS = 32;
const SETTLE_MS = 5_000;
const SETTLE_MS_QUICK = 1_000;

/** What a legacy session holds of our memory that does nothing. */
export const idleSessions: Question = {
  name: "idle-sessions",
  method:
    "Legacy sessions are opened (`initialize`, `notifications/initialized`) and left idle, first without and then, on a fresh process, with their GET stream open. Growth of resident memory from the first fifth of the sessions, which fill the slack of the heap, to all of them, each after a settling time, divided by the sessions between. The yardstick is node:http with a map of ids and the open responses.",
  async measure(bench) {
    const count = bench.quick ? SESSIONS_QUICK : SESSIONS;
    const settleMs = bench.quick ? SETTLE_MS_QUICK : SETTLE_MS;
    const upstream = await startUpstream(bench.upstream);
    const ours = async (streams: boolean): Promise<number> => {
      const gateway = await startGateway({
        servers: { up: { url: upstream.url } },
        limits: { sessions_max: SESSIONS * 2 },
      });
      try {
        return await held(gateway.endpoint("legacy"), gateway.pid, { count, streams, settleMs });
      } finally {
        await gateway.stop();
      }
    };
    const bare = async (streams: boolean): Promise<number> => {
      const answer = await startBareAnswer();
      try {
        return await held(answer.endpoint("legacy"), answer.pid, { count, streams, settleMs });
      } finally {
        await answer.stop();
      }
    };
    try {
      const rows = [
        limitRow({
          figure: "memory per idle legacy session",
          max: 5,
          unit: "KiB",
          digits: 1,
          measured: await ours(false),
          yardstick: await bare(false),
        }),
        limitRow({
          figure: "memory per idle legacy session with its GET stream",
          max: 30,
          unit: "KiB",
          digits: 1,
          measured: await ours(true),
          yardstick: await bare(true),
        }),
      ];
      return { rows, details: `${count} sessions.` };
    } finally {
      await upstream.stop();
    }
  },
};

// KiB per session.
async function held(
  endpoint: Endpoint,
  pid: number,
  options: { count: number; streams: boolean; settleMs: number },
): Promise<number> {
  const { count, streams, settleMs } = options;
  const first = await open(endpoint, count / 5, streams);
  await delay(settleMs);
  const before = residentKiB(pid);
  const others = await open(endpoint, count - first.length, streams);
  await delay(settleMs);
  const after = residentKiB(pid);
  for (const client of [...first, ...others]) client.connection.close();
  return (after - before) / others.length;
}

async function open(endpoint: Endpoint, count: number, streams: boolean): Promise<McpClient[]> {
  const clients: McpClient[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const client = await new McpClient(endpoint).open();
      clients.push(client);
      if (!streams) client.connection.rest();
      else {
        const status = await client.stream();
        if (status !== 200) throw new Error(`the GET stream was answered ${status}`);
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return clients;
}
