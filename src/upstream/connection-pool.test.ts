// What `[connection_pool]` promises of connections to a remote endpoint, counted by a real HTTP server.
import { expect, onTestFinished, test, vi } from "vitest";
import { deliver, modernServer, upstream, well } from "./fake-call.ts";
import type { FakeHttpServer } from "./transports/fake-http-server.ts";
import type { UpstreamServer } from "./upstream-server.ts";

const HOUR_MS = 3_600_000;
const long = { timeout: 10_000 };

/** A server that answers when it is let. */
async function holding(): Promise<{ peer: FakeHttpServer; held: (() => void)[] }> {
  const held: (() => void)[] = [];
  const peer = await modernServer((response, id) => {
    held.push(() => well(response, id, 0));
  });
  return { peer, held };
}

const connectionsOf = (server: UpstreamServer): unknown => server.links[0]?.connections;
/** Calls that run at once, each on a connection of its own. */
const atOnce = (server: UpstreamServer, count: number): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, () => deliver(server)));

test("there are never more connections than max_connections; further calls wait for one", async () => {
  const { peer, held } = await holding();
  const server = upstream({ url: peer.url, connection_pool: { max_connections: 3 } });
  const calls = Array.from({ length: 8 }, () => deliver(server));
  await expect.poll(() => held.length).toBe(3);
  await expect.poll(() => connectionsOf(server)).toEqual({ open: 3, busy: 3, waiting: 5, max: 3 });
  for (let answered = 0; answered < 8; answered++) {
    await expect.poll(() => held.length).toBeGreaterThan(0);
    held.shift()?.();
  }
  for (const { error } of await Promise.all(calls)) expect(error).toBeUndefined();
  expect(peer.connections.most).toBe(3);
  expect(peer.calls("tools/call")).toHaveLength(8);
});

test("a call that waits for a connection until its deadline was not carried out", async () => {
  const { peer, held } = await holding();
  const server = upstream({ url: peer.url, connection_pool: { max_connections: 1 } });
  const first = deliver(server);
  await expect.poll(() => held.length).toBe(1);
  const { error } = await deliver(server, { timeoutMs: 100 });
  expect(error).toMatchObject({
    code: "SERVER_TIMEOUT",
    details: { outcome: "not_executed", attempts: 1 },
  });
  expect(error?.message).toContain("no connection to it was free");
  held.shift()?.();
  expect((await first).error).toBeUndefined();
  expect(peer.calls("tools/call")).toHaveLength(1);
});

test("a call that is given up while it waits for a connection never reaches the server", async () => {
  const { peer, held } = await holding();
  const server = upstream({ url: peer.url, connection_pool: { max_connections: 1 } });
  const first = deliver(server);
  await expect.poll(() => held.length).toBe(1);
  void deliver(server, { sent: (handle) => handle.cancel("no longer wanted") });
  const third = deliver(server);
  for (let answered = 0; answered < 2; answered++) {
    await expect.poll(() => held.length).toBe(1);
    held.shift()?.();
  }
  await Promise.all([first, third]);
  expect(peer.calls("tools/call")).toHaveLength(2);
});

test("calls one after the other use the connections that are there", async () => {
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({ url: peer.url, connection_pool: { max_idle_time: HOUR_MS } });
  await atOnce(server, 2);
  const { made } = peer.connections;
  for (let count = 0; count < 5; count++) await deliver(server);
  expect(peer.connections.made).toBe(made);
});

test("an unused connection is closed after max_idle_time, also where the server offers to keep it longer", async () => {
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({ url: peer.url, connection_pool: { max_idle_time: 50 } });
  await deliver(server);
  await expect.poll(() => peer.connections.open, long).toBe(0);
  expect(connectionsOf(server)).toMatchObject({ open: 0, busy: 0 });
  expect((await deliver(server)).error).toBeUndefined();
  expect(peer.connections.made).toBeGreaterThan(1);
});

test("a connection is closed before the server would close it, however long max_idle_time is", async () => {
  const peer = await modernServer(well, { keepAliveMs: 2_500 });
  const server = upstream({ url: peer.url, connection_pool: { max_idle_time: HOUR_MS } });
  await deliver(server);
  await expect.poll(() => connectionsOf(server), long).toMatchObject({ open: 0 });
});

test("a connection that is older than max_connection_age takes no further call", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({
    url: peer.url,
    connection_pool: { max_connection_age: 60_000, max_idle_time: HOUR_MS },
  });
  await atOnce(server, 2);
  const { made } = peer.connections;
  await deliver(server);
  expect(peer.connections.made).toBe(made);
  vi.advanceTimersByTime(60_000);
  expect((await deliver(server)).error).toBeUndefined();
  expect(peer.connections.made).toBe(made + 1);
  await expect.poll(() => peer.connections.open).toBe(1);
});

test("a call on a connection that grows too old meanwhile is answered", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { peer, held } = await holding();
  const server = upstream({
    url: peer.url,
    connection_pool: { max_connection_age: 60_000, max_idle_time: HOUR_MS },
  });
  const old = deliver(server);
  await expect.poll(() => held.length).toBe(1);
  vi.advanceTimersByTime(60_000);
  const young = deliver(server);
  await expect.poll(() => held.length).toBe(2);
  expect(connectionsOf(server)).toMatchObject({ open: 2, busy: 2 });
  for (const answer of held) answer();
  for (const { error } of await Promise.all([old, young])) expect(error).toBeUndefined();
});

test("min_connections are open as soon as the link is, and again after the next health check", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({
    url: peer.url,
    connection_pool: {
      min_connections: 3,
      max_idle_time: HOUR_MS,
      health_check_interval: 30_000,
    },
  });
  await deliver(server);
  const atLeastThree = { open: expect.toSatisfy((open: number) => open >= 3), busy: 0 };
  await expect.poll(() => connectionsOf(server)).toMatchObject(atLeastThree);
  peer.closeIdle();
  await expect.poll(() => connectionsOf(server)).toMatchObject({ open: 0 });
  vi.advanceTimersByTime(30_000); // a call was there since the last look
  vi.advanceTimersByTime(30_000);
  await expect.poll(() => connectionsOf(server)).toMatchObject(atLeastThree);
});

test("min_connections never go beyond max_connections", async () => {
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({
    url: peer.url,
    connection_pool: { min_connections: 5, max_connections: 2, max_idle_time: HOUR_MS },
  });
  await deliver(server);
  await expect.poll(() => connectionsOf(server)).toMatchObject({ open: 2, busy: 0, waiting: 0 });
  await atOnce(server, 4);
  expect(peer.connections.most).toBe(2);
});

test("connections that are opened ahead are no calls: a quiet link is asked at every look", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const peer = await modernServer(well, { keepAliveMs: HOUR_MS });
  const server = upstream({
    url: peer.url,
    connection_pool: {
      min_connections: 3,
      max_idle_time: HOUR_MS,
      health_check_interval: 30_000,
    },
  });
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  await expect.poll(() => connectionsOf(server)).toMatchObject({ busy: 0, waiting: 0 });
  for (let look = 0; look < 3; look++) {
    peer.closeIdle();
    await expect.poll(() => connectionsOf(server)).toMatchObject({ open: 0 });
    const asked = peer.calls("server/discover").length;
    vi.advanceTimersByTime(30_000);
    await expect.poll(() => peer.calls("server/discover").length).toBeGreaterThan(asked);
    await expect.poll(() => connectionsOf(server)).toMatchObject({ busy: 0, waiting: 0 });
    await expect.poll(() => server.links[0]?.health.inFlight).toBe(0);
  }
});

test("a health check that finds all connections in use says nothing of the endpoint", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { peer, held } = await holding();
  const server = upstream({
    url: peer.url,
    connection_pool: {
      max_connections: 1,
      health_check_interval: 30_000,
      connection_timeout: 100,
    },
  });
  const running = deliver(server, { timeoutMs: 20_000 });
  await expect.poll(() => held.length).toBe(1);
  const [link] = server.links;
  for (let look = 0; look < 3; look++) {
    vi.advanceTimersByTime(30_000);
    // The pool looks for what is overdue at intervals of its own.
    await expect
      .poll(() => {
        vi.advanceTimersByTime(100);
        return link?.health.inFlight;
      })
      .toBe(1);
  }
  expect(link?.health.failuresInARow).toBe(0);
  held.shift()?.();
  expect((await running).error).toBeUndefined();
});
