import fc from "fast-check";
import { expect, test } from "vitest";
import { cacheOptions } from "./cache-options.ts";
import { serverCacheOptions } from "../../upstream/index.ts";
import {
  freshnessOf,
  isPlainRequest,
  learn,
  policyFor,
  scopeNow,
  type CachePolicy,
} from "./cache-policy.ts";

const readOnly = { readOnlyHint: true };

test("a tool that changes nothing is kept only once its server has given a time", () => {
  const policy = toolPolicy({}, readOnly);
  expect(scopeNow(policy)).toBeUndefined();
  expect(policy.writes).toBe(false);
  learn(policy, { ttlMs: 1000, cacheScope: "public" });
  expect(scopeNow(policy)).toBe("public");
  learn(policy, {});
  expect(scopeNow(policy)).toBeUndefined();
});

test("once an answer was for one principal alone, none is looked up in the name of all", () => {
  const policy = toolPolicy({}, readOnly);
  learn(policy, { ttlMs: 1000, cacheScope: "private" });
  learn(policy, { ttlMs: 1000, cacheScope: "public" });
  expect(scopeNow(policy)).toBe("principal");
});

test("a tool that may change something clears, and what its server says of keeping does not count", () => {
  for (const annotations of [undefined, {}, { readOnlyHint: false }, { readOnlyHint: "true" }]) {
    const policy = toolPolicy({}, annotations);
    expect(policy.writes).toBe(true);
    learn(policy, { ttlMs: 1000 });
    expect(scopeNow(policy)).toBeUndefined();
    expect(freshnessOf(policy, { ttlMs: 1000 }).keep).toBe(false);
  }
});

test("a tool named in full is kept whatever it says of itself, and clears nothing", () => {
  const policy = toolPolicy({ tools: { search: { ttl: "5m", scope: "public" } } }, undefined);
  expect(scopeNow(policy)).toBe("public");
  expect(policy.writes).toBe(false);
  expect(freshnessOf(policy, {})).toEqual({
    keep: true,
    ttlMs: 300_000,
    scope: "public",
    told: false,
  });
});

test("a pattern takes only tools that are declared read-only", () => {
  const options = { tools: { "*": { ttl: "5m" } } };
  expect(scopeNow(toolPolicy(options, readOnly))).toBe("principal");
  expect(scopeNow(toolPolicy(options, undefined))).toBeUndefined();
  expect(toolPolicy(options, undefined).writes).toBe(true);
});

test("the longest pattern counts, and the name in full before all", () => {
  const tools = { "*": { ttl: 1 }, "se*": { ttl: 2 }, "sear*": { ttl: 3 } };
  expect(toolPolicy({ tools }, readOnly).operatorTtlMs).toBe(3);
  const named = { ...tools, search: { ttl: 4 } };
  expect(toolPolicy({ tools: named }, readOnly).operatorTtlMs).toBe(4);
});

test("without a time of its own a named tool is kept as long as the cache's ttl says", () => {
  expect(toolPolicy({ tools: { search: {} } }, undefined).operatorTtlMs).toBe(3_600_000);
});

test("what the server says is shorter counts, and longer does not", () => {
  const policy = toolPolicy({ tools: { search: { ttl: "5m" } } }, undefined);
  expect(freshnessOf(policy, { ttlMs: 1000 })).toMatchObject({
    keep: true,
    ttlMs: 1000,
    told: true,
  });
  expect(freshnessOf(policy, { ttlMs: 1e9 })).toMatchObject({ keep: true, ttlMs: 300_000 });
  expect(freshnessOf(policy, { ttlMs: 0 })).toEqual({ keep: false, share: false });
  expect(freshnessOf(policy, { ttlMs: -5 })).toEqual({ keep: false, share: false });
});

test("a server that is not listened to says nothing", () => {
  const tools = { search: { ttl: "5m", scope: "public" } };
  const policy = toolPolicy({ tools, honour_server_hints: false }, undefined);
  const told = { ttlMs: 1000, cacheScope: "private" };
  expect(freshnessOf(policy, told)).toEqual({
    keep: true,
    ttlMs: 300_000,
    scope: "public",
    told: false,
  });
});

test("what a server calls private is never for all, whatever the operator says", () => {
  const policy = toolPolicy({ tools: { search: { scope: "public" } } }, undefined);
  expect(freshnessOf(policy, { ttlMs: 5, cacheScope: "private" })).toMatchObject({
    scope: "principal",
  });
  expect(freshnessOf(policy, { cacheScope: "private" })).toMatchObject({ scope: "principal" });
  expect(freshnessOf(policy, { ttlMs: 5 })).toMatchObject({ scope: "public" });
});

test("resources are kept by what their server says, or by the operator", () => {
  const hinted = policyOf("resources/read", {}, undefined);
  expect(hinted.writes).toBe(false);
  expect(scopeNow(hinted)).toBeUndefined();
  expect(freshnessOf(hinted, { ttlMs: 7, cacheScope: "public" })).toMatchObject({
    keep: true,
    ttlMs: 7,
    scope: "public",
  });
  expect(scopeNow(policyOf("resources/read", { resources: { ttl: 5 } }, undefined))).toBe(
    "principal",
  );
});

test("where nothing is kept and nothing cleared there is no policy", () => {
  const subject = { server: "web", name: "search", annotations: readOnly };
  const off = cacheOptions.parse({ enabled: false });
  const on = cacheOptions.parse({});
  const ofServer = serverCacheOptions.parse({});
  expect(policyFor({ ...subject, method: "tools/call" }, off, ofServer)).toBeUndefined();
  expect(policyFor({ ...subject, method: "prompts/get" }, on, ofServer)).toBeUndefined();
  const deaf = serverCacheOptions.parse({ honour_server_hints: false });
  expect(policyFor({ ...subject, method: "tools/call" }, on, deaf)).toBeUndefined();
  expect(policyFor({ ...subject, method: "resources/read" }, on, deaf)).toBeUndefined();
});

test("a failing tool's answer is for those who wait, never for later", () => {
  fc.assert(
    fc.property(anyPolicy(), fc.object(), (policy, result) => {
      const failed = { ...result, resultType: "complete", isError: true };
      expect(freshnessOf(policy, failed)).toMatchObject({ keep: false, share: true });
    }),
  );
});

test("a question, a task and whatever else is not complete is never kept nor shared", () => {
  fc.assert(
    fc.property(anyPolicy(), fc.string(), fc.nat(), (policy, resultType, ttlMs) => {
      fc.pre(resultType !== "complete");
      const result = { resultType, ttlMs, cacheScope: "public" };
      expect(freshnessOf(policy, result)).toEqual({ keep: false, share: false });
      learn(policy, result);
      expect(policy.heard).toBeUndefined();
    }),
  );
});

test("what is kept is kept for some time, and no longer than anyone allows", () => {
  fc.assert(
    fc.property(anyPolicy(), fc.oneof(fc.double(), fc.anything()), (policy, ttlMs) => {
      const verdict = freshnessOf(policy, { ttlMs });
      fc.pre(verdict.keep);
      expect(verdict.ttlMs).toBeGreaterThan(0);
      expect(verdict.ttlMs).toBeLessThanOrEqual(policy.operatorTtlMs ?? policy.hintTtlMsMax);
      expect(verdict.ttlMs).toBeLessThanOrEqual(verdict.told ? Number(ttlMs) : Infinity);
    }),
  );
});

test("only a request with nothing beside its name and arguments is answered from the cache", () => {
  expect(isPlainRequest({ name: "a", arguments: {}, _meta: {} })).toBe(true);
  expect(isPlainRequest({ uri: "file:///a" })).toBe(true);
  expect(isPlainRequest({ name: "a", task: {} })).toBe(false);
  expect(isPlainRequest({ name: "a", requestState: "x", inputResponses: {} })).toBe(false);
});

function anyPolicy(): fc.Arbitrary<CachePolicy> {
  const ttl = fc.option(fc.nat(10_000), { nil: undefined });
  const scope = fc.constantFrom("public" as const, "principal" as const);
  return fc.record({
    operatorTtlMs: ttl,
    operatorScope: scope,
    hintTtlMsMax: fc.nat(10_000),
    writes: fc.boolean(),
    heard: fc.constant(undefined),
  });
}

function toolPolicy(ofServer: object, annotations: unknown): CachePolicy {
  return policyOf("tools/call", ofServer, annotations);
}

function policyOf(method: string, ofServer: object, annotations: unknown): CachePolicy {
  const policy = policyFor(
    { method, server: "web", name: "search", annotations },
    cacheOptions.parse({}),
    serverCacheOptions.parse(ofServer),
  );
  if (policy === undefined) throw new TypeError("no policy");
  return policy;
}
