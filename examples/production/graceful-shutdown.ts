// SIGTERM while calls run: those in flight are answered, new ones are turned away, the exit code is 0, and a gateway
// started again on the same home knows every call that was answered.
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { until } from "../../test/support/until.ts";
import { demonstrate, seconds, type Called, type Gateway } from "./demonstration.ts";

const CALL_MS = 400;
const CALLERS = 12;

const pageSchema = z.looseObject({
  calls: z.array(z.looseObject({ tool: z.string().optional(), outcome: z.string() })),
});

/** How calls end that a stopping gateway does not take. */
type Refusal = "said SHUTTING_DOWN" | "found nobody listening" | "were reset before they were read";

/** Numbered calls, and how each ended. */
class Orders {
  readonly answered: string[] = [];
  readonly refused = new Map<Refusal, string[]>();
  /** Sentences of those that ended in any other way. */
  readonly lost: string[] = [];
  readonly #gateway: Gateway;
  #count = 0;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** One call after the other until the gateway takes no more. */
  async callUntilRefused(): Promise<void> {
    for (;;) {
      const order = `order ${++this.#count}`;
      const called = await this.#gateway.call("shop__look", order).catch(String);
      if (typeof called === "string" || !called.ok) {
        this.#ended(order, called);
        return;
      }
      this.answered.push(order);
      await delay(5);
    }
  }

  #ended(order: string, called: Called | string): void {
    const refusal = refusalIn(called);
    if (refusal === undefined) this.lost.push(typeof called === "string" ? called : called.text);
    else this.refused.set(refusal, [...(this.refused.get(refusal) ?? []), order]);
  }
}

function refusalIn(called: Called | string): Refusal | undefined {
  if (typeof called !== "string")
    return called.code === "SHUTTING_DOWN" ? "said SHUTTING_DOWN" : undefined;
  if (called.includes("ECONNREFUSED")) return "found nobody listening";
  return /ECONNRESET|socket hang up/.test(called) ? "were reset before they were read" : undefined;
}

await demonstrate("graceful shutdown", async (demo) => {
  const server = await demo.server("shop", {
    reply: () => ({ kind: "answer", afterMs: CALL_MS }),
  });
  const servers = { shop: { url: server.url } };
  const first = await demo.gateway({ servers });
  const orders = new Orders(first);
  const callers = Array.from({ length: CALLERS }, () => orders.callUntilRefused());
  await until("some calls were answered", () => orders.answered.length >= 2 * CALLERS);
  await until("calls are in flight", () => server.arrivals.length > server.answered);

  const running = server.arrivals.length - server.answered;
  const termMs = performance.now();
  const exitCode = await first.terminate();
  const tookMs = performance.now() - termMs;
  await Promise.all(callers);
  demo.say(
    `SIGTERM came with ${running} calls in flight; the process ended ${seconds(tookMs)} later`,
  );
  const { answered, refused, lost } = orders;
  demo.say(`${answered.length} calls were answered, ${lost.length} failed; turned away were:`);
  for (const [how, which] of refused) demo.say(`  ${which.length} that ${how}`);
  demo.check(`the exit code is 0 (${exitCode})`, exitCode === 0);
  demo.check("calls were in flight", running > 0);
  const known = new Set(answered);
  const arrived = new Set(server.arrivals.map(({ order }) => order));
  const forgotten = server.arrivals.filter(({ order }) => !known.has(order));
  demo.check(
    `every call that reached the server was answered (${server.arrivals.length})`,
    forgotten.length === 0 && server.answered === server.arrivals.length,
  );
  demo.check(
    "no call failed, and none that was turned away had reached the server",
    lost.length === 0 && ![...refused.values()].flat().some((order) => arrived.has(order)),
  );
  for (const text of lost.slice(0, 3)) demo.say(`  ${text}`);

  const second = await demo.gateway({
    servers,
    home: first.process.home,
    env: { SIGNALBOX_ADMIN_KEY: first.process.key },
  });
  const logged = await loggedCalls(second);
  demo.say(`started again, its call log has ${logged} of the ${answered.length} answered calls`);
  demo.check("none of them is missing", logged === answered.length);
});

/** Answered calls of `look` in the call log; there are fewer than a page has. */
async function loggedCalls(gateway: Gateway): Promise<number> {
  const { body } = await gateway.process.api("GET", "/api/calls?server=shop&limit=500");
  const { calls } = pageSchema.parse(body);
  return calls.filter(({ tool, outcome }) => tool === "look" && outcome === "ok").length;
}
