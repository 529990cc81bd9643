// Which failed calls the gateway sends again, and which it does not: what may have been carried out is repeated only
// where the tool says that this does no harm.
import { setTimeout as delay } from "node:timers/promises";
import { demonstrate, milliseconds, type Called, type Gateway } from "./demonstration.ts";
import type { DemoServer, Reply } from "./servers.ts";

const failing: Reply = { kind: "status", status: 500 };
const throttling: Reply = { kind: "status", status: 429, retryAfterSeconds: 1 };
const reset: Reply = { kind: "reset" };

await demonstrate("retry", async (demo) => {
  const server = await demo.server("shop", {
    tools: { look: { readOnlyHint: true }, mark: { idempotentHint: true }, book: {} },
  });
  const gateway = await demo.gateway({
    servers: {
      shop: {
        url: server.url,
        retry_policy: { strategy: "exponential", base_delay: "200ms", max_delay: "2s" },
        connection_pool: { reconnect_backoff: "100ms", max_reconnect_backoff: "300ms" },
      },
    },
  });
  await gateway.call("shop__look");
  const tried = async (tool: string, ...failures: Reply[]): Promise<Tried> => {
    const one = await callThrough(gateway, server, tool, failures);
    demo.say(described(tool, failures, one));
    return one;
  };

  const failed = await tried("look", failing, failing);
  demo.check("a read-only call is repeated after HTTP 500", failed.ok && failed.sent === 3);
  const broken = await tried("look", reset, reset);
  demo.check("and after a broken connection", broken.ok && broken.sent === 3);
  const marked = await tried("mark", reset);
  demo.check("so is an idempotent one", marked.ok && marked.sent === 2);

  const throttled = await tried("book", throttling);
  demo.check("one that 429 turned away is repeated, whatever it is", throttled.ok);
  demo.check("no sooner than Retry-After says", (throttled.waitsMs[0] ?? 0) >= 990);

  const lost = await tried("book", reset);
  demo.check("any other is not repeated where its connection broke", !lost.ok && lost.sent === 1);
  demo.check('and its caller is told outcome "unknown"', lost.outcome === "unknown");
  const unsure = await tried("book", failing);
  demo.check(
    "the same after HTTP 500",
    !unsure.ok && unsure.sent === 1 && unsure.outcome === "unknown",
  );

  // A call that goes well: after five failures in a row the breaker would refuse the next.
  await tried("book");
  await server.kill();
  server.forget();
  const calling = gateway.call("shop__book", "late");
  await delay(150);
  await server.listen();
  const late = await calling;
  demo.say(`book while nothing listened: ${ending(late)}, reached the server ${sentOf(server)}`);
  demo.check(
    "what certainly did not reach the server is repeated until it does, once",
    late.ok && server.arrivals.length === 1,
  );
  const { repeated, recovered } = (await gateway.server("shop")).runtime.retries;
  demo.say(`the gateway counts ${repeated} repeats and ${recovered} calls that they saved`);
  demo.check("five calls were saved by repeats", recovered === 5);
});

interface Tried extends Called {
  /** How often it reached the server. */
  readonly sent: number;
  /** Between one arrival and the next. */
  readonly waitsMs: readonly number[];
}

async function callThrough(
  gateway: Gateway,
  server: DemoServer,
  tool: string,
  failures: readonly Reply[],
): Promise<Tried> {
  server.forget();
  server.reply = () => failures[server.arrivals.length - 1] ?? { kind: "answer" };
  const called = await gateway.call(`shop__${tool}`);
  const times = server.arrivals.map(({ atMs }) => atMs);
  const waitsMs = times.slice(1).map((atMs, place) => atMs - (times[place] ?? 0));
  return { ...called, sent: times.length, waitsMs };
}

function described(tool: string, failures: readonly Reply[], one: Tried): string {
  const waits = one.waitsMs.map(milliseconds).join(", ");
  const sent = one.sent === 1 ? "sent once" : `sent ${one.sent} times, after waits of ${waits}`;
  const through = failures.length === 0 ? "" : ` through ${failures.map(nameOf).join(", ")}`;
  return `${tool}${through}: ${ending(one)}, ${sent}`;
}

function ending({ ok, code, outcome }: Called): string {
  return ok ? "answered" : `failed with ${code}, outcome ${outcome}`;
}

function nameOf(reply: Reply): string {
  if (reply.kind !== "status") return reply.kind;
  const { status, retryAfterSeconds } = reply;
  return retryAfterSeconds === undefined
    ? `HTTP ${status}`
    : `HTTP ${status} with Retry-After ${retryAfterSeconds}`;
}

function sentOf({ arrivals }: DemoServer): string {
  return arrivals.length === 1 ? "once" : `${arrivals.length} times`;
}
