// A server that was away: what is known of it may be old when it is there again, whether it reports changes or not.
import { expect, onTestFinished, test } from "vitest";
import { deliver, upstream, well } from "./fake-call.ts";
import { discovery, fakeHttpServer } from "./transports/fake-http-server.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** A server that can be away, offers tools and resources and reports changes of neither, and what its lists are said to be. */
async function silentServer(): Promise<{
  server: UpstreamServer;
  away: (is: boolean) => void;
  lists: string[];
}> {
  let isAway = false;
  const peer = await fakeHttpServer((request, response) => {
    if (isAway) response.socket?.resetAndDestroy();
    else if (!discovery(request, response, { tools: {}, resources: {} }))
      well(response, request.message["id"], 1);
  });
  onTestFinished(() => peer.close());
  const server = upstream({
    url: peer.url,
    retry_policy: { max_attempts: 1 },
    connection_pool: { reconnect_backoff: 20, max_reconnect_backoff: 20 },
  });
  const lists: string[] = [];
  server.events.on("listChanged", ({ kind }) => lists.push(kind));
  return { server, lists, away: (is) => (isAway = is) };
}

test("all its lists are told to have changed when a lost server is there again", async () => {
  const { server, away, lists } = await silentServer();
  await deliver(server);
  expect(lists).toEqual([]);
  away(true);
  for (let count = 0; count < 3; count++) await deliver(server);
  expect(server.status().state).toBe("reconnecting");
  away(false);
  await expect.poll(() => server.status().state).toBe("connected");
  expect(lists).toEqual(["tools", "resources"]);
});

test("the same where it could not be opened at first", async () => {
  const { server, away, lists } = await silentServer();
  away(true);
  await deliver(server);
  expect(server.status().state).toBe("error");
  away(false);
  await expect.poll(() => server.status().state).toBe("connected");
  expect(lists).toEqual(["tools", "resources"]);
});
