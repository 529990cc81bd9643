import { demonstrate } from "./demonstration.ts";
await demonstrate("try", async (demo) => {
  const server = await demo.server("shop");
  const gateway = await demo.gateway({
    servers: {
      shop: {
        url: server.url,
        connection_pool: {
          min_connections: 3,
          max_connections: 8,
          max_idle_time: "1s",
          health_check_interval: "1s",
        },
      },
    },
  });
  demo.say(JSON.stringify(await gateway.call("shop__look", "1")));
  for (let i = 0; i < 6; i++) {
    await new Promise((r) => setTimeout(r, 700));
    const s = await gateway.server("shop");
    demo.say(JSON.stringify([server.sockets, s.status.state, s.runtime.endpoints[0]?.connections]));
  }
  await server.kill();
  for (let i = 0; i < 4; i++) {
    await new Promise((r) => setTimeout(r, 1200));
    const s = await gateway.server("shop");
    demo.say(
      JSON.stringify([
        server.sockets,
        s.status.state,
        s.runtime.endpoints[0]?.connections,
        s.runtime.endpoints[0].history,
        s.runtime.endpoints[0].balance,
        await gateway.health("/health"),
        await gateway.health("/ready"),
      ]),
    );
  }
  const c = await gateway.call("shop__look", "1").catch(String);
  demo.say(JSON.stringify(c));
  await server.listen();
  for (let i = 0; i < 4; i++) {
    await new Promise((r) => setTimeout(r, 1200));
    const s = await gateway.server("shop");
    demo.say(
      JSON.stringify([
        server.sockets,
        s.status.state,
        s.runtime.endpoints[0]?.connections,
        s.runtime.endpoints[0].history,
      ]),
    );
  }
  demo.check("x", true);
});
