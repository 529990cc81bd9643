// Health checks of a link, at the times the test says: they ask where no call tells how the link does, and draw the same conclusions.
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { deliver, modernServer, upstream, well } from "./fake-call.ts";
import {
  discovery,
  fakeHttpServer,
  handshake,
  json,
  type FakeHttpServer,
  type Received,
} from "./transports/fake-http-server.ts";
import type { ServerResponse } from "node:http";
import type { UpstreamServer } from "./upstream-server.ts";

const EVERY_MS = 30_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
});

const look = (): void => void vi.advanceTimersByTime(EVERY_MS);
const stateOf = (server: UpstreamServer): string | undefined => server.links[0]?.state;
const asks = (peer: FakeHttpServer, method = "server/discover"): number =>
  peer.calls(method).length;

/** A modern server whose answer to a health check is told. */
async function checked(): Promise<{
  peer: FakeHttpServer;
  server: UpstreamServer;
  answer: { to: (request: Received, response: ServerResponse) => void };
  check: () => Promise<void>;
}> {
  const answer = {
    to: (request: Received, response: ServerResponse): void => void discovery(request, response),
  };
  const peer = await fakeHttpServer((request, response) => {
    if (request.message["method"] === "server/discover") answer.to(request, response);
    else well(response, request.message["id"], 1);
  });
  onTestFinished(() => peer.close());
  const server = upstream({
    url: peer.url,
    connection_pool: {
      health_check_interval: EVERY_MS,
      connection_timeout: 2_000,
      reconnect_backoff: 20,
      max_reconnect_backoff: 20,
    },
    circuit_breaker: { enabled: false },
  });
  const [link] = server.links;
  return {
    peer,
    server,
    answer,
    check: async () => {
      const before = asks(peer);
      look();
      await expect.poll(() => asks(peer)).toBeGreaterThan(before);
      await expect.poll(() => link?.health.inFlight).toBe(0);
    },
  };
}

test("a link over which no call went since the last look is asked, one with calls is not", async () => {
  const peer = await modernServer(well);
  const server = upstream({ url: peer.url });
  await deliver(server);
  const before = asks(peer);
  for (let round = 0; round < 3; round++) {
    await deliver(server);
    look();
  }
  await deliver(server);
  expect(asks(peer)).toBe(before);
  look();
  look();
  await expect.poll(() => asks(peer)).toBe(before + 1);
});

test("links that were opened together are asked a little sooner or later than each other", async () => {
  const peers = [await modernServer(well), await modernServer(well)];
  for (const [index, peer] of peers.entries()) {
    const server = upstream(
      { url: peer.url, connection_pool: { health_check_interval: EVERY_MS } },
      { random: () => index * 0.999 },
    );
    await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  }
  const [soon, late] = peers.map((peer) => () => asks(peer));
  vi.advanceTimersByTime(0.86 * EVERY_MS);
  await expect.poll(() => soon?.()).toBe(2);
  vi.advanceTimersByTime(0.28 * EVERY_MS);
  expect(late?.()).toBe(1);
  vi.advanceTimersByTime(0.02 * EVERY_MS);
  await expect.poll(() => late?.()).toBe(2);
});

test("a legacy server is asked in its own way, with ping", async () => {
  const peer = await fakeHttpServer((request, response) => {
    if (handshake(request, response, { session: "s" })) return;
    json(response, { jsonrpc: "2.0", id: request.message["id"], result: {} });
  });
  onTestFinished(() => peer.close());
  const server = upstream({ url: peer.url, protocol_era: "legacy" });
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  expect(asks(peer, "ping")).toBe(0);
  look();
  await expect.poll(() => asks(peer, "ping")).toBe(1);
  expect(peer.calls("ping")[0]?.headers["mcp-session-id"]).toBe("s");
});

test("the sessions of a link that was lost are closed once nothing runs in them", async () => {
  let isAway = false;
  let sessions = 0;
  const peer = await fakeHttpServer((request, response) => {
    const { method, id } = request.message;
    if (method === "initialize" && !isAway) sessions++;
    if (isAway) response.socket?.resetAndDestroy();
    else if (!handshake(request, response, { session: `s${sessions}` })) well(response, id, 1);
  });
  onTestFinished(() => peer.close());
  const server = upstream({
    url: peer.url,
    protocol_era: "legacy",
    retry_policy: { max_attempts: 1 },
    connection_pool: { reconnect_backoff: 20, max_reconnect_backoff: 20 },
  });
  const shared = { key: { kind: "shared" } } as const;
  await deliver(server, shared);
  isAway = true;
  for (let count = 0; count < 3; count++) await deliver(server, shared);
  expect(stateOf(server)).toBe("reconnecting");
  isAway = false;
  await expect.poll(() => stateOf(server)).toBe("connected");
  const ended = (): unknown[] =>
    peer.received
      .filter(({ method }) => method === "DELETE")
      .map(({ headers }) => headers["mcp-session-id"]);
  expect(ended()).toEqual([]);
  look();
  await expect.poll(ended).toEqual(["s1"]);
});

test("a server that never answered is not asked: there is no link yet", async () => {
  const { peer, server } = await checked();
  look();
  look();
  expect([asks(peer), stateOf(server)]).toEqual([0, "idle"]);
});

test("checks that fail make a link degraded, and checks that succeed make it connected again", async () => {
  const { server, answer, check } = await checked();
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  const { to } = answer;
  answer.to = (_request, response) => void response.writeHead(500).end();
  for (let count = 0; count < 20 && stateOf(server) !== "degraded"; count++) await check();
  expect(stateOf(server)).toBe("degraded");
  expect(server.status().state).toBe("degraded");
  answer.to = to;
  for (let count = 0; count < 20 && stateOf(server) !== "connected"; count++) await check();
  expect(stateOf(server)).toBe("connected");
  const steps = server.links[0]?.history.transitions.map((step) => [step.to, step.reason]);
  expect(steps?.slice(-2)).toEqual([
    ["degraded", "too many of its calls fail"],
    ["connected", "its calls succeed"],
  ]);
});

test("three checks without a connection and the link is lost, then opened again by itself", async () => {
  const { server, answer, check } = await checked();
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  const { to } = answer;
  answer.to = (_request, response) => void response.socket?.resetAndDestroy();
  for (let count = 0; count < 3; count++) {
    expect(stateOf(server)).not.toBe("reconnecting");
    await check();
  }
  expect(server.status()).toMatchObject({
    state: "reconnecting",
    lastError: { code: "SERVER_CLOSED" },
  });
  answer.to = to;
  await expect.poll(() => stateOf(server), { timeout: 5_000 }).toBe("connected");
  expect(server.links[0]?.history.reconnects).toBe(1);
  expect((await deliver(server)).error).toBeUndefined();
});

test("a check that is refused tells that the server lives", async () => {
  const { server, answer, check } = await checked();
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  answer.to = ({ message }, response) =>
    json(response, {
      jsonrpc: "2.0",
      id: message["id"],
      error: { code: -32601, message: "Method not found" },
    });
  for (let count = 0; count < 3; count++) await check();
  expect(stateOf(server)).toBe("connected");
  expect(server.links[0]?.health.score).toBe(1);
});

test("checks do not count as calls, neither for the bulkhead nor for the breakers nor for repeats", async () => {
  const { server, answer, check } = await checked();
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  answer.to = (_request, response) => void response.writeHead(500).end();
  for (let count = 0; count < 6; count++) await check();
  expect(server.breakers.explain()).toMatchObject({ server: { failures: 0 }, tools: {} });
  expect(server.bulkhead.status()).toMatchObject({ running: 0, waiting: 0 });
  expect(server.retries.repeated).toBe(0);
});
