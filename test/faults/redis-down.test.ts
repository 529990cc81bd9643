// FS-23, for the cache: a Redis that hangs, or dies, under calls. They go on, and each gateway keeps answers for itself.
import { createClient } from "@redis/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { redisProgram, TestRedis } from "../../src/gateway/cache/test-redis.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import { modernRequest, responseIn, send } from "../support/wire.ts";
import { Ledger } from "./ledger.ts";
import { LedgerServer } from "./ledger-server.ts";
import { answerText } from "./ledger-tools.ts";
import {
  durationsOf,
  runScenario,
  seeds,
  writeSummary,
  type Figures,
  type ScenarioRun,
} from "./scenario-run.ts";

// In CI the packages step has failed before, where there is none.
const program = redisProgram() ?? "";
const noticedMs = 45_000;

describe.skipIf(program === "")("FS-23: a gateway whose Redis", () => {
  const open = new AsyncDisposableStack();
  const ledger = new Ledger();
  let redis: TestRedis;
  let gateway: TestGateway;

  beforeAll(async () => {
    const server = open.use(await LedgerServer.start({ name: "kept", ledger }));
    redis = open.use(await TestRedis.start(program));
    gateway = await startGateway({
      servers: {
        kept: {
          url: server.url,
          cache: { tools: { read: { ttl: "10m" } }, invalidate_on_write: false },
        },
      },
      env: { REDIS_URL: redis.url },
    });
    open.defer(async () => await gateway.stop());
  }, 120_000);

  afterAll(async () => {
    await open.disposeAsync();
    await writeSummary("redis-down");
  }, 60_000);

  const faults = {
    hangs: { begin: () => redis.hang(), end: () => redis.resume() },
    dies: { begin: async () => await redis.down(), end: async () => await redis.up() },
  };
  const cases = seeds.flatMap((seed) => (["hangs", "dies"] as const).map((how) => ({ how, seed })));

  test.each(cases)(
    "$how, seed $seed: answers every call, also from its own memory, says so, and uses Redis again by itself",
    async ({ how, seed }) => {
      const violations = await runScenario(`FS-23 Redis ${how}`, seed, gateway, {
        ledger: () => ledger.entries,
        act: async (run) => await without(run, how),
      });
      expect(violations).toEqual([]);
    },
    120_000,
  );

  async function without(run: ScenarioRun, how: keyof typeof faults): Promise<Figures> {
    const before = `kept before, ${how}, ${run.seed}`;
    const during = `kept meanwhile, ${how}, ${run.seed}`;
    await until("Redis is used", async () => (await cacheHealth()) === "ok", noticedMs);
    await load(run, 40);
    const known = run.history.operations.length;
    await read(before);
    await faults[how].begin();
    try {
      await load(run, 120);
      for (const id of [before, during, during]) await read(id);
      await until("it is said", async () => (await cacheHealth()) === "warning", noticedMs);
      await load(run, 40);
    } finally {
      await faults[how].end();
    }
    // Each was asked of the server once: all else came out of memory.
    expect([before, during].map((id) => ledger.executions(id))).toEqual([1, 1]);
    const meanwhile = run.history.operations.slice(known);
    expect(meanwhile.filter(({ endings }) => endings[0]?.kind !== "ok")).toEqual([]);
    await until("Redis is used again", async () => (await cacheHealth()) === "ok", noticedMs);
    const after = `kept after, ${how}, ${run.seed}`;
    const keys = await redisKeys();
    await read(after);
    await until(
      "answers are kept in Redis again",
      async () => (await redisKeys()) > keys,
      noticedMs,
    );
    await run.recovers("kept", noticedMs);
    return {
      before: durationsOf(run.history.operations.slice(0, known), ["kept"]),
      meanwhile: durationsOf(meanwhile, ["kept"]),
    };
  }

  async function load(run: ScenarioRun, calls: number): Promise<void> {
    const end = run.calls.count + calls;
    await run.load({ servers: ["kept"], workers: 4, enough: () => run.calls.count >= end });
  }

  // A question that may come again, so that its answer is kept.
  async function read(id: string): Promise<void> {
    const params = { name: "kept__read", arguments: { id } };
    const answer = await send(
      `${gateway.url}/mcp`,
      modernRequest(gateway.key, "tools/call", params),
    );
    const { result } = responseIn(answer);
    expect(result?.["content"]).toEqual([{ type: "text", text: answerText("read", { id }) }]);
  }

  async function cacheHealth(): Promise<string | undefined> {
    const { body } = await gateway.api("GET", "/health");
    return z.object({ checks: z.record(z.string(), z.string()) }).parse(body).checks["cache"];
  }

  async function redisKeys(): Promise<number> {
    const client = createClient({ url: redis.url });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return await client.dbSize();
    } finally {
      client.destroy();
    }
  }
});
