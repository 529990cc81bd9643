// Credentials that a server refuses while its link is up: the operator is told, and the link is opened again once they are good.
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { deliver, upstream, well } from "./fake-call.ts";
import { discovery, fakeHttpServer, type FakeHttpServer } from "./transports/fake-http-server.ts";
import type { UpstreamServer } from "./upstream-server.ts";

const EVERY_MS = 30_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
});

/** A server that refuses the calls, or everything, as told. */
async function guarded(): Promise<{
  peer: FakeHttpServer;
  server: UpstreamServer;
  refuse: { calls?: number | undefined; all?: number | undefined };
}> {
  const refuse: { calls?: number | undefined; all?: number | undefined } = {};
  const peer = await fakeHttpServer((request, response) => {
    const isCall = request.message["method"] === "tools/call";
    const status = refuse.all ?? (isCall ? refuse.calls : undefined);
    if (status !== undefined) response.writeHead(status).end();
    else if (!discovery(request, response)) well(response, request.message["id"], 1);
  });
  onTestFinished(() => peer.close());
  const server = upstream({
    url: peer.url,
    connection_pool: { reconnect_backoff: 20, max_reconnect_backoff: 40 },
  });
  expect((await deliver(server)).error).toBeUndefined();
  return { peer, server, refuse };
}

const stateOf = (server: UpstreamServer): string => server.status().state;

test("a server that refuses the gateway's credentials for a call, and when it is asked, needs others", async () => {
  const { server, refuse } = await guarded();
  refuse.all = 401;
  expect((await deliver(server)).error?.code).toBe("SERVER_UNAUTHORIZED");
  await expect.poll(() => stateOf(server)).toBe("needs_auth");
  expect(server.status().lastError?.code).toBe("SERVER_UNAUTHORIZED");
  const { error } = await deliver(server);
  expect(error).toMatchObject({
    code: "SERVER_UNAUTHORIZED",
    details: { outcome: "not_executed", attempts: 1 },
  });
  refuse.all = undefined;
  await expect.poll(() => stateOf(server)).toBe("connected");
  expect((await deliver(server)).error).toBeUndefined();
});

test("a server that refuses one call's credentials and not the gateway's stays connected", async () => {
  const { peer, server, refuse } = await guarded();
  const asked = peer.calls("server/discover").length;
  refuse.calls = 401;
  await Promise.all([deliver(server), deliver(server), deliver(server)]);
  await expect.poll(() => server.links[0]?.health.inFlight).toBe(0);
  expect(peer.calls("server/discover").length).toBeGreaterThan(asked);
  expect(stateOf(server)).toBe("connected");
});

test("a call that is forbidden says nothing of the credentials", async () => {
  const { peer, server, refuse } = await guarded();
  const asked = peer.calls("server/discover").length;
  refuse.calls = 403;
  await deliver(server);
  expect(stateOf(server)).toBe("connected");
  expect(peer.calls("server/discover")).toHaveLength(asked);
});

test("a health check that is refused its credentials tells it too", async () => {
  const { server, refuse } = await guarded();
  refuse.all = 401;
  vi.advanceTimersByTime(EVERY_MS);
  vi.advanceTimersByTime(EVERY_MS);
  await expect.poll(() => stateOf(server)).toBe("needs_auth");
});
