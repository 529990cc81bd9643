import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createLog, silentLog, systemClock, type Clock, type Log } from "../foundation/index.ts";
import { isJsonObject, type JsonObject } from "../protocol/index.ts";
import { ask } from "./ask.ts";
import type { ServerOptions } from "./server-options.ts";
import {
  discovery,
  event,
  events,
  fakeHttpServer,
  handshake,
  HeardLane,
  json,
  type FakeHttpServer,
  type Received,
} from "./transports/fake-http-server.ts";
import type { LaneKey, SessionKey } from "./lane-slot.ts";
import { connectionPoolOptions } from "./connection-pool-options.ts";
import { UpstreamServer, type UpstreamOptions } from "./upstream-server.ts";

const shared: LaneKey = { kind: "shared" };
const principal = (id: string): LaneKey => ({ kind: "principal", id });
const session = (id: string, listener = new HeardLane()): SessionKey => ({
  kind: "session",
  id,
  clientInfo: { name: `client-${id}`, version: "1" },
  capabilities: { elicitation: {}, roots: { listChanged: true } },
  listener,
});
const soon = (): AbortSignal => AbortSignal.timeout(5000);

/** A real clock that can be put forward. */
function movableClock(): Clock & { forwardMs: number } {
  const clock = {
    forwardMs: 0,
    now: () => systemClock.now() + clock.forwardMs,
    monotonicMs: () => systemClock.monotonicMs() + clock.forwardMs,
  };
  return clock;
}

async function serve(handle: Parameters<typeof fakeHttpServer>[0]): Promise<FakeHttpServer> {
  const peer = await fakeHttpServer(handle);
  onTestFinished(() => peer.close());
  return peer;
}

function upstream(
  options: ServerOptions,
  more: { clock?: Clock; log?: Log; options?: Partial<UpstreamOptions> } = {},
): UpstreamServer {
  const server = new UpstreamServer(
    { name: "peer", options, origin: "config" },
    {
      log: more.log ?? silentLog,
      clock: more.clock ?? systemClock,
      options: {
        clientInfo: { name: "gateway", version: "9" },
        guards: { connection_pool: connectionPoolOptions.parse({ connection_timeout: 2000 }) },
        ...more.options,
      },
    },
  );
  onTestFinished(() => server.close());
  return server;
}

/** A legacy server that gives each session its own id. */
function legacyServer(capabilities: JsonObject = { tools: {} }): Promise<FakeHttpServer> {
  let sessions = 0;
  return serve((request, response) => {
    if (request.message["method"] === "initialize") sessions++;
    const handshakes = { session: `s-${sessions}`, capabilities };
    if (handshake(request, response, handshakes)) return;
    json(response, { jsonrpc: "2.0", id: request.message["id"], result: {} });
  });
}

function sessionsOf(requests: readonly Received[]): unknown[] {
  return requests.map((one) => one.headers["mcp-session-id"]);
}

describe("a lane", () => {
  test("is opened once, however many want it, and then is there at once", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url });
    expect(server.laneNow(shared)).toBeUndefined();
    const lanes = await Promise.all([1, 2, 3, 4].map(() => server.lane(shared, soon())));
    expect(new Set(lanes).size).toBe(1);
    expect(server.laneNow(shared)).toBe(lanes[0]);
    expect(peer.calls("initialize")).toHaveLength(1);
  });

  test("is told of in the debug lines of the area upstream", async () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLog({
      level: "error",
      format: "json",
      debug: "mcp:upstream",
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    });
    const peer = await legacyServer();
    const server = upstream({ url: peer.url }, { log });
    const { revision } = await server.lane(shared, soon());
    await server.close();
    const fields = { level: "debug", area: "upstream", serverId: "peer" };
    expect(lines).toEqual([
      expect.objectContaining({ ...fields, lane: "shared", message: "Connecting" }),
      expect.objectContaining({
        ...fields,
        lane: "shared",
        era: "legacy",
        revision,
        duration: expect.any(Number),
        message: "Connected",
      }),
      expect.objectContaining({ ...fields, lanes: 1, message: "Closed" }),
    ]);
  });

  test("of a legacy server is each principal's and each client session's own", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url });
    const keys = [shared, principal("a"), principal("b"), session("c")];
    for (const key of keys) {
      const lane = await server.lane(key, soon());
      await ask(lane, "ping", {}, { timeoutMs: 1000 });
      expect(server.laneNow(key)).toBe(lane);
      expect(lane.shared).toBe(key.kind !== "session");
    }
    expect(new Set(sessionsOf(peer.calls("ping"))).size).toBe(4);
    const names = peer.calls("initialize").map(({ message: { params } }) => params);
    expect(names[0]).toMatchObject({ clientInfo: { name: "gateway" }, capabilities: {} });
    expect(names.at(-1)).toMatchObject({ clientInfo: { name: "client-c" } });
    expect(JSON.stringify(names.at(-1))).not.toContain("roots");
  });

  test("of a modern server is everyone's", async () => {
    const peer = await serve((request, response) => {
      if (!discovery(request, response)) response.writeHead(404).end();
    });
    const server = upstream({ url: peer.url });
    const lane = await server.lane(session("c"), soon());
    expect(await server.lane(principal("a"), soon())).toBe(lane);
    expect(await server.lane(shared, soon())).toBe(lane);
    expect(server.laneNow(session("d"))).toBe(lane);
    expect(lane).toMatchObject({ era: "modern", shared: true });
  });

  test("is given up by who no longer waits, while it opens for the others", async () => {
    const go = Promise.withResolvers<void>();
    const peer = await serve(async (request, response) => {
      if (request.message["method"] === "initialize") await go.promise;
      handshake(request, response);
    });
    const server = upstream({ url: peer.url, protocol_era: "legacy" });
    const impatient = new AbortController();
    const first = server.lane(shared, impatient.signal);
    const second = server.lane(shared, soon());
    impatient.abort(new Error("no time"));
    await expect(first).rejects.toThrow("no time");
    go.resolve();
    expect((await second).closed).toBe(false);
  });

  test("of a released client session is closed at the server too", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url });
    await server.lane(session("c"), soon());
    server.release("c");
    expect(server.laneNow(session("c"))).toBeUndefined();
    await vi.waitFor(() =>
      expect(peer.received.filter((one) => one.method === "DELETE")).toHaveLength(1),
    );
  });

  test("is not opened any more for a client session that is over", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url });
    await server.lane(shared, soon());
    const key: LaneKey = { ...session("c"), over: () => true };
    await expect(server.lane(key, soon())).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    expect(server.laneNow(key)).toBeUndefined();
    expect(peer.calls("initialize")).toHaveLength(1);
  });

  test("of a principal is closed when it was not used for a while, the shared one is not", async () => {
    const peer = await legacyServer();
    const clock = movableClock();
    const server = upstream({ url: peer.url }, { clock, options: { tendEveryMs: 20 } });
    await server.lane(shared, soon());
    await server.lane(principal("a"), soon());
    clock.forwardMs += 9 * 60_000;
    expect(server.laneNow(principal("a"))).toBeDefined();
    clock.forwardMs += 9 * 60_000;
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(server.laneNow(principal("a"))).toBeDefined();
    clock.forwardMs += 11 * 60_000;
    await vi.waitFor(() =>
      expect(peer.received.filter((one) => one.method === "DELETE")).toHaveLength(1),
    );
    expect(server.laneNow(principal("a"))).toBeUndefined();
    expect(server.laneNow(shared)).toBeDefined();
  });

  test("beyond the limit is refused", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url }, { options: { lanesMax: 1 } });
    await server.lane(principal("a"), soon());
    await expect(server.lane(principal("b"), soon())).rejects.toMatchObject({
      code: "SESSION_LIMIT",
    });
  });

  test("is had from the next endpoint where the first does not answer", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: "http://127.0.0.1:1/mcp", endpoints: [{ url: peer.url }] });
    expect((await server.lane(shared, soon())).era).toBe("legacy");
    await server.lane(principal("a"), soon());
    expect(server.status().state).toBe("degraded");
  });
});

describe("a server that fails", () => {
  test("is left in peace for a while: everyone gets the last error at once", async () => {
    let failing = true;
    const peer = await serve((request, response) => {
      if (failing) response.writeHead(503).end();
      else handshake(request, response);
    });
    const clock = movableClock();
    const server = upstream({ url: peer.url, protocol_era: "legacy" }, { clock });
    await expect(server.lane(shared, soon())).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
    const asked = peer.received.length;
    const again = server.lane(principal("a"), soon());
    await expect(again).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
      details: { retryAfterMs: expect.any(Number) },
    });
    expect(peer.received).toHaveLength(asked);
    expect(server.status()).toMatchObject({
      state: "error",
      lastError: { code: "SERVER_UNREACHABLE" },
    });
    failing = false;
    clock.forwardMs += 1000;
    await server.lane(shared, soon());
    expect(server.status().state).toBe("connected");
  });

  test("by never answering is a timeout", async () => {
    const peer = await serve(() => undefined);
    const server = upstream(
      { url: peer.url, protocol_era: "legacy" },
      {
        options: {
          guards: { connection_pool: connectionPoolOptions.parse({ connection_timeout: 200 }) },
        },
      },
    );
    await expect(server.lane(shared, soon())).rejects.toMatchObject({ code: "SERVER_TIMEOUT" });
  });

  test("as a process leaves its last words, and is started again", async () => {
    const script = 'console.error("out of tea"); process.exit(3)';
    const server = upstream({ command: process.execPath, args: ["-e", script] });
    await expect(server.lane(shared, soon())).rejects.toMatchObject({ code: "SERVER_CRASHED" });
    expect(server.stderr().join("\n")).toContain("out of tea");
    expect(server.status()).toMatchObject({ transport: "stdio", state: "error" });
  });

  test("and is disabled is not even tried", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url, enabled: false });
    await expect(server.lane(shared, soon())).rejects.toMatchObject({ code: "SERVER_DISABLED" });
    expect(server.status().state).toBe("disabled");
    expect(peer.received).toHaveLength(0);
  });
});

describe("the status", () => {
  test("tells what happens, as it happens", async () => {
    const peer = await legacyServer();
    const server = upstream({ url: peer.url });
    const states: string[] = [];
    server.events.on("stateChanged", ({ state }) => states.push(state));
    expect(server.status()).toMatchObject({ name: "peer", state: "idle", calls: 0, errors: 0 });
    await server.lane(shared, soon());
    server.recordCall(false);
    server.recordCall(true);
    expect(server.status()).toMatchObject({
      transport: "streamable-http",
      state: "connected",
      era: "legacy",
      revision: "2025-11-25",
      calls: 2,
      errors: 1,
      era_probed_at: expect.any(Number),
    });
    await server.close();
    expect(states).toEqual(["connecting", "connected", "idle"]);
  });
});

describe("an era that changes", () => {
  test("is noticed by a modern lane that is refused, and the next lane is legacy", async () => {
    let modern = true;
    const peer = await serve((request, response) => {
      if (modern && discovery(request, response)) return;
      if (!modern && handshake(request, response)) return;
      response.writeHead(400).end();
    });
    const server = upstream({ url: peer.url }, { clock: movableClock() });
    const first = await server.lane(shared, soon());
    expect(first.era).toBe("modern");
    modern = false;
    await expect(ask(first, "tools/list", {}, { timeoutMs: 1000 })).rejects.toMatchObject({
      code: "SERVER_REFUSED",
    });
    expect(server.laneNow(shared)).toBeUndefined();
    await vi.waitFor(() => expect(server.laneNow(shared)?.era).toBe("legacy"), { timeout: 5000 });
  });

  test("is noticed within a day though the old era still works", async () => {
    let modern = false;
    const peer = await serve((request, response) => {
      if (modern && discovery(request, response)) return;
      if (handshake(request, response)) return;
      response.writeHead(400).end();
    });
    const clock = movableClock();
    const server = upstream({ url: peer.url }, { clock, options: { tendEveryMs: 20 } });
    expect((await server.lane(shared, soon())).era).toBe("legacy");
    modern = true;
    expect(peer.calls("server/discover")).toHaveLength(1);
    clock.forwardMs += 25 * 3_600_000;
    await vi.waitFor(() => expect(server.laneNow(shared)?.era).toBe("modern"), { timeout: 5000 });
  });
});

describe("what a legacy server reports", () => {
  test("is told as events, and watched resources are subscribed to and no longer", async () => {
    let stream: ((message: unknown) => void) | undefined;
    const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } };
    let current = "s-1";
    const peer = await serve((request, response) => {
      if (request.method === "GET") {
        events(response);
        stream = (message) => event(response, message);
        return;
      }
      if (handshake(request, response, { session: current, capabilities })) return;
      if (request.headers["mcp-session-id"] === current)
        json(response, { jsonrpc: "2.0", id: request.message["id"], result: {} });
      else response.writeHead(404).end();
    });
    const server = upstream({ url: peer.url });
    const heard: unknown[] = [];
    server.events.on("listChanged", ({ kind }) => heard.push(kind));
    server.events.on("resourceUpdated", ({ uri }) => heard.push(uri));
    void server.setResourceInterest(new Set(["a:1", "a:2"]));
    const lane = await server.lane(shared, soon());
    await vi.waitFor(() => expect(uris(peer, "resources/subscribe")).toEqual(["a:1", "a:2"]));
    await vi.waitFor(() => expect(stream).toBeDefined());
    stream?.({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
    const params = { uri: "a:1" };
    stream?.({ jsonrpc: "2.0", method: "notifications/resources/updated", params });
    await vi.waitFor(() => expect(heard).toEqual(["tools", "a:1"]));
    void server.setResourceInterest(new Set(["a:2", "a:3"]));
    await vi.waitFor(() => expect(uris(peer, "resources/unsubscribe")).toEqual(["a:1"]));
    expect(uris(peer, "resources/subscribe")).toEqual(["a:1", "a:2", "a:3"]);
    current = "s-2";
    await ask(lane, "ping", {}, { timeoutMs: 1000 });
    await vi.waitFor(() =>
      expect(uris(peer, "resources/subscribe").slice(3)).toEqual(["a:2", "a:3"]),
    );
    expect(heard).toEqual(["tools", "a:1", "tools"]);
  });

  test("goes to the client where the lane is its own", async () => {
    let stream: ((message: unknown) => void) | undefined;
    const peer = await serve((request, response) => {
      if (request.method !== "GET") {
        if (!handshake(request, response)) response.writeHead(202).end();
        return;
      }
      events(response);
      stream = (message) => event(response, message);
    });
    const listener = new HeardLane();
    const server = upstream({ url: peer.url, protocol_era: "legacy" });
    await server.lane(session("c", listener), soon());
    await vi.waitFor(() => expect(stream).toBeDefined());
    stream?.({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info" } });
    stream?.({ jsonrpc: "2.0", id: 1, method: "elicitation/create", params: {} });
    stream?.({ jsonrpc: "2.0", id: 2, method: "ping" });
    await vi.waitFor(() => expect(listener.requests).toHaveLength(1));
    expect(listener.notifications).toHaveLength(1);
    await vi.waitFor(() => expect(peer.received.map((one) => one.message["id"])).toContain(2));
  });
});

function uris(peer: FakeHttpServer, method: string): unknown[] {
  return peer.calls(method).map(({ message: { params } }) => isJsonObject(params) && params["uri"]);
}
