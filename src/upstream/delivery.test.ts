import { createServer, type Server } from "node:http";
import { expect, test } from "vitest";
import { deliver, fails, modernServer, resets, upstream, well } from "./fake-call.ts";
import type { JsonObject } from "../protocol/index.ts";
import { event, events, type FakeHttpServer } from "./transports/fake-http-server.ts";

const callsOf = (peer: FakeHttpServer): number => peer.calls("tools/call").length;

test("a safe call whose connection breaks is sent again", async () => {
  const peer = await modernServer((response, id, call) =>
    (call < 3 ? resets : well)(response, id, call),
  );
  const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
  expect(await deliver(server, { safe: true })).toMatchObject({
    body: expect.stringContaining("ok"),
  });
  expect(callsOf(peer)).toBe(3);
  expect(server.retries.explain()).toMatchObject({ repeated: 2, recovered: 1 });
});

test("a call that may have been carried out and must not be twice is sent once, and its outcome is unknown", async () => {
  const peer = await modernServer(resets);
  const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
  const { error } = await deliver(server);
  expect(error).toMatchObject({
    code: "SERVER_CLOSED",
    details: { outcome: "unknown", attempts: 1 },
  });
  expect(error?.message).toContain("Whether the call was carried out is not known.");
  expect(callsOf(peer)).toBe(1);
});

test("the operator's word that a tool is idempotent lets it be repeated", async () => {
  const peer = await modernServer((response, id, call) =>
    (call < 2 ? fails : well)(response, id, call),
  );
  const server = upstream({
    url: peer.url,
    retry_policy: { base_delay: 1, max_delay: 5, tools: { "pu*": { idempotent: true } } },
  });
  expect((await deliver(server)).error).toBeUndefined();
  expect(callsOf(peer)).toBe(2);
});

test("a call that certainly was not carried out goes to another endpoint, whatever the tool", async () => {
  const away = await closedPort();
  const peer = await modernServer(well);
  const server = upstream({
    endpoints: [{ url: `http://127.0.0.1:${away}/mcp` }, { url: peer.url }],
  });
  for (let count = 0; count < 4; count++) expect((await deliver(server)).error).toBeUndefined();
  expect(callsOf(peer)).toBe(4);
});

test("what a throttling server did not do is done when it lets it", async () => {
  const peer = await modernServer((response, id, call) => {
    if (call > 1) well(response, id, call);
    else response.writeHead(429, { "retry-after": "0" }).end();
  });
  const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
  expect((await deliver(server)).error).toBeUndefined();
  expect(callsOf(peer)).toBe(2);
});

test("a server that keeps failing gets no calls until its breaker lets a trial through", async () => {
  const peer = await modernServer(fails);
  const server = upstream({
    url: peer.url,
    retry_policy: { max_attempts: 1 },
    circuit_breaker: { failures: 3, open_for: 60_000 },
  });
  for (let count = 0; count < 3; count++) await deliver(server);
  const { error } = await deliver(server);
  expect(error).toMatchObject({
    code: "BREAKER_OPEN",
    details: { retryAfterMs: expect.any(Number) },
  });
  expect(callsOf(peer)).toBe(3);
  server.setBreaker("closed");
  await deliver(server);
  expect(callsOf(peer)).toBe(4);
});

test("a tool that breaks every endpoint it is sent to is stopped before it takes them all down", async () => {
  const [one, two] = [await modernServer(resets), await modernServer(resets)];
  const server = upstream({
    endpoints: [{ url: one.url }, { url: two.url }],
    retry_policy: { max_attempts: 1 },
  });
  for (let count = 0; count < 5; count++) await deliver(server, { tool: "poison" });
  expect((await deliver(server, { tool: "poison" })).error?.code).toBe("BREAKER_OPEN");
  expect(server.breakers.explain().server).toMatchObject({ state: "closed", failures: 0 });
  expect(callsOf(one) + callsOf(two)).toBe(5);
});

test("no more calls run at once than permitted; one beyond the queue is refused", async () => {
  const held: (() => void)[] = [];
  const peer = await modernServer((response, id) => {
    held.push(() => well(response, id, 0));
  });
  const server = upstream({
    url: peer.url,
    bulkhead: { concurrency: 2, queue: 1, principal_share: 1 },
  });
  const calls = [deliver(server), deliver(server), deliver(server)];
  const refused = await deliver(server);
  expect(refused.error).toMatchObject({ code: "SERVER_BUSY" });
  await expect.poll(() => held.length).toBe(2);
  held.shift()?.();
  await expect.poll(() => held.length).toBe(2);
  for (const answer of held) answer();
  for (const outcome of await Promise.all(calls)) expect(outcome.error).toBeUndefined();
  expect(server.bulkhead.status()).toMatchObject({ running: 0, waiting: 0 });
});

test("an endpoint that is drained gets no new calls, and gets them again when it is back", async () => {
  const [one, two] = [await modernServer(well), await modernServer(well)];
  const server = upstream({ endpoints: [{ url: one.url }, { url: two.url }] });
  const [first] = server.links;
  for (let count = 0; count < 4; count++) await deliver(server);
  expect([callsOf(one), callsOf(two)]).toEqual([2, 2]);
  first?.drain();
  for (let count = 0; count < 4; count++) await deliver(server);
  expect([callsOf(one), callsOf(two)]).toEqual([2, 6]);
  first?.resume();
  for (let count = 0; count < 4; count++) await deliver(server);
  expect(callsOf(one)).toBe(4);
});

test("endpoints of a later priority stand in while those before them cannot be reached", async () => {
  const [main, spare] = [await modernServer(well), await modernServer(well)];
  const server = upstream({
    endpoints: [{ url: main.url }, { url: spare.url, priority: 1 }],
  });
  await deliver(server);
  expect([callsOf(main), callsOf(spare)]).toEqual([1, 0]);
  await main.close();
  for (let count = 0; count < 3; count++)
    expect((await deliver(server, { safe: true })).error).toBeUndefined();
  expect(callsOf(spare)).toBe(3);
});

test("the deadline covers all attempts together", async () => {
  const peer = await modernServer(() => undefined);
  const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
  const { error } = await deliver(server, { safe: true, timeoutMs: 200 });
  expect(error).toMatchObject({ code: "SERVER_TIMEOUT", details: { outcome: "failed" } });
  expect(callsOf(peer)).toBe(1);
});

test("the progress of a repeat is told from where the first attempt was", async () => {
  const peer = await modernServer((response, id, call) => {
    events(response);
    for (const progress of call === 1 ? [1, 2] : [1, 2, 3])
      event(response, { jsonrpc: "2.0", method: "notifications/progress", params: { progress } });
    if (call > 1) event(response, { jsonrpc: "2.0", id, result: {} });
    response.end();
  });
  const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
  const told: unknown[] = [];
  const heard = ({ params }: { params?: JsonObject }): void => void told.push(params?.["progress"]);
  expect((await deliver(server, { safe: true, heard })).error).toBeUndefined();
  expect(callsOf(peer)).toBe(2);
  expect(told).toEqual([1, 2, 3]);
});

test("calls of which no first attempt was sent count for the budget of repeats", async () => {
  const away = await closedPort();
  const server = upstream({
    url: `http://127.0.0.1:${away}/mcp`,
    retry_policy: { max_attempts: 1 },
  });
  for (let count = 0; count < 3; count++) await deliver(server);
  expect(server.retries.explain().budget).toMatchObject({ calls: 3 });
});

async function closedPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 1;
}

test("an endpoint whose connections break is left in peace, and used again once it answers", async () => {
  let broken = true;
  const peer = await modernServer((response, id, call) =>
    (broken ? resets : well)(response, id, call),
  );
  const server = upstream({
    url: peer.url,
    retry_policy: { max_attempts: 1 },
    connection_pool: { reconnect_backoff: 20, max_reconnect_backoff: 20 },
  });
  for (let count = 0; count < 3; count++) await deliver(server);
  expect(server.status()).toMatchObject({
    state: "reconnecting",
    lastError: { code: "SERVER_CLOSED" },
  });
  broken = false;
  await expect.poll(() => server.status().state).toBe("connected");
  expect((await deliver(server)).error).toBeUndefined();
  const [link] = server.links;
  expect(link?.history.reconnects).toBe(1);
  const states = link?.history.transitions.map(({ to }) => to) ?? [];
  expect(states.slice(-3)).toEqual(["connected", "reconnecting", "connected"]);
});
