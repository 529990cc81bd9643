// One server with three endpoints of different weight and speed: who answers how often under each strategy, and what
// callers notice when an endpoint dies and comes back.
import { until } from "../../test/support/until.ts";
import { demonstrate, Load, summary, type Demonstration, type Gateway } from "./demonstration.ts";
import type { DemoServer } from "./servers.ts";

const CALLS = 200;
const AT_ONCE = 8;
const WEIGHTS = [5, 3, 2];
/** The third is slower than the others. */
const DELAYS_MS = [4, 4, 80];

/** What must hold of the calls that the three answered, of 200. */
const strategies: Readonly<Record<string, readonly [string, (counts: number[]) => boolean]>> = {
  round_robin: ["the same for each", (counts) => near(counts, [67, 67, 67], 5)],
  weighted_round_robin: ["5 : 3 : 2", (counts) => near(counts, [100, 60, 40], 5)],
  random: ["about 5 : 3 : 2", (counts) => near(counts, [100, 60, 40], 32)],
  least_connections: ["less than its weight for the slow one", slowGetsLess],
  response_time_based: ["less than its weight for the slow one", slowGetsLess],
  health_based: ["less than its weight for the slow one", slowGetsLess],
  sticky: ["one for one caller", (counts) => Math.max(...counts) === CALLS],
};

await demonstrate("load balancing", async (demo) => {
  const servers = await Promise.all(
    DELAYS_MS.map((afterMs, place) =>
      demo.server(`endpoint ${place + 1}`, { reply: () => ({ kind: "answer", afterMs }) }),
    ),
  );
  const endpoints = servers.map(({ url }, place) => ({ url, weight: WEIGHTS[place] }));
  const named = Object.keys(strategies).map((strategy) => [
    strategy,
    { endpoints, load_balancer: { strategy } },
  ]);
  const gateway = await demo.gateway({
    servers: {
      ...Object.fromEntries(named),
      fleet: {
        endpoints,
        load_balancer: {
          strategy: "weighted_round_robin",
          ejection_time: "1s",
          slow_start: "1s",
        },
        connection_pool: { reconnect_backoff: "200ms", max_reconnect_backoff: "500ms" },
        retry_policy: { base_delay: "50ms" },
      },
    },
  });

  demo.say(`three endpoints of weight ${WEIGHTS.join(", ")}; the third is slower`);
  for (const strategy of Object.keys(strategies)) await shares(demo, gateway, servers, strategy);
  await failover(demo, gateway, servers);
});

async function shares(
  demo: Demonstration,
  gateway: Gateway,
  servers: readonly DemoServer[],
  strategy: string,
): Promise<void> {
  const [fact, holds] = strategies[strategy] ?? ["", () => false];
  // The first calls open the links, and tell the gateway how quick each endpoint is.
  await gateway.calls(`${strategy}__look`, 30, AT_ONCE);
  for (const server of servers) server.forget();
  await gateway.calls(`${strategy}__look`, CALLS, AT_ONCE);
  const counts = countsOf(servers);
  demo.check(`${strategy.padEnd(20)} ${counts.join(" + ").padEnd(14)} ${fact}`, holds(counts));
}

async function failover(
  demo: Demonstration,
  gateway: Gateway,
  servers: readonly DemoServer[],
): Promise<void> {
  const [, dying] = servers;
  if (dying === undefined) throw new Error("there are three endpoints");
  await gateway.calls("fleet__look", 30, AT_ONCE);
  const load = new Load(gateway, "fleet__look", { atOnce: 6, pauseMs: 2 });
  const more = async (count: number): Promise<number[]> => {
    for (const server of servers) server.forget();
    const before = load.endings.length;
    await until(`${count} more calls`, () => load.endings.length >= before + count);
    return countsOf(servers);
  };

  demo.say(`under load, all three:              ${(await more(200)).join(" + ")}`);
  await dying.kill();
  demo.say(`the second was killed:              ${(await more(300)).join(" + ")}`);
  demo.check("it answered nothing while it was dead", dying.arrivals.length === 0);
  await dying.listen();
  await until(
    "the endpoint that came back takes its share",
    async () => ((await more(100))[1] ?? 0) >= 24,
  );
  demo.say(`it was started again, a while later: ${(await more(200)).join(" + ")}`);
  demo.check("it takes its share of 30 % again", dying.arrivals.length >= 45);
  const endings = await load.stop();
  demo.check(
    `no call failed (${summary(endings)})`,
    endings.every(({ ok }) => ok),
  );
  const { runtime } = await gateway.server("fleet");
  const { repeated, recovered } = runtime.retries;
  demo.say(`calls sent again, elsewhere: ${repeated}; answered then: ${recovered}`);
  demo.check("calls that the dying endpoint broke were sent again", recovered > 0);
}

function countsOf(servers: readonly DemoServer[]): number[] {
  return servers.map(({ arrivals }) => arrivals.length);
}

function near(counts: readonly number[], expected: readonly number[], within: number): boolean {
  return counts.every((count, place) => Math.abs(count - (expected[place] ?? 0)) <= within);
}

// Its weight alone would give it 40 of 200.
function slowGetsLess(counts: readonly number[]): boolean {
  return (counts[2] ?? 0) < 36;
}
