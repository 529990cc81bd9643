import { defineTool, text } from "@signalbox/kit";
import { expect, test } from "vitest";
import { z } from "zod";
import { CallerLimits, hashKey, quotaOptions, rateLimitOptions } from "../../access/index.ts";
import {
  Metrics,
  manualClock,
  silentLog,
  type AuditEvent,
  type Log,
} from "../../foundation/index.ts";
import {
  LegacyClient,
  builtin,
  inside,
  keyRecord,
  modern,
  runGateway,
  sendRequest,
  serviceOf,
  type Answer,
  type RunningGateway,
} from "../running-gateway.ts";

interface Limited extends RunningGateway {
  readonly limits: CallerLimits;
  readonly metrics: Metrics;
  readonly events: AuditEvent[];
  readonly lines: string[];
  readonly advance: (ms: number) => void;
}

const keys = ["ann", "bob"].map((name) => keyRecord(name, hashKey(name)));

/** A gateway with two servers and limits as a user writes them. */
async function limited(rate: object, quota: object = {}, options: object = {}): Promise<Limited> {
  const clock = manualClock();
  const metrics = new Metrics();
  const events: AuditEvent[] = [];
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (_, message) => lines.push(message),
    child: () => log,
  };
  const limits = new CallerLimits(
    { rate: rateLimitOptions.parse(rate), quota: quotaOptions.parse(quota) },
    { clock, log },
  );
  const reads = defineTool({
    name: "reads",
    description: "Reads.",
    input: z.looseObject({}),
    annotations: { readOnlyHint: true },
    handler: () => text("read"),
  });
  const running = await runGateway(
    {
      servers: [
        { ...builtin(serviceOf("one", "a", reads)), options },
        builtin(serviceOf("two", "a", "b")),
      ],
      keys,
    },
    { clock, log, metrics, callerLimits: limits, audit: (event) => events.push(event) },
  );
  return { ...running, limits, metrics, events, lines, advance: (ms) => clock.advance(ms) };
}

async function call(url: string, name: string, key = "ann"): Promise<Answer> {
  return (await modern(`${url}/mcp`, "tools/call", { name }, { key })).whole();
}

const codeOf = (answer: Answer): unknown => inside(answer.error, "data", "code");

test("a caller that sends more than its limit is told so, by status, headers and error; another one is not", async () => {
  await using gateway = await limited({ max: 3, window: "10s" });
  for (let left = 2; left >= 0; left--) {
    const { status, headers } = await call(gateway.url, "one__a");
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "ratelimit-policy": '"caller";q=3;w=10',
      ratelimit: `"caller";r=${left};t=11`,
    });
  }
  const refused = await call(gateway.url, "one__a");
  expect(refused.status).toBe(429);
  expect(refused.headers).toMatchObject({
    "retry-after": "11",
    ratelimit: '"caller";r=0;t=11',
    "ratelimit-limit": "3",
    "ratelimit-remaining": "0",
    "ratelimit-reset": "11",
  });
  expect(refused.error).toMatchObject({
    code: -32603,
    message:
      "Rate limit exceeded: the rate limit of this caller is 3 requests in 10 s; try again in 11 s.",
    data: {
      code: "RATE_LIMITED",
      scope: "caller",
      limit: 3,
      windowMs: 10_000,
      retryAfterMs: 11_000,
    },
  });
  expect((await call(gateway.url, "one__a", "bob")).status).toBe(200);
  expect(gateway.calls).toHaveLength(4);
  gateway.advance(11_000);
  expect((await call(gateway.url, "one__a")).status).toBe(200);
});

test("every request counts for its caller, whatever it asks for, and notifications do not", async () => {
  await using gateway = await limited({ max: 4 });
  const client = await LegacyClient.open(`${gateway.url}/mcp`, { key: "ann" });
  const as = { "x-api-key": "ann" };
  await client.post({ jsonrpc: "2.0", method: "notifications/initialized" }, as);
  await (await client.post({ jsonrpc: "2.0", id: 1, method: "ping" }, as)).whole();
  await (await client.post({ jsonrpc: "2.0", id: 2, method: "tools/list" }, as)).whole();
  await (await modern(`${gateway.url}/mcp`, "server/discover", {}, { key: "ann" })).whole();
  const refused = await (await client.post({ jsonrpc: "2.0", id: 3, method: "ping" }, as)).whole();
  expect([refused.status, codeOf(refused)]).toEqual([429, "RATE_LIMITED"]);
  expect(refused.headers["retry-after"]).toBe("66");
  const again = await sendRequest(`${gateway.url}/mcp`, {
    headers: { ...as, "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params: {} }),
  });
  await again.whole();
  expect([again.status, codeOf(again)]).toEqual([429, "RATE_LIMITED"]);
});

test("each request of a batch counts, and is refused in its own place", async () => {
  await using gateway = await limited({ max: 3 });
  const client = await LegacyClient.open(`${gateway.url}/mcp`, {
    key: "ann",
    revision: "2025-03-26",
  });
  const batch = [1, 2, 3].map((id) => ({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name: "one__a", arguments: {} },
  }));
  const answer = await (await client.post(batch, { "x-api-key": "ann" })).whole();
  expect(answer.status).toBe(200);
  const refused = JSON.stringify(answer.messages).match(/RATE_LIMITED/g);
  expect(refused).toHaveLength(1);
  expect(gateway.calls).toHaveLength(2);
});

test("a client of 2024-11-05 is refused at its first message, and afterwards on its stream", async () => {
  await using gateway = await limited({ max: 1 });
  const stream = await sendRequest(`${gateway.url}/sse`, { method: "GET" });
  await stream.until(({ events }) => events.length > 0);
  const headers = { "content-type": "application/json" };
  const post = async (id: number, method: string): Promise<number> => {
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: {} });
    return (
      await (await sendRequest(gateway.url + stream.events[0]?.data, { body, headers })).whole()
    ).status;
  };
  expect(await post(0, "initialize")).toBe(202);
  expect(await post(1, "ping")).toBe(202);
  await stream.until(({ text: so }) => so.includes("RATE_LIMITED"));
  expect(stream.text).toContain("RATE_LIMITED");
  expect(await post(2, "initialize")).toBe(429);
  stream.leave();
});

test("all callers together have a limit, and one that is over its own does not use it up", async () => {
  await using gateway = await limited({ max: 2, all: { max: 3 } });
  for (let n = 0; n < 5; n++) await call(gateway.url, "one__a", "ann");
  expect((await call(gateway.url, "one__a", "bob")).status).toBe(200);
  const refused = await call(gateway.url, "one__a", "bob");
  expect([refused.status, inside(refused.error, "data", "scope")]).toEqual([429, "all"]);
});

test("servers and tools have limits of their own, of each caller or of all", async () => {
  await using gateway = await limited({
    servers: { one: { max: 1 }, two: { max: 2, per: "all" } },
    tools: { "two__b*": { max: 1 } },
  });
  const ask = async (name: string, key: string): Promise<unknown> => {
    const answer = await call(gateway.url, name, key);
    return answer.status === 429 ? inside(answer.error, "data", "scope") : answer.status;
  };
  expect(await ask("one__a", "ann")).toBe(200);
  expect(await ask("one__a", "ann")).toBe("server");
  expect(await ask("one__a", "bob")).toBe(200);
  expect(await ask("two__b", "ann")).toBe(200);
  expect(await ask("two__b", "ann")).toBe("tool");
  expect(await ask("two__a", "bob")).toBe(200);
  expect(await ask("two__a", "ann")).toBe("server");
  const refused = gateway.calls.filter(({ outcome }) => outcome === "refused");
  expect(refused.map(({ errorCode }) => errorCode)).toEqual(Array(3).fill("RATE_LIMITED"));
});

test("an answer out of the cache counts for its caller and not for its server", async () => {
  await using gateway = await limited(
    { max: 3, servers: { one: { max: 1 } } },
    {},
    { cache: { tools: { reads: { ttl: 60_000 } } } },
  );
  expect((await call(gateway.url, "one__reads")).status).toBe(200);
  expect((await call(gateway.url, "one__reads")).status).toBe(200);
  const other = await call(gateway.url, "one__a");
  expect([other.status, inside(other.error, "data", "scope")]).toEqual([429, "server"]);
  const over = await call(gateway.url, "one__reads");
  expect([over.status, inside(over.error, "data", "scope")]).toEqual([429, "caller"]);
});

test("a quota that is used up says when the next period begins, and only calls count in it", async () => {
  await using gateway = await limited({}, { day: 2 });
  for (let n = 0; n < 3; n++) {
    await (await modern(`${gateway.url}/mcp`, "tools/list", {}, { key: "ann" })).whole();
  }
  expect((await call(gateway.url, "one__a")).status).toBe(200);
  expect((await call(gateway.url, "two__a")).status).toBe(200);
  const refused = await call(gateway.url, "one__a");
  expect(refused.status).toBe(429);
  expect(refused.error["data"]).toMatchObject({
    code: "QUOTA_EXCEEDED",
    of: "principal:id-ann",
    period: "day",
    quota: 2,
    resetsAt: "2026-01-02T00:00:00.000Z",
  });
  expect((await call(gateway.url, "one__a", "bob")).status).toBe(200);
  gateway.advance(86_400_000);
  expect((await call(gateway.url, "one__a")).status).toBe(200);
});

test("a key's own limits go before those for all, and lift them with 0", async () => {
  await using gateway = await limited({ max: 1 }, { servers: { one: { day: 1 } } });
  gateway.limits.setKeyLimits(
    new Map([
      ["id-ann", { rate: { max: 0, windowMs: 60_000 } }],
      ["id-bob", { rate: { max: 2, windowMs: 60_000 }, quota: { day: 1 } }],
    ]),
  );
  for (let n = 0; n < 5; n++) expect((await call(gateway.url, "two__a")).status).toBe(200);
  expect((await call(gateway.url, "two__a", "bob")).status).toBe(200);
  expect(codeOf(await call(gateway.url, "two__a", "bob"))).toBe("QUOTA_EXCEEDED");
  expect(codeOf(await call(gateway.url, "two__a", "bob"))).toBe("RATE_LIMITED");
  expect((await call(gateway.url, "one__a")).status).toBe(200);
  expect(inside((await call(gateway.url, "one__a")).error, "data", "of")).toBe("server:one");
});

test("callers without a key are told apart by their address", async () => {
  const limits = new CallerLimits(
    { rate: rateLimitOptions.parse({ max: 1 }), quota: quotaOptions.parse({}) },
    { clock: manualClock(), log: silentLog },
  );
  const caller = { id: "anonymous", role: "caller" };
  const ask = (address: string): boolean => limits.request(caller, address) === undefined;
  expect([ask("10.0.0.1"), ask("10.0.0.1"), ask("::ffff:10.0.0.1")]).toEqual([true, false, false]);
  expect(ask("10.0.0.2")).toBe(true);
  expect([ask("2001:db8::1"), ask("2001:db8:0:0:9::7")]).toEqual([true, false]);
  expect(ask("2001:db8:0:1::1")).toBe(true);
});

test("refusals are counted each, and told once a minute in the log and the audit trail", async () => {
  await using gateway = await limited({ max: 1 });
  for (let n = 0; n < 5; n++) await call(gateway.url, "one__a");
  const counted = 'mcp_rate_limit_rejections_total{scope="caller"} 4';
  expect(await gateway.metrics.render()).toContain(counted);
  expect(await gateway.metrics.render()).toContain(
    'mcp_requests_refused_total{code="RATE_LIMITED"} 4',
  );
  expect(gateway.lines).toEqual(["Rate limit exceeded"]);
  expect(gateway.events).toMatchObject([
    {
      action: "limit.refuse",
      actor: { id: "id-ann", name: "ann", kind: "key" },
      target: "limit:caller",
      outcome: "denied",
      code: "RATE_LIMITED",
      details: { limit: 1, of: "id-ann" },
    },
  ]);
});

test("without limits there are none, and no headers", async () => {
  await using gateway = await limited({});
  for (let n = 0; n < 5; n++) {
    const { status, headers } = await call(gateway.url, "one__a");
    expect([status, headers["ratelimit"], headers["ratelimit-policy"]]).toEqual([
      200,
      undefined,
      undefined,
    ]);
  }
});
