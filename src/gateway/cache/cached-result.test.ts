import fc from "fast-check";
import { expect, test } from "vitest";
import { Metrics, manualClock, silentLog } from "../../foundation/index.ts";
import type { JsonObject } from "../../protocol/index.ts";
import { cacheKey } from "./cache-key.ts";
import { cacheOptions } from "./cache-options.ts";
import { serverCacheOptions } from "../../upstream/index.ts";
import { policyFor, type CachePolicy } from "./cache-policy.ts";
import { cachedResponse, conclude } from "./cached-result.ts";
import { ResultCache } from "./result-cache.ts";
import { TestReader } from "./test-reader.ts";

const content = [{ type: "text", text: "é" }];

test("a kept result comes back under each caller's own id", () => {
  const { cache, key, policy } = world({ tools: { search: {} } });
  answer(cache, key, policy, { content });
  const reader = new TestReader();
  cache.read(key, "search", reader, 1000);
  const [hit] = reader.hits;
  if (hit === undefined) throw new TypeError("no hit");
  expect(cachedResponse(7, hit).toString()).toBe(
    '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"é"}]}}',
  );
  expect(JSON.parse(cachedResponse('a"b', hit).toString())).toMatchObject({ id: 'a"b' });
});

test("the time that is left shrinks while an answer lies here", () => {
  const { cache, key, policy, clock } = world({});
  policy.heard = "principal";
  answer(cache, key, policy, { content, ttlMs: 10_000, cacheScope: "private" });
  clock.advance(4000.5);
  expect(given(cache, key)).toEqual({ content, ttlMs: 5999, cacheScope: "private" });
  clock.advance(10_000);
  expect(given(cache, key)).toMatchObject({ ttlMs: 0 });
});

test("a result of nothing but a time stays JSON", () => {
  const { cache, key, policy } = world({});
  policy.heard = "principal";
  answer(cache, key, policy, { ttlMs: 10 });
  expect(given(cache, key)).toEqual({ ttlMs: 10 });
});

test("where the operator sets the server's word aside, clients are told to keep nothing", () => {
  const { cache, key, policy } = world({ tools: { search: {} }, honour_server_hints: false });
  answer(cache, key, policy, { content, ttlMs: 10_000 });
  expect(given(cache, key)).toEqual({ content, ttlMs: 0 });
});

test("a legacy client's form has no time, whatever the server said", () => {
  const { cache, key, policy } = world({});
  policy.heard = "principal";
  answer(cache, key, policy, { content, ttlMs: 10_000 }, { content });
  expect(given(cache, key)).toEqual({ content });
});

test("an answer for one principal does not land under the key of all", () => {
  const { cache, shared, policy } = world({});
  policy.heard = "public";
  const waiting = new TestReader();
  const leader = new TestReader();
  cache.read(shared, "search", leader, 1000);
  cache.read(shared, "search", waiting, 1000);
  conclude(leader.flight(), policy, { ttlMs: 10_000, cacheScope: "private" });
  expect(waiting.told).toEqual(["fetch"]);
  expect(cache.lookup(shared, "search").state).toBe("miss");
  expect(policy.heard).toBe("principal");
});

test("a failure of a tool is not shared among principals unless the operator says so", () => {
  for (const [options, told] of [
    [{}, "fetch"],
    [{ tools: { search: { scope: "public" } } }, "hit"],
  ] as const) {
    const { cache, shared, policy } = world(options);
    policy.heard = "public";
    const [leader, waiting] = [new TestReader(), new TestReader()];
    cache.read(shared, "search", leader, 1000);
    cache.read(shared, "search", waiting, 1000);
    conclude(leader.flight(), policy, { content, isError: true });
    expect(waiting.told).toEqual([told]);
    expect(cache.statistics().keys).toBe(0);
  }
});

test("whatever a server answers is given again unchanged but for its time", () => {
  const result = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(result, fc.option(fc.integer({ min: 1, max: 1000 })), (members, ttlMs) => {
      const { isError: _e, resultType: _r, cacheScope: _c, ttlMs: _t, ...rest } = members;
      const full = JSON.parse(JSON.stringify(ttlMs === null ? rest : { ...rest, ttlMs }));
      const { cache, key, policy } = world({ tools: { search: {} } });
      answer(cache, key, policy, full);
      expect(given(cache, key)).toEqual(full);
    }),
  );
});

function answer(
  cache: ResultCache,
  key: ReturnType<typeof cacheKey>,
  policy: CachePolicy,
  ...results: [JsonObject, JsonObject?]
): void {
  const reader = new TestReader();
  cache.read(key, "search", reader, 1000);
  conclude(reader.flight(), policy, ...results);
}

function given(cache: ResultCache, key: ReturnType<typeof cacheKey>): unknown {
  const found = cache.lookup(key, "search");
  if (found.state === "miss") return undefined;
  const response: unknown = JSON.parse(cachedResponse(1, found).toString());
  return response instanceof Object ? Reflect.get(response, "result") : undefined;
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- a handful of things for tests
function world(ofServer: object) {
  const clock = manualClock();
  const options = cacheOptions.parse({});
  const cache = new ResultCache(options, { clock, metrics: new Metrics(), log: silentLog });
  const subject = { server: "web", method: "tools/call", name: "search" };
  const policy = policyFor(
    { ...subject, annotations: { readOnlyHint: true } },
    options,
    serverCacheOptions.parse(ofServer),
  );
  if (policy === undefined) throw new TypeError("no policy");
  const key = cacheKey({ ...subject, principalId: "p", form: "modern" });
  const shared = cacheKey({ ...subject, form: "modern" });
  return { cache, clock, key, shared, policy };
}
