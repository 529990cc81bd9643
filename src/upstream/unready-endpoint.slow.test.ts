// An endpoint that swallows what it is sent, beside others that are well: no call may have to find that out.
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { deliver, modernServer, upstream, well } from "./fake-call.ts";
import {
  discovery,
  fakeHttpServer,
  type FakeHttpServer,
  type Received,
} from "./transports/fake-http-server.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** A server that takes connections and requests and answers none, until it is told to. */
async function blackhole(): Promise<{ peer: FakeHttpServer; open: () => void }> {
  let answers = false;
  const peer = await fakeHttpServer((request: Received, response: ServerResponse) => {
    if (answers && !discovery(request, response)) well(response, request.message["id"], 1);
  });
  onTestFinished(() => peer.close());
  return { peer, open: () => (answers = true) };
}

function serverOf(
  peers: readonly FakeHttpServer[],
  options: object = {},
  openingMs = 20_000,
): UpstreamServer {
  return upstream({
    endpoints: peers.map(({ url }) => ({ url })),
    retry_policy: { max_attempts: 1 },
    connection_pool: {
      connection_timeout: openingMs,
      reconnect_backoff: 50,
      max_reconnect_backoff: 50,
    },
    ...options,
  });
}

const callsOf = (peer: FakeHttpServer): number => peer.calls("tools/call").length;
const openingsOf = (peer: FakeHttpServer): number => peer.calls("server/discover").length;

test.for(["round_robin", "least_connections"])(
  "no call waits to its end for an endpoint that does not open (%s)",
  async (strategy) => {
    const [one, two, { peer: black }] = [
      await modernServer(well),
      await modernServer(well),
      await blackhole(),
    ];
    const server = serverOf([black, one, two], { load_balancer: { strategy } });
    for (let count = 0; count < 12; count++) {
      const { error } = await deliver(server, { timeoutMs: 5_000 });
      expect(error).toBeUndefined();
    }
    expect(openingsOf(black)).toBe(1);
    expect(callsOf(one) + callsOf(two)).toBe(12);
  },
);

test("an endpoint that did not open is opened again beside the calls, and takes its share once it is open", async () => {
  const [well1, { peer: black, open }] = [await modernServer(well), await blackhole()];
  const server = serverOf([well1, black], {}, 1_200);
  const [, dead] = server.links;
  await Promise.all([deliver(server), deliver(server)]);
  await expect.poll(() => dead?.lastError).toBeDefined();
  while (openingsOf(black) < 3) {
    // Each is over before an opening is.
    const { error } = await deliver(server, { timeoutMs: 1_000 });
    expect(error).toBeUndefined();
    await delay(5);
  }
  open();
  await expect.poll(() => dead?.state).toBe("connected");
  await expect
    .poll(async () => {
      await deliver(server);
      return callsOf(black);
    })
    .toBeGreaterThan(0);
});

test("lists come from another endpoint when the first one does not open", async () => {
  const [{ peer: black }, one] = [await blackhole(), await modernServer(well)];
  const server = serverOf([black, one]);
  const lane = await server.lane({ kind: "shared" }, AbortSignal.timeout(10_000));
  expect(lane.era).toBe("modern");
  expect(server.primary).toBe(server.links[1]);
  expect(server.laneNow({ kind: "shared" })).toBe(lane);
});

test("a server that never opened is in error from its first failure on, however often it is tried", async () => {
  let tries = 0;
  let broken = true;
  const peer = await fakeHttpServer((request, response) => {
    tries++;
    if (broken) response.socket?.resetAndDestroy();
    else discovery(request, response);
  });
  onTestFinished(() => peer.close());
  const server = serverOf([peer]);
  const seen: string[] = [];
  server.events.on("stateChanged", ({ state }) => seen.push(state));
  await deliver(server);
  await expect.poll(() => tries).toBeGreaterThan(4);
  const [link] = server.links;
  expect(link?.history.transitions.map(({ to }) => to)).toEqual(["connecting", "error"]);
  expect(server.status()).toMatchObject({ state: "error", since: link?.history.since });
  broken = false;
  await expect.poll(() => server.status().state).toBe("connected");
  expect(seen).toEqual(["connecting", "error", "connected"]);
});

test("a single server that could not be opened is opened again by itself", async () => {
  const { peer, open } = await blackhole();
  const server = serverOf([peer], {}, 200);
  const { error } = await deliver(server);
  expect(error?.code).toBe("SERVER_TIMEOUT");
  open();
  await expect.poll(() => server.links[0]?.state).toBe("connected");
});
