import { setTimeout as delay } from "node:timers/promises";
import { limitRow, type Question } from "../question.ts";
import { startGateway } from "../tools/gateway.ts";
import { echoCall, runLoad } from "../tools/load.ts";
import { residentKiB } from "../tools/process-use.ts";
import { startUpstream } from "../tools/upstream.ts";

const CALLS = 100_000;
const CALLS_QUICK = 20_000;
const IDLE_MIB_MAX = 180;
/** What still passes as no growth: the heap's own breathing. */
const GROWTH_PERCENT_MAX = 5;
const SETTLE_MS = 5_000;
const SETTLE_MS_QUICK = 1_000;
const SLICE_SECONDS = 1;
const KiB = 1024;

/** What memory the gateway takes, and whether calls make it more. */
export const memoryOverCalls: Question = {
  name: "memory-over-calls",
  method:
    "A gateway with ten servers (five over HTTP, five child processes), resident memory of the gateway process alone: settled after the start, after 50,000 calls and after 100,000 (fewer in a quick run), spread over the servers. Growth is what the second half adds; 5% passes as none. MB are millions of bytes.",
  async measure(bench) {
    const upstream = await startUpstream(bench.upstream);
    const { command, args } = bench.upstream;
    const servers: Record<string, Record<string, unknown>> = {};
    for (let index = 0; index < 5; index++) {
      servers[`remote${index}`] = { url: upstream.url };
      servers[`local${index}`] = { command, args: [...args, "--stdio"] };
    }
    const gateway = await startGateway({ servers });
    const settle = async (): Promise<number> => {
      await delay(bench.quick ? SETTLE_MS_QUICK : SETTLE_MS);
      return (residentKiB(gateway.pid) * KiB) / 1e6;
    };
    const names = Object.keys(servers);
    const most = bench.quick ? CALLS_QUICK : CALLS;
    let calls = 0;
    const callUntil = async (count: number): Promise<number> => {
      for (let turn = 0; calls < count; turn++) {
        const load = await runLoad({
          endpoint: gateway.endpoint("modern"),
          call: echoCall(`${names[turn % names.length]}__echo`),
          warmSeconds: 0,
          seconds: SLICE_SECONDS,
        });
        calls += load.answers;
      }
      return (residentKiB(gateway.pid) * KiB) / 1e6;
    };
    try {
      const idle = await settle();
      const loaded = await callUntil(most / 2);
      const half = await settle();
      await callUntil(most);
      const after = await settle();
      return {
        rows: [
          limitRow({
            figure: "memory idle with 10 servers",
            max: IDLE_MIB_MAX,
            unit: "MB",
            digits: 0,
            measured: idle,
          }),
          {
            figure: `memory after ${most.toLocaleString("en")} calls`,
            budget: "no growth",
            measured: `${after.toFixed(0)} MB`,
            yardstick: `${half.toFixed(0)} MB after half`,
            ratio: (after / half).toFixed(2),
            verdict: after <= half * (1 + GROWTH_PERCENT_MAX / 100) ? "ok" : "over",
          },
        ],
        details: `Idle ${idle.toFixed(0)} MB, under load ${loaded.toFixed(0)} MB, settled after half of them ${half.toFixed(0)} MB, after ${calls} calls ${after.toFixed(0)} MB.`,
      };
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  },
};
