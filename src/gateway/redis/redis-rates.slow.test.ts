import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CallerLimits, quotaOptions, rateLimitOptions } from "../../access/index.ts";
import { silentLog, systemClock } from "../../foundation/index.ts";
import { TestRedis, redisProgram } from "../cache/test-redis.ts";
import { openRedisRates } from "./open-redis-rates.ts";
import type { RedisRates } from "./redis-rates.ts";

const program = redisProgram() ?? "";
const WAIT = { timeout: 20_000 };

const told = (name: string, admitted: number, sliceMs = 60_000) => ({
  name,
  sliceMs,
  slices: 11,
  admitted,
});

describe.skipIf(program === "")("rates that gateways count in Redis", () => {
  test("gateways hear what all of them have admitted, each limit for itself", async () => {
    await using redis = await TestRedis.start(program);
    const [one, other] = [await rates(redis, "one"), await rates(redis, "other")];
    expect(await sums(one, told("a", 3), told("b", 1))).toEqual([3, 1]);
    expect(await sums(other, told("b", 5), told("a", 2))).toEqual([6, 5]);
    expect(await sums(await rates(redis, "third", "staging:"), told("a", 1))).toEqual([1]);
    expect(await one.beat()).toBe(2);
    expect(await other.beat()).toBe(2);
  });

  test("what is older than the window is no longer counted", async () => {
    await using redis = await TestRedis.start(program);
    const one = await rates(redis, "one");
    await sums(one, told("a", 3, 10));
    await pause(150);
    expect(await sums(one, told("a", 1, 10))).toEqual([1]);
  });

  test("10,000 requests to two gateways pass the limit by no more than a lease each, also when Redis comes back", async () => {
    await using redis = await TestRedis.start(program);
    const max = 2_000;
    const gateways = await Promise.all(
      ["one", "other"].map(async (name) => {
        const limits = new CallerLimits(
          { rate: rateLimitOptions.parse({ max, window: "1h" }), quota: quotaOptions.parse({}) },
          { clock: systemClock, log: silentLog },
        );
        limits.share(await rates(redis, name));
        onTestFinished(() => limits.close());
        return limits;
      }),
    );
    await vi.waitFor(
      () => expect(gateways.map((limits) => limits.sharing?.gateways)).toContain(2),
      WAIT,
    );
    const caller = { id: "key_a", role: "caller", keyId: "key_a" };
    let admitted = 0;
    const ask = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        if (gateways[(n >> 4) % 2]?.request(caller, undefined) === undefined) admitted++;
        if (n % 8 === 0) await pause(1);
      }
    };
    await ask(1_000);
    redis.hang();
    await ask(500);
    redis.resume();
    await vi.waitFor(() => expect(gateways.every((one) => one.sharing?.up)).toBe(true), WAIT);
    await ask(8_500);
    expect(admitted).toBeGreaterThanOrEqual(max);
    expect(admitted).toBeLessThanOrEqual(max + 2 * 0.2 * max);
  });
});

async function rates(
  redis: TestRedis,
  gateway: string,
  prefix = "signalbox:",
): Promise<RedisRates> {
  const opened = await openRedisRates({ url: redis.url, prefix }, { log: silentLog, gateway });
  onTestFinished(() => opened.close());
  await vi.waitFor(() => opened.beat(), WAIT);
  return opened;
}

async function sums(ledger: RedisRates, ...of: ReturnType<typeof told>[]): Promise<number[]> {
  const answers = await ledger.settle(of);
  // Slices without a count are holes.
  return answers.map((counts) => counts.reduce((sum, n) => sum + n, 0));
}
