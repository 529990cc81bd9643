import { afterEach, expect, test } from "vitest";
import {
  Gateway,
  Load,
  summary,
  type Called,
  type LoadShape,
} from "../../examples/production/demonstration.ts";
import { DemoServer, type Reply } from "../../examples/production/servers.ts";
import { startGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

/** Far above what a call takes on a machine that has other things to do. */
const SLOW_MS = 1_000;
const QUICK_MS = 3;
/** What the gateway is given to notice. */
const NOTICES_WITHIN_MS = 10_000;

const loads: Load[] = [];
const opened: { end(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.allSettled(loads.splice(0).map((load) => load.stop()));
  await Promise.allSettled(opened.splice(0).map((one) => one.end()));
}, 60_000);

test.each(["health_based", "response_time_based"])(
  "%s: most calls go past an endpoint that fails half of its calls and one that is slow, until both are well",
  async (strategy) => {
    const { servers, gateway } = await startTown({
      strategy,
      ejection_time: "2s",
      slow_start: "2s",
    });
    const [, half, slow] = servers;
    await gateway.calls("town__look", 60, 6);
    const load = startLoad(gateway, { atOnce: 16, pauseMs: 5 });
    print(strategy, "all well", await window(servers, load, 300));

    half.reply = failingHalf();
    slow.reply = () => ({ kind: "answer", afterMs: SLOW_MS });
    const troubledMs = performance.now();
    await until(
      "most calls go elsewhere",
      async () => {
        const [good, ...others] = await window(servers, load, 60);
        return good > sum(others);
      },
      NOTICES_WITHIN_MS,
    );
    const noticedMs = performance.now() - troubledMs;
    print(strategy, `the second fails, the third is slow: noticed after ${rounded(noticedMs)} ms`);
    const [good, ...others] = await window(servers, load, 300);
    print(strategy, "in trouble", [good, others[0], others[1]]);
    expect(good).toBeGreaterThan(sum(others));

    half.reply = well;
    slow.reply = well;
    const recoveredMs = performance.now();
    await until(
      "both have their share again",
      async () => {
        const counts = await window(servers, load, 300);
        return counts.every((count) => count >= sum(counts) / 5);
      },
      90_000,
    );
    const backMs = performance.now() - recoveredMs;
    print(strategy, `both are well again: their shares are back after ${rounded(backMs)} ms`);
    const endings = await load.stop();
    print(strategy, summary(endings));
    expect(failuresIn(endings)).toEqual({});
  },
  150_000,
);

test.each(["round_robin", "health_based"])(
  "%s: no idempotent call fails while one endpoint after the other is killed and started again",
  async (strategy) => {
    const { servers, gateway } = await startTown({
      strategy,
      ejection_time: "1s",
      slow_start: "1s",
    });
    await gateway.calls("town__look", 60, 6);
    const load = startLoad(gateway, { atOnce: 24, pauseMs: 1 });
    await window(servers, load, 200);
    for (const server of servers) {
      await server.kill();
      const without = await window(servers, load, 500);
      await server.listen();
      await until(
        `${server.name} answers again`,
        async () => {
          await window(servers, load, 200);
          return server.arrivals.length > 0;
        },
        60_000,
      );
      print(strategy, `${server.name} was killed`, without);
      expect(server.arrivals.length).toBeGreaterThan(0);
    }
    const endings = await load.stop();
    const { retries } = (await gateway.server("town")).runtime;
    print(strategy, `${summary(endings)}; ${retries.repeated} were sent again`);
    expect(failuresIn(endings)).toEqual({});
  },
  150_000,
);

type Three<Each> = readonly [Each, Each, Each];

async function startTown(
  balance: Record<string, unknown>,
): Promise<{ servers: Three<DemoServer>; gateway: Gateway }> {
  const start = async (name: string): Promise<DemoServer> => {
    const server = await DemoServer.start(name, { reply: well });
    opened.push({ end: () => server.kill() });
    return server;
  };
  const servers = await Promise.all([start("first"), start("second"), start("third")]);
  const endpoints = servers.map(({ url }) => ({ url }));
  const gateway = new Gateway(
    await startGateway({
      servers: {
        town: {
          endpoints,
          load_balancer: balance,
          connection_pool: { reconnect_backoff: "200ms", max_reconnect_backoff: "1s" },
        },
      },
    }),
  );
  opened.unshift(gateway);
  return { servers, gateway };
}

function startLoad(gateway: Gateway, shape: LoadShape): Load {
  const load = new Load(gateway, "town__look", shape);
  loads.push(load);
  return load;
}

function well(): Reply {
  return { kind: "answer", afterMs: QUICK_MS };
}

function failingHalf(): () => Reply {
  let count = 0;
  return () => (++count % 2 === 0 ? { kind: "status", status: 500 } : well());
}

/** Waits until so many more calls have ended, none of them failed; how many reached each server meanwhile. */
async function window(
  servers: Three<DemoServer>,
  load: Load,
  calls: number,
): Promise<Three<number>> {
  for (const server of servers) server.forget();
  const before = load.endings.length;
  await until(`${calls} more calls`, () => load.endings.length >= before + calls, 30_000);
  // Who fails at once calls so much more often that nothing else is worth waiting for.
  expect(failuresIn(load.endings)).toEqual({});
  const [first, second, third] = servers;
  return [first.arrivals.length, second.arrivals.length, third.arrivals.length];
}

/** How many calls failed, by what was said. */
function failuresIn(endings: readonly Called[]): Record<string, number> {
  const failures: Record<string, number> = {};
  for (const { ok, code, text } of endings) {
    if (!ok) failures[`${code}: ${text}`] = (failures[`${code}: ${text}`] ?? 0) + 1;
  }
  return failures;
}

function print(strategy: string, what: string, counts?: Three<number>): void {
  const reached = counts === undefined ? "" : `: reached the servers ${counts.join(" + ")}`;
  process.stdout.write(`${strategy}: ${what}${reached}\n`);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function rounded(ms: number): number {
  return Math.round(ms);
}
