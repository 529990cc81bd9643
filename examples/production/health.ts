// A server goes away and comes back: what its state and history say, what /health and /ready say, and that the other
// server is not touched by it.
import { until } from "../../test/support/until.ts";
import { demonstrate, Load, summary } from "./demonstration.ts";

/** The background checks behind /health and /ready run every ten seconds. */
const CHECKED_WITHIN_MS = 15_000;
const UP = new Set(["connected", "degraded"]);

await demonstrate("health", async (demo) => {
  const shop = await demo.server("shop");
  const depot = await demo.server("depot");
  const gateway = await demo.gateway({
    servers: {
      shop: {
        url: shop.url,
        connection_pool: {
          health_check_interval: "500ms",
          reconnect_backoff: "1s",
          max_reconnect_backoff: "3s",
        },
      },
      depot: { url: depot.url },
    },
  });
  const stateOf = async (name: string): Promise<string> =>
    (await gateway.server(name)).status.state;

  await gateway.call("shop__look");
  await gateway.call("depot__look");
  demo.check("both servers are connected", (await stateOf("shop")) === "connected");
  const healthy = await gateway.health("/health");
  demo.say(`/health answers ${healthy.status}, its check of the servers "${healthy.servers}"`);
  demo.check("all is well", healthy.status === 200 && healthy.servers === "ok");
  const load = new Load(gateway, "depot__look", { atOnce: 2, pauseMs: 20 });

  await shop.kill();
  const killedMs = performance.now();
  await until("its health checks notice", async () => !UP.has(await stateOf("shop")));
  const noticedMs = Math.round(performance.now() - killedMs);
  const down = await gateway.server("shop");
  demo.say(
    `shop was killed; without any call its state was ${down.status.state} ${noticedMs} ms later`,
  );
  demo.check("the gateway noticed by itself", !UP.has(down.status.state));
  const warned = await until(
    "the check of the servers warns",
    async () => {
      const health = await gateway.health("/health");
      return health.servers === "warning" && health;
    },
    CHECKED_WITHIN_MS,
  );
  const ready = await gateway.health("/ready");
  demo.say(`/health answers ${warned.status} with "${warned.servers}", /ready ${ready.status}`);
  demo.check("the gateway lives and is ready: the other server is served", ready.status === 200);

  await shop.listen();
  const listensMs = performance.now();
  await until("it is connected again", async () => (await stateOf("shop")) === "connected");
  const backMs = Math.round(performance.now() - listensMs);
  demo.say(`shop was started again; ${backMs} ms later it was connected`);
  demo.check("without any call", shop.arrivals.length === 1);
  const again = await gateway.call("shop__look");
  demo.check("it is called again", again.ok);

  const [endpoint] = (await gateway.server("shop")).runtime.endpoints;
  const history = endpoint?.history ?? [];
  demo.say("its history:");
  for (const { at, from, to, reason } of history.slice(-8))
    demo.say(`  ${at.slice(11, 23)} ${from} -> ${to}: ${reason}`);
  const losses = history.filter(({ to }) => to === "reconnecting");
  demo.check(
    "it was lost once, for a reason that is told, and came back",
    losses.length === 1 &&
      reasonOf(losses).includes("ECONNREFUSED") &&
      history.at(-1)?.to === "connected",
  );
  demo.say(`it was up ${((endpoint?.uptime ?? 0) * 100).toFixed(0)} % of the time`);
  const endings = await load.stop();
  demo.check(
    `calls of the other server went on all the time (${summary(endings)})`,
    endings.length > 0 && endings.every(({ ok }) => ok),
  );
});

function reasonOf(losses: readonly { readonly reason: string }[]): string {
  return losses[0]?.reason ?? "";
}
