// Answers of a read-only tool that are kept and given again: how many calls the server is spared, how much sooner callers
// are answered, and what makes the gateway ask again.
import { z } from "zod";
import { demonstrate, summary, type Called, type Gateway } from "./demonstration.ts";
import type { DemoServer } from "./servers.ts";

/** The workload: so many calls of so few questions that come again and again, as agents at work on one thing ask them. */
const CALLS = 1_000;
const QUESTIONS = 40;
const AT_ONCE = 8;
/** What an answer costs the server. */
const CALL_MS = 20;

const statisticsSchema = z.looseObject({
  keys: z.number(),
  hits: z.number(),
  misses: z.number(),
  joined: z.number(),
  hitRate: z.number().optional(),
});

await demonstrate("cache", async (demo) => {
  const server = await demo.server("shop", {
    reply: () => ({ kind: "answer", afterMs: CALL_MS }),
  });
  const gateway = await demo.gateway({
    settings: { cache: { type: "memory", max_size: 10_000, ttl: "1h" } },
    servers: { shop: { url: server.url, cache: { tools: { look: {} } } } },
  });

  const question = (call: number): string => `question ${call % QUESTIONS}`;
  const endings = await gateway.calls("shop__look", CALLS, AT_ONCE, question);
  const { keys, hits, misses, joined, hitRate = 0 } = await statisticsOf(gateway);
  demo.say(
    `${CALLS} calls of ${QUESTIONS} questions: ${server.arrivals.length} reached the server`,
  );
  demo.say(
    `GET /api/cache: ${keys} answers kept, ${hits} hits, ${misses} misses, ${joined} joined`,
  );
  const rate = `${(hitRate * 100).toFixed(1)} %`;
  demo.check(
    `every call was answered (${summary(endings)})`,
    endings.every(({ ok }) => ok),
  );
  demo.check("each question reached the server once", server.arrivals.length === QUESTIONS);
  demo.check(`the hit rate of this workload, ${rate}, is at least 95 %`, hitRate >= 0.95);
  demo.check("the answers are those of the questions", endings.every(isOfItsQuestion));
  demo.say(
    `half of the calls took less than ${middleMs(endings)} ms, the server takes ${CALL_MS} ms`,
  );

  demo.check("an answer is given again", (await asksServer(gateway, server, 1)) === 0);
  await gateway.call("shop__book", "something");
  demo.check(
    "a call that may change something clears it",
    (await asksServer(gateway, server, 1)) === 1,
  );
  await gateway.process.api("POST", "/api/cache/clear", { server: "shop" });
  demo.check("so does an operator", (await asksServer(gateway, server, 1)) === 1);

  const writes = server.arrivals.filter(({ tool }) => tool === "book").length;
  await gateway.calls("shop__book", 5, 1);
  const booked = server.arrivals.filter(({ tool }) => tool === "book").length - writes;
  demo.check(
    `calls that change something are never kept: 5 made, ${booked} reached it`,
    booked === 5,
  );

  await gateway.call("shop__look", "question 1");
  await server.kill();
  const kept = await gateway.call("shop__look", "question 1");
  demo.check("while the server is dead, what is kept is given", kept.ok);
});

/** How many calls reach the server when question `number` is asked. */
async function asksServer(gateway: Gateway, server: DemoServer, number: number): Promise<number> {
  const before = server.arrivals.length;
  await gateway.call("shop__look", `question ${number}`);
  return server.arrivals.length - before;
}

async function statisticsOf(gateway: Gateway): Promise<z.infer<typeof statisticsSchema>> {
  const { body } = await gateway.process.api("GET", "/api/cache");
  return statisticsSchema.parse(body);
}

function isOfItsQuestion({ order, text }: Called): boolean {
  return text === `shop did look ${order}`;
}

function middleMs(endings: readonly Called[]): string {
  const times = endings.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  return (times[Math.floor(times.length / 2)] ?? 0).toFixed(1);
}
