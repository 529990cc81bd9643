import { expect, test } from "vitest";
import { cacheOptions, redisUrlOf } from "./cache-options.ts";
import { serverCacheOptions } from "../../upstream/index.ts";

test("without settings answers are kept in memory for an hour", () => {
  const options = cacheOptions.parse({});
  expect(options).toMatchObject({
    enabled: true,
    max_size: 10_000,
    bytes_max: 64 * 1024 * 1024,
    entry_bytes_max: 1024 * 1024,
    ttl: 3_600_000,
    stale_while_revalidate: 30_000,
    stale_if_error: 300_000,
  });
  expect(redisUrlOf(options)).toBeUndefined();
});

test("an address of Redis is enough to use it, unless memory is asked for or the cache is off", () => {
  const redis_url = "redis://cache.example.com:6379";
  expect(redisUrlOf(cacheOptions.parse({ redis_url }))).toBe(redis_url);
  expect(redisUrlOf(cacheOptions.parse({ redis_url, type: "redis" }))).toBe(redis_url);
  expect(redisUrlOf(cacheOptions.parse({ redis_url, type: "memory" }))).toBeUndefined();
  expect(redisUrlOf(cacheOptions.parse({ redis_url, enabled: false }))).toBeUndefined();
});

test.each([
  [{ type: "redis" }, "redis_url"],
  [{ redis_url: "https://example.com" }, "redis_url"],
  [{ ttl: "soon" }, "ttl"],
  [{ max_size: 0 }, "max_size"],
  [{ size: 5 }, "size"],
])("%j is refused", (input, name) => {
  expect(JSON.stringify(cacheOptions.safeParse(input).error?.issues)).toContain(name);
});

test("a server's tools are named with a ttl and a scope, by default the principal's own", () => {
  const options = serverCacheOptions.parse({
    tools: { search: { ttl: "5m", scope: "public" }, "get_*": {} },
    resources: { ttl: "1m" },
  });
  expect(options.tools["search"]).toEqual({ ttl: 300_000, scope: "public" });
  expect(options.tools["get_*"]).toEqual({ scope: "principal" });
  expect(options.resources).toEqual({ ttl: 60_000, scope: "principal" });
  expect(options).toMatchObject({ invalidate_on_write: true, honour_server_hints: true });
});
