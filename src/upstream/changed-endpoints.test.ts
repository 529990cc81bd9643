// Endpoints that come and go while the server is called.
import { expect, onTestFinished, test } from "vitest";
import { deliver, modernServer, upstream, well } from "./fake-call.ts";
import { fakeHttpServer, handshake, type FakeHttpServer } from "./transports/fake-http-server.ts";
import type { UpstreamServer } from "./upstream-server.ts";

const callsOf = (peer: FakeHttpServer): number => peer.calls("tools/call").length;

interface Endpoint {
  url: string;
  weight?: number;
  priority?: number;
}

function change(server: UpstreamServer, endpoints: Endpoint[]): void {
  server.setEndpoints({
    ...server.definition,
    options: { ...server.definition.options, endpoints },
  });
}

async function call(server: UpstreamServer, times: number): Promise<void> {
  for (let count = 0; count < times; count++) expect((await deliver(server)).error).toBeUndefined();
}

async function legacyServer(): Promise<FakeHttpServer> {
  const peer = await fakeHttpServer((request, response) => {
    if (!handshake(request, response, { session: "s" })) well(response, request.message["id"], 1);
  });
  onTestFinished(() => peer.close());
  return peer;
}

const plain = { load_balancer: { strategy: "round_robin", slow_start: 0 } };

test("a new endpoint takes its share, and the others keep their connections and what is known of them", async () => {
  const [one, two] = [await modernServer(well), await modernServer(well)];
  const server = upstream({ ...plain, endpoints: [{ url: one.url }] });
  await call(server, 4);
  const [first] = server.links;
  server.setBreaker("open", "other");
  const steps = first?.history.transitions.length;
  change(server, [{ url: two.url }, { url: one.url }]);
  await call(server, 6);
  expect(callsOf(two)).toBe(3);
  expect(one.calls("server/discover")).toHaveLength(1);
  expect(server.links).toEqual([expect.anything(), first]);
  expect(first?.history.transitions).toHaveLength(steps ?? 0);
  expect(server.breakers.explain().tools).toHaveProperty("other");
  expect(server.primary).toBe(first);
});

test("an endpoint that is gone finishes its calls, takes no more, and is closed", async () => {
  let answer: (() => void) | undefined;
  const one = await modernServer((response, id) => {
    answer = () => well(response, id, 1);
  });
  const two = await modernServer(well);
  const server = upstream({
    ...plain,
    endpoints: [{ url: one.url }, { url: two.url, priority: 1 }],
  });
  const running = deliver(server);
  await expect.poll(() => answer).toBeDefined();
  const [first] = server.links;
  change(server, [{ url: two.url }]);
  await call(server, 3);
  expect([callsOf(one), callsOf(two)]).toEqual([1, 3]);
  expect(first?.state).toBe("draining");
  answer?.();
  expect((await running).body).toContain("ok");
  await expect.poll(() => one.connections.open).toBe(0);
});

test("weights and priorities change without anything being opened anew", async () => {
  const [one, two] = [await modernServer(well), await modernServer(well)];
  const server = upstream({ ...plain, endpoints: [{ url: one.url }, { url: two.url }] });
  await call(server, 4);
  change(server, [{ url: one.url, priority: 1 }, { url: two.url }]);
  await call(server, 4);
  expect([callsOf(one), callsOf(two)]).toEqual([2, 6]);
  for (const peer of [one, two]) expect(peer.calls("server/discover")).toHaveLength(1);
});

test("when the endpoint that told the lists is gone, another one tells them", async () => {
  const [one, two] = [await modernServer(well), await modernServer(well)];
  const server = upstream({ ...plain, endpoints: [{ url: one.url }, { url: two.url }] });
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  const lists: string[] = [];
  server.events.on("listChanged", ({ kind }) => lists.push(kind));
  change(server, [{ url: two.url }]);
  await expect.poll(() => server.primary.state).toBe("connected");
  expect(server.primary.endpoint.url).toBe(two.url);
  await expect.poll(() => lists).toContain("tools");
  expect(server.status().state).toBe("connected");
});

test("a client's session stays where it is when another endpoint comes", async () => {
  const [one, two] = [await legacyServer(), await legacyServer()];
  const server = upstream({ ...plain, protocol_era: "legacy", endpoints: [{ url: one.url }] });
  const key = {
    kind: "session" as const,
    id: "s",
    clientInfo: {},
    capabilities: {},
    listener: { notification: () => undefined, request: () => undefined, closed: () => undefined },
  };
  await deliver(server, { key });
  change(server, [{ url: two.url }, { url: one.url }]);
  for (let count = 0; count < 4; count++) await deliver(server, { key });
  expect([callsOf(one), callsOf(two)]).toEqual([5, 0]);
});
