import { createServer } from "node:net";
import { once } from "node:events";
import { createClient } from "@redis/client";
import { describe, expect, test, vi } from "vitest";
import {
  Metrics,
  manualClock,
  randomToken,
  silentLog,
  systemClock,
  type Log,
} from "../../foundation/index.ts";
import { cacheKey, type CacheKey } from "./cache-key.ts";
import { cacheOptions } from "./cache-options.ts";
import { RedisStore } from "./redis-store.ts";
import { ResultCache } from "./result-cache.ts";
import { TestReader } from "./test-reader.ts";
import { TestRedis, redisProgram } from "./test-redis.ts";

const program = redisProgram() ?? "";
const FRESH = { ttlMs: 60_000, told: true };
const WAIT = { timeout: 20_000 };

describe.skipIf(program === "")("answers shared through Redis", () => {
  test("what one gateway has fetched another has without asking the server", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.fetch("a", "answer");
    const reader = await other.ask("a");
    expect(reader.hits[0]?.body.toString()).toBe("answer");
    expect(reader.hits[0]?.ttlLeftMs).toBeGreaterThan(0);
    expect(reader.hits[0]?.ttlLeftMs).toBeLessThanOrEqual(60_000);
    const text = await other.metrics.render();
    expect(text).toContain('mcp_cache_hits_total{cache_type="redis",tool_name="s__tool"} 1');
  });

  test("gateways with another prefix share nothing", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway("staging:")];
    await one.fetch("a", "answer");
    expect((await other.ask("a")).told).toEqual(["fetch"]);
  });

  test("what one clears is cleared in Redis and in the others' memory", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.fetch("a", "old");
    await other.ask("a");
    one.cache.invalidateServer("s");
    await vi.waitFor(() => expect(other.cache.statistics().keys).toBe(0), WAIT);
    expect((await other.ask("a")).told).toEqual(["fetch"]);
  });

  test("an answer that was asked for before a clearing elsewhere is never read again", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.warm();
    const slow = await one.ask("a");
    expect(slow.told).toEqual(["fetch"]);
    other.cache.invalidateServer("s");
    await vi.waitFor(() => expect(one.heard).toBe(1), WAIT);
    slow.flight().keep(Buffer.from("old"), FRESH);
    expect((await one.ask("a")).told).toEqual(["fetch"]);
    const third = await world.gateway();
    expect((await third.ask("a")).told).toEqual(["fetch"]);
  });

  test("clearing all clears every server", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.fetch("a", "1");
    await other.ask("a");
    one.cache.clear();
    await vi.waitFor(() => expect(other.cache.statistics().keys).toBe(0), WAIT);
    expect((await other.ask("a")).told).toEqual(["fetch"]);
  });

  test("without marks, as after Redis has lost them, nothing old is read", async () => {
    await using world = await World.open();
    const one = await world.gateway();
    await one.fetch("a", "old");
    await world.command(["DEL", "signalbox:cache:mark:s"]);
    const other = await world.gateway();
    expect((await other.ask("a")).told).toEqual(["fetch"]);
    await vi.waitFor(
      async () => expect(await world.command(["EXISTS", "signalbox:cache:mark:s"])).toBe(1),
      WAIT,
    );
    expect((await (await world.gateway()).ask("a")).told).toEqual(["fetch"]);
  });

  test("what is no record of ours is no answer", async () => {
    await using world = await World.open();
    const one = await world.gateway();
    await one.fetch("a", "answer");
    await world.command([
      "SET",
      `signalbox:cache:entry:${keyOf("a").text}`,
      "nonsense",
      "PX",
      "60000",
    ]);
    const other = await world.gateway();
    expect((await other.ask("a")).told).toEqual(["fetch"]);
  });

  test("a note that is not understood clears everything", async () => {
    await using world = await World.open();
    const one = await world.gateway();
    await one.fetch("a", "answer");
    await world.command(["PUBLISH", "signalbox:cache:cleared", "{"]);
    await vi.waitFor(() => expect(one.cache.statistics().keys).toBe(0), WAIT);
  });

  test("while Redis is down each gateway has its memory, and what it clears is told when Redis is back", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.fetch("a", "1");
    await world.redis.down();
    await vi.waitFor(() => expect(one.store.health().status).toBe("warning"), WAIT);
    expect((await one.ask("b")).told).toEqual(["fetch"]);
    expect((await one.ask("a")).told).toEqual(["hit"]);
    one.cache.invalidateServer("s");
    await world.redis.up();
    await vi.waitFor(() => expect(one.store.health()).toEqual({ status: "ok" }), WAIT);
    await vi.waitFor(() => expect(other.store.health()).toEqual({ status: "ok" }), WAIT);
    await vi.waitFor(
      async () => expect(await world.command(["EXISTS", "signalbox:cache:mark:s"])).toBe(1),
      WAIT,
    );
    expect(one.lines.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    expect(one.lines.filter((line) => line.startsWith("info"))).toHaveLength(1);
    await one.fetch("c", "2");
    await vi.waitFor(async () => expect((await other.ask("c")).told).toEqual(["hit"]), WAIT);
  });

  test("a connection lost and made again drops what is in memory, since clearings may have been missed", async () => {
    await using world = await World.open();
    const one = await world.gateway();
    await one.fetch("a", "1");
    await world.command(["CLIENT", "KILL", "TYPE", "pubsub"]);
    await vi.waitFor(() => expect(one.interruptions).toBe(2), WAIT);
    expect(one.cache.statistics().keys).toBe(0);
  });

  test("a Redis that hangs is asked a few times and then no more, until it answers again", async () => {
    await using world = await World.open();
    const one = await world.gateway("signalbox:", 500);
    await one.warm();
    world.redis.hang();
    try {
      for (const name of ["x", "y", "z"]) expect((await one.ask(name)).told).toEqual(["fetch"]);
      expect(one.store.health().status).toBe("warning");
      const reader = new TestReader();
      one.cache.read(keyOf("w"), "s__tool", reader, 5000);
      expect(reader.told).toEqual(["fetch"]);
    } finally {
      world.redis.resume();
    }
    await vi.waitFor(() => expect(one.store.health()).toEqual({ status: "ok" }), WAIT);
    await one.warm();
  });

  test("a Redis that hung and kept the connection has lost nothing, and memory is kept", async () => {
    await using world = await World.open();
    const one = await world.gateway("signalbox:", 500);
    await one.warm();
    world.redis.hang();
    try {
      for (const name of ["x", "y", "z"])
        (await one.ask(name)).flight().keep(Buffer.from("1"), FRESH);
      expect(one.store.health().status).toBe("warning");
    } finally {
      world.redis.resume();
    }
    await vi.waitFor(() => expect(one.store.health()).toEqual({ status: "ok" }), WAIT);
    expect(one.interruptions).toBe(1);
    expect(one.cache.statistics().keys).toBe(3);
  });

  test("reads that are late together count as one", async () => {
    await using world = await World.open();
    const one = await world.gateway("signalbox:", 500);
    await one.warm();
    world.redis.hang();
    try {
      const names = Array.from({ length: 20 }, (_, n) => `k${n}`);
      for (const reader of await Promise.all(names.map((name) => one.ask(name)))) {
        expect(reader.told).toEqual(["fetch"]);
      }
      expect(one.store.health()).toEqual({ status: "ok" });
    } finally {
      world.redis.resume();
    }
  });

  test("what is cleared while Redis hangs is not read out of it afterwards", async () => {
    await using world = await World.open();
    const one = await world.gateway("signalbox:", 500);
    await one.fetch("a", "old");
    world.redis.hang();
    try {
      for (const name of ["x", "y", "z"]) await one.ask(name);
      expect(one.store.health().status).toBe("warning");
      one.cache.invalidateServer("s");
    } finally {
      world.redis.resume();
    }
    await vi.waitFor(() => expect(one.store.health()).toEqual({ status: "ok" }), WAIT);
    expect((await one.ask("a")).told).toEqual(["fetch"]);
    await one.warm();
    expect((await (await world.gateway()).ask("a")).told).toEqual(["fetch"]);
  });

  test("writes beyond the bound are dropped and counted", async () => {
    await using world = await World.open();
    const one = await world.gateway();
    world.redis.hang();
    try {
      const body = Buffer.alloc(100_000);
      for (let n = 0; n < 300; n++) one.store.set(keyOf(`k${n}`), body, FRESH, "stamp");
      expect(await one.metrics.render()).toMatch(
        /mcp_cache_writes_dropped_total (13[0-9]|14[0-9])/,
      );
    } finally {
      world.redis.resume();
    }
  });

  test("what is still to be told is told before the end", async () => {
    await using world = await World.open();
    const [one, other] = [await world.gateway(), await world.gateway()];
    await one.fetch("a", "1");
    await other.ask("a");
    one.cache.invalidateServer("s");
    await one.store.close();
    await vi.waitFor(() => expect(other.cache.statistics().keys).toBe(0), WAIT);
  });

  test("two gateways that read and write at random never give an answer older than what they have heard", async () => {
    await using world = await World.open();
    const gateways = [await world.gateway(), await world.gateway()];
    let truth = 0;
    for (let turn = 0; turn < 60; turn++) {
      const actor = gateways[turn % 2];
      const hearer = gateways[(turn + 1) % 2];
      if (actor === undefined || hearer === undefined) throw new TypeError("no gateway");
      if (turn % 3 === 0) {
        const heard = hearer.heard;
        truth++;
        actor.cache.invalidateServer("s");
        // oxlint-disable-next-line no-loop-func -- it is awaited here
        await vi.waitUntil(() => hearer.heard === heard + 1, WAIT);
      }
      const reader = await actor.ask("a");
      if (reader.leads) reader.flight().keep(Buffer.from(String(truth)), FRESH);
      const given = reader.hits.map(({ body }) => body.toString());
      expect(given).toEqual(reader.leads ? [] : [String(truth)]);
    }
  });
});

test("an address where nothing answers holds nobody up, and is said once", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  server.close();
  await once(server, "close");
  await using one = new TestGateway(`redis://:a-password@127.0.0.1:${port}`, "signalbox:");
  expect(one.store.get(keyOf("a"))).toBeUndefined();
  await vi.waitFor(
    () => expect(one.lines.filter((line) => line.startsWith("warn"))).toHaveLength(1),
    WAIT,
  );
  expect(one.store.health()).toMatchObject({ status: "warning" });
  expect(JSON.stringify([one.lines, one.store.health()])).not.toContain("a-password");
  expect((await one.ask("a")).told).toEqual(["fetch"]);
});

class World implements AsyncDisposable {
  readonly redis: TestRedis;
  readonly #gateways: TestGateway[] = [];

  constructor(redis: TestRedis) {
    this.redis = redis;
  }

  static async open(): Promise<World> {
    return new World(await TestRedis.start(program));
  }

  /** Patient, so that a busy machine is not taken for a Redis that hangs. */
  async gateway(prefix = "signalbox:", getTimeoutMs = 10_000): Promise<TestGateway> {
    const gateway = new TestGateway(this.redis.url, prefix, getTimeoutMs);
    this.#gateways.push(gateway);
    await vi.waitUntil(() => gateway.store.health().status === "ok", WAIT);
    return gateway;
  }

  async command(args: string[]): Promise<unknown> {
    const client = createClient({ url: this.redis.url, maintNotifications: "disabled" });
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const gateway of this.#gateways) await gateway.store.close();
    await this.redis.down();
  }
}

class TestGateway implements AsyncDisposable {
  readonly store: RedisStore;
  readonly cache: ResultCache;
  readonly metrics = new Metrics();
  readonly lines: string[] = [];
  heard = 0;
  interruptions = 0;

  constructor(url: string, prefix: string, getTimeoutMs = 10_000) {
    const log: Log = {
      ...silentLog,
      warn: (fields, message) => this.lines.push(`warn ${message} ${JSON.stringify(fields)}`),
      info: (_fields, message) => this.lines.push(`info ${message}`),
    };
    const { metrics } = this;
    this.store = new RedisStore(
      { url, prefix, getTimeoutMs },
      { clock: systemClock, log, metrics, token: () => randomToken(9) },
    );
    this.cache = new ResultCache(cacheOptions.parse({}), {
      clock: manualClock(),
      metrics,
      log,
      second: this.store,
    });
    this.#overhear();
    this.store.start();
  }

  /** Asks, and resolves when the reader was told something. */
  async ask(name: string): Promise<TestReader> {
    const reader = new TestReader();
    this.cache.read(keyOf(name), "s__tool", reader, 5000);
    await vi.waitUntil(() => reader.told.length > 0, { ...WAIT, interval: 1 });
    return reader;
  }

  /** Has an answer fetched and stored in Redis. */
  async fetch(name: string, text: string): Promise<void> {
    await this.warm();
    const reader = await this.ask(name);
    reader.flight().keep(Buffer.from(text), FRESH);
    await vi.waitUntil(async () => {
      const answer = await this.store.get(keyOf(name));
      return answer?.found?.body.toString() === text;
    }, WAIT);
  }

  /** Until the server has its mark in Redis. */
  async warm(): Promise<void> {
    await vi.waitUntil(async () => (await this.store.get(keyOf("-")))?.stamp !== undefined, WAIT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
  }

  // The cache has registered itself; these count what it hears.
  #overhear(): void {
    const { cache } = this;
    this.store.listen({
      invalidated: (what) => {
        if (what.kind === "server") cache.forget(what);
        else cache.forget({ kind: "all" });
        this.heard++;
      },
      interrupted: () => {
        cache.forget({ kind: "all" });
        this.interruptions++;
      },
    });
  }
}

function keyOf(name: string): CacheKey {
  return cacheKey({ server: "s", method: "tools/call", name, form: "modern" });
}
