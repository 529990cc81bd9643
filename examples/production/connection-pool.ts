// A pool of connections to one server: some are open before they are needed, never more than allowed, and those that
// nobody needs any more are closed.
import { until } from "../../test/support/until.ts";
import { demonstrate, milliseconds, summary, type Gateway } from "./demonstration.ts";

const MIN = 3;
const MAX = 8;
const BURST = 48;
const CALL_MS = 100;

await demonstrate("connection pool", async (demo) => {
  const server = await demo.server("shop", {
    reply: () => ({ kind: "answer", afterMs: CALL_MS }),
  });
  const gateway = await demo.gateway({
    servers: {
      shop: {
        url: server.url,
        connection_pool: {
          min_connections: MIN,
          max_connections: MAX,
          max_idle_time: "2s",
          health_check_interval: "1s",
        },
      },
    },
  });

  await gateway.call("shop__look");
  await until("the least connections are open", () => server.sockets >= MIN);
  const warm = await poolOf(gateway);
  demo.say(`after one call: ${server.sockets} connections at the server, ${shown(warm)}`);
  demo.check(`at least min_connections = ${MIN} are open`, server.sockets >= MIN);
  demo.check("no more than the call and they needed", server.sockets <= MIN + 1);

  server.forget();
  const startedMs = performance.now();
  const ended = new AbortController();
  const watching = mostWaiting(gateway, ended.signal);
  const endings = await gateway.calls("shop__look", BURST, BURST);
  const tookMs = performance.now() - startedMs;
  ended.abort();
  const waiting = await watching;
  demo.say(`${BURST} calls of ${CALL_MS} ms at once took ${milliseconds(tookMs)}`);
  demo.say(`at most ${server.socketsPeak} connections at the server, ${waiting} calls waiting`);
  demo.check(`all ${BURST} were answered (${summary(endings)})`, endings.every(isOk));
  demo.check(`the server saw max_connections = ${MAX} and no more`, server.socketsPeak === MAX);
  demo.check("calls beyond them waited for one", waiting > 0);
  demo.check(
    `they took turns: ${BURST / MAX} rounds of ${CALL_MS} ms at least`,
    tookMs >= (BURST / MAX) * CALL_MS,
  );

  await until("connections that nobody needs are closed", () => server.sockets <= MIN);
  demo.say(`a while later: ${server.sockets} connections, ${shown(await poolOf(gateway))}`);
  demo.check("those that the burst needed were closed", server.sockets <= MIN);
  await until("the least connections are open again", () => server.sockets >= MIN);
  demo.check(`and a health check opened min_connections = ${MIN} again`, server.sockets >= MIN);
});

interface Pool {
  readonly open: number;
  readonly busy: number;
  readonly waiting: number;
  readonly max: number;
}

async function poolOf(gateway: Gateway): Promise<Pool> {
  const { runtime } = await gateway.server("shop");
  const pool = runtime.endpoints[0]?.connections;
  if (pool === undefined) throw new Error("the gateway says nothing of its connections");
  return pool;
}

/** The most calls that waited for a connection at once, as the gateway says again and again until `ended`. */
async function mostWaiting(gateway: Gateway, ended: AbortSignal): Promise<number> {
  let most = 0;
  while (!ended.aborted) most = Math.max(most, (await poolOf(gateway)).waiting);
  return most;
}

function shown({ open, busy, waiting, max }: Pool): string {
  return `the gateway says ${open} open, ${busy} busy, ${waiting} waiting, ${max} at most`;
}

function isOk({ ok }: { readonly ok: boolean }): boolean {
  return ok;
}
