import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { isJsonObject, type JsonRpcRequest } from "../../protocol/index.ts";
import type { Lane, LaneContext, OutboundRequest, TransportDeps } from "../lane.ts";
import type { ServerOptions } from "../server-options.ts";
import {
  discovery,
  event,
  events,
  fakeContext,
  fakeDeps,
  fakeHttpServer,
  handshake,
  Heard,
  HeardLane,
  json,
  type FakeHttpServer,
  type Received,
} from "./fake-http-server.ts";
import { open } from "./streamable-http.ts";

type Handle = Parameters<typeof fakeHttpServer>[0];

async function serve(handle: Handle): Promise<FakeHttpServer> {
  const peer = await fakeHttpServer(handle);
  onTestFinished(() => peer.close());
  return peer;
}

async function laneTo(
  peer: FakeHttpServer,
  era: "modern" | "legacy" | "auto",
  more: {
    context?: Partial<LaneContext>;
    deps?: Partial<TransportDeps>;
    options?: Partial<ServerOptions>;
    listener?: HeardLane;
  } = {},
): Promise<Lane> {
  const lane = await open(
    { url: peer.url, protocol_era: era, ...more.options },
    { ...fakeContext, ...more.context },
    more.listener ?? new HeardLane(),
    fakeDeps(more.deps),
  );
  onTestFinished(() => lane.close());
  return lane;
}

function call(
  id: string | number = 7,
  more: Partial<OutboundRequest> = {},
  meta?: JsonRpcRequest["params"],
): OutboundRequest {
  const params = { name: "echo", arguments: { text: "hé" }, ...(meta && { _meta: meta }) };
  return {
    message: { jsonrpc: "2.0", id, method: "tools/call", params },
    timeoutMs: 5000,
    ...more,
  };
}

/** A server of one era whose answer to tools/call is `handle`'s. */
function server(
  era: "modern" | "legacy",
  handle: Handle,
  session = "s-1",
): Promise<FakeHttpServer> {
  return serve((request, response) => {
    if (era === "modern" ? discovery(request, response) : false) return undefined;
    if (era === "legacy" && handshake(request, response, { session })) return undefined;
    if (request.message["method"] === "notifications/cancelled") {
      response.writeHead(202).end();
      return undefined;
    }
    return handle(request, response);
  });
}

/** A server that says on its first call what the test lets it say, and nothing on others; and a lane to it, on a clock of its own. */
async function slowServer(era: "modern" | "legacy"): Promise<{
  lane: Lane;
  peer: FakeHttpServer;
  clock: ManualClock;
  progress: (progress: number) => Promise<void>;
  answer: () => Promise<void>;
}> {
  const clock = manualClock();
  const first = Promise.withResolvers<Parameters<Handle>>();
  const peer = await server(era, (request, response) => {
    events(response);
    first.resolve([request, response]);
  });
  const progress = async (step: number): Promise<void> => {
    const [{ message }, response] = await first.promise;
    const params = { progressToken: message["id"], progress: step };
    event(response, { jsonrpc: "2.0", method: "notifications/progress", params });
  };
  const answer = async (): Promise<void> => {
    const [request, response] = await first.promise;
    event(response, answerTo(request));
    response.end();
  };
  return { lane: await laneTo(peer, era, { deps: { clock } }), peer, clock, progress, answer };
}

/** Lets `ms` pass, until the lane has looked at what is overdue: a call that may take just as long is then over. */
async function pass(lane: Lane, clock: ManualClock, ms: number): Promise<void> {
  const heard = new Heard();
  lane.send(call("short", { timeoutMs: ms }), heard);
  clock.advance(ms);
  expect((await heard.failure).code).toBe("SERVER_TIMEOUT");
}

function sentIds(peer: FakeHttpServer): unknown[] {
  return peer.calls("tools/call").map((one) => one.message["id"]);
}

function cancelledIds(peer: FakeHttpServer): unknown[] {
  const cancelled = peer.calls("notifications/cancelled");
  return cancelled.map(({ message: { params } }) => isJsonObject(params) && params["requestId"]);
}

const answerTo = (request: Received, text = "hello"): object => ({
  jsonrpc: "2.0",
  id: request.message["id"],
  result: { content: [{ type: "text", text }] },
});

describe.each(["modern", "legacy"] as const)("a %s server", (era) => {
  test("gets an id of ours and the caller gets its own back, from JSON and from events", async () => {
    const peer = await server(era, (request, response) => {
      const { id } = request.message;
      if (typeof id === "number" && id % 2 === 0) {
        json(response, { result: { n: 1 }, jsonrpc: "2.0", id });
        return;
      }
      events(response);
      event(response, { jsonrpc: "2.0", id, result: { n: 2 } });
      response.end();
    });
    const lane = await laneTo(peer, era);
    for (const id of ["a-ü", 7, 'x"y', 12_345_678]) {
      const heard = new Heard();
      lane.send(call(id), heard);
      expect(await heard.json).toMatchObject({ jsonrpc: "2.0", id, result: {} });
    }
    const ids = peer.calls("tools/call").map((one) => one.message["id"]);
    expect(new Set(ids).size).toBe(4);
    expect(ids.every((id) => typeof id === "number")).toBe(true);
  });

  test("sees the caller's own id on a lane that is not shared", async () => {
    const peer = await server(era, (request, response) => json(response, answerTo(request)));
    const lane = await laneTo(peer, era, { context: { shared: false } });
    const heard = new Heard();
    lane.send(call("mine"), heard);
    expect(await heard.json).toMatchObject({ id: "mine" });
    expect(peer.calls("tools/call")[0]?.message["id"]).toBe("mine");
  });

  test("reports progress under the caller's token, which puts the deadline off", async () => {
    const { lane, peer, clock, progress, answer } = await slowServer(era);
    const heard = new Heard();
    lane.send(call(1, { timeoutMs: 400 }, { progressToken: "mine" }), heard);
    for (let step = 1; step <= 4; step++) {
      await progress(step);
      await vi.waitFor(() => expect(heard.messages).toHaveLength(step));
      await pass(lane, clock, 150);
    }
    await answer();
    expect(await heard.json).toMatchObject({ id: 1 });
    expect(heard.messages[3]).toMatchObject({ params: { progressToken: "mine", progress: 4 } });
    const sent = peer.calls("tools/call")[0]?.message;
    expect(sent).toMatchObject({ params: { _meta: { progressToken: sent?.["id"] } } });
  });

  test("that never answers is a timeout naming it, and hears of it", async () => {
    const peer = await server(era, () => undefined);
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(1, { timeoutMs: 200 }), heard);
    const failure = await heard.failure;
    expect(failure.code).toBe("SERVER_TIMEOUT");
    expect(failure.message).toContain('Server "peer"');
    await peer.calls("tools/call")[0]?.gone;
    await vi.waitFor(() =>
      expect(cancelledIds(peer)).toEqual(era === "legacy" ? sentIds(peer) : []),
    );
  });

  test("may say more only while progress comes, up to the whole time allowed", async () => {
    const { lane, clock, progress } = await slowServer(era);
    const heard = new Heard();
    const timeouts = { timeoutMs: 200, timeoutMaxMs: 600 };
    lane.send(call(1, timeouts, { progressToken: 5 }), heard);
    for (let step = 1; step <= 5; step++) {
      await progress(step);
      await vi.waitFor(() => expect(heard.messages).toHaveLength(step));
      await pass(lane, clock, 119);
    }
    expect(heard.endings).toBe(0);
    await pass(lane, clock, 5);
    expect((await heard.failure).code).toBe("SERVER_TIMEOUT");
  });

  test("that reports no progress any more has no more time", async () => {
    const { lane, clock, progress } = await slowServer(era);
    const heard = new Heard();
    lane.send(call(1, { timeoutMs: 200, timeoutMaxMs: 600 }, { progressToken: 5 }), heard);
    await progress(1);
    await vi.waitFor(() => expect(heard.messages).toHaveLength(1));
    await pass(lane, clock, 199);
    expect(heard.endings).toBe(0);
    await pass(lane, clock, 1);
    expect((await heard.failure).code).toBe("SERVER_TIMEOUT");
  });

  test("that answers twice is heard once", async () => {
    const peer = await server(era, (request, response) => {
      events(response);
      event(response, answerTo(request, "first"));
      event(response, answerTo(request, "second"));
      response.end();
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect(JSON.stringify(await heard.json)).toContain("first");
    await peer.calls("tools/call")[0]?.gone;
    const again = new Heard();
    lane.send(call(), again);
    await again.body;
    expect(heard.endings).toBe(1);
  });

  test("that answers with someone else's id is garbage", async () => {
    const peer = await server(era, (request, response) => {
      const answer = { jsonrpc: "2.0", id: 99_999, result: {} };
      if (request.message["params"] === undefined) events(response);
      json(response, answer);
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_GARBAGE");
  });

  test("that sends someone else's answer as an event loses only that event", async () => {
    const peer = await server(era, (request, response) => {
      events(response);
      event(response, { jsonrpc: "2.0", id: 99_999, result: {} });
      event(response, "no json");
      event(response, answerTo(request));
      response.end();
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect(await heard.json).toMatchObject({ id: 7 });
  });

  test("that answers an error without an id still answers the caller", async () => {
    const peer = await server(era, (_request, response) =>
      json(response, { jsonrpc: "2.0", id: null, error: { code: -32603, message: "oh" } }),
    );
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call("c"), heard);
    expect(await heard.json).toEqual({
      jsonrpc: "2.0",
      id: "c",
      error: { code: -32603, message: "oh" },
    });
  });

  test.each([
    ["bytes that are no JSON", "application/json", "<html>\u0000\u0001</html>"],
    ["a web page", "text/html", "<html></html>"],
    ["nothing", "application/json", ""],
    ["a list", "application/json", "[]"],
    ["an event stream without an answer", "text/event-stream", "data: nonsense\n\n"],
    ["a message of its own", "application/json", '{"jsonrpc":"2.0","method":"x"}'],
  ])("that answers %s is garbage", async (_what, type, body) => {
    const peer = await server(era, (_request, response) => {
      response.writeHead(200, { "content-type": type }).end(body);
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_GARBAGE");
    expect(heard.endings).toBe(1);
  });

  test("that sends a gigabyte is stopped at the bound, whatever it says its length is", async () => {
    const block = Buffer.alloc(64 * 1024, "x");
    let sent = 0;
    const peer = await server(era, (request, response) => {
      const sentParams = JSON.stringify(request.message["params"]);
      if (sentParams.includes("length")) {
        response.writeHead(200, {
          "content-type": "application/json",
          "content-length": 1_000_000_000,
        });
      } else response.writeHead(200, { "content-type": "application/json" });
      response.write(`{"jsonrpc":"2.0","id":${String(request.message["id"])},"result":{"x":"`);
      const more = (): void => {
        while (sent < 1_000_000_000 && !response.destroyed) {
          sent += block.length;
          if (!response.write(block)) {
            response.once("drain", more);
            return;
          }
        }
      };
      more();
    });
    const lane = await laneTo(peer, era, {
      deps: { responseBytesMax: 4_000_000, inspectBytesMax: 100_000 },
    });
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_TOO_LARGE");
    expect(heard.begun).toBeDefined();
    const announced = new Heard();
    lane.send(call("length", {}, { length: 1 }), announced);
    expect((await announced.failure).code).toBe("SERVER_TOO_LARGE");
    expect(announced.begun).toBeUndefined();
    await Promise.all(peer.calls("tools/call").map((one) => one.gone));
    expect(sent).toBeLessThan(100_000_000);
  });

  test("that sends an endless event is stopped at the bound", async () => {
    const peer = await server(era, (_request, response) => {
      events(response);
      response.write("data: ");
      const block = "y".repeat(64 * 1024);
      const more = (): void => {
        while (!response.destroyed) if (!response.write(block)) break;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const lane = await laneTo(peer, era, { deps: { responseBytesMax: 1_000_000 } });
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_TOO_LARGE");
    await peer.calls("tools/call")[0]?.gone;
  });

  test.each(["head", "tail"])(
    "has its large answer passed on as it comes, with the id at its %s exchanged",
    async (where) => {
      const filler = "z".repeat(700_000);
      const peer = await server(era, (request, response) => {
        const { id } = request.message;
        const body =
          where === "head"
            ? { jsonrpc: "2.0", id, result: { filler } }
            : { result: { filler }, jsonrpc: "2.0", id };
        json(response, body);
      });
      const lane = await laneTo(peer, era, { deps: { inspectBytesMax: 100_000 } });
      const heard = new Heard();
      heard.pauseAfter = 2;
      const handle = lane.send(call("a much longer id"), heard);
      await vi.waitFor(() => expect(heard.chunks.length).toBeGreaterThanOrEqual(2));
      heard.pauseAfter = Infinity;
      handle.resume();
      const body = await heard.body;
      expect(heard.begun?.length).toBe(body.length);
      expect(JSON.parse(body.toString())).toEqual({
        jsonrpc: "2.0",
        id: "a much longer id",
        result: { filler },
      });
    },
  );

  test.each([
    [
      "after its own",
      (id: string, x: string) => `{"jsonrpc":"2.0","id":${id},"result":${x},"id":7}`,
    ],
    [
      "escaped",
      (id: string, x: string) => `{"jsonrpc": "2.0", "id": ${id}, "result": ${x}, "i\\u0064":7}\n`,
    ],
    [
      "before its own",
      (id: string, x: string) => `{"result":${x},"id":7,"jsonrpc":"2.0","id":${id}}  `,
    ],
  ])("cannot answer another call with a second id in a large answer: %s", async (_where, write) => {
    const filler = "z".repeat(700_000);
    const peer = await server(era, (request, response) =>
      json(response, write(String(request.message["id"]), `{"filler":"${filler}"}`)),
    );
    const lane = await laneTo(peer, era, { deps: { inspectBytesMax: 100_000 } });
    const heard = new Heard();
    lane.send(call("mine"), heard);
    const body = await heard.body;
    expect(heard.begun?.length).toBe(body.length);
    expect(JSON.parse(body.toString())).toEqual({ jsonrpc: "2.0", id: "mine", result: { filler } });
  });

  test("may send a large answer in any order and spacing", async () => {
    const filler = "z".repeat(300_000);
    const peer = await server(era, (request, response) => {
      const { id } = request.message;
      json(response, JSON.stringify({ id, result: { filler }, jsonrpc: "2.0" }, null, 2));
    });
    const lane = await laneTo(peer, era, { deps: { inspectBytesMax: 100_000 } });
    const heard = new Heard();
    lane.send(call("c"), heard);
    expect(await heard.json).toMatchObject({ id: "c", result: { filler } });
  });

  test("that ends a large answer with another's id fails it before the end", async () => {
    const filler = "z".repeat(300_000);
    const peer = await server(era, (_request, response) =>
      json(response, { result: { filler }, jsonrpc: "2.0", id: 424_242 }),
    );
    const lane = await laneTo(peer, era, { deps: { inspectBytesMax: 100_000 } });
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_GARBAGE");
  });

  test.each([
    [401, "SERVER_UNAUTHORIZED"],
    [403, "SERVER_UNAUTHORIZED"],
    [302, "SERVER_REFUSED"],
    [429, "SERVER_THROTTLED"],
    [500, "SERVER_UNREACHABLE"],
    [503, "SERVER_UNREACHABLE"],
  ])("that says %i fails the call with %s", async (status, code) => {
    const peer = await server(era, (_request, response) => {
      response.writeHead(status, { location: "http://127.0.0.1:1/" }).end("no");
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect(await heard.failure).toMatchObject({ code, details: { server: "peer", status } });
    expect(peer.calls("tools/call")).toHaveLength(1);
  });

  test("that refuses with a JSON-RPC error in a 400 or 404 has answered", async () => {
    const peer = await server(era, (request, response) => {
      const error = { code: -32601, message: "Method not found", data: { kept: true } };
      json(response, { jsonrpc: "2.0", id: request.message["id"], error }, 404);
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call("c"), heard);
    expect(await heard.json).toMatchObject({
      id: "c",
      error: { code: -32601, data: { kept: true } },
    });
    expect(peer.calls("tools/call")).toHaveLength(1);
  });

  test("that sends endless headers, or no HTTP at all, is garbage", async () => {
    const peer = await server(era, (request, response) => {
      if (request.message["id"] === 1) response.setHeader("x-long", "x".repeat(100_000)).end();
      else response.socket?.end("220 mail.example.com ESMTP\r\n\r\n");
    });
    const lane = await laneTo(peer, era, { context: { shared: false } });
    for (const id of [1, 2]) {
      const heard = new Heard();
      lane.send(call(id), heard);
      expect((await heard.failure).code).toBe("SERVER_GARBAGE");
    }
  });

  test("that hangs up before or during its answer has closed", async () => {
    const peer = await server(era, (request, response) => {
      if (request.message["id"] === 1) response.destroy();
      else {
        response.writeHead(200, { "content-type": "application/json", "content-length": 1000 });
        response.write('{"jsonrpc":"2.0",');
        setTimeout(() => response.destroy(), 20);
      }
    });
    const lane = await laneTo(peer, era, { context: { shared: false } });
    for (const id of [1, 2]) {
      const heard = new Heard();
      lane.send(call(id), heard);
      expect((await heard.failure).code).toBe("SERVER_CLOSED");
    }
    expect(peer.calls("tools/call")).toHaveLength(2);
  });

  test("hears a cancellation in its era's way, and the caller hears nothing more", async () => {
    const peer = await server(era, (request, response) => {
      events(response);
      event(response, { jsonrpc: "2.0", method: "notifications/message", params: {} });
      void request.gone.then(() => undefined);
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    const handle = lane.send(call(), heard);
    await vi.waitFor(() => expect(heard.messages).toHaveLength(1));
    handle.cancel("changed my mind");
    await peer.calls("tools/call")[0]?.gone;
    await vi.waitFor(() =>
      expect(cancelledIds(peer)).toEqual(era === "legacy" ? sentIds(peer) : []),
    );
    expect(heard.endings).toBe(0);
  });

  test("is sent the configured headers and never the ones of the wire itself", async () => {
    const peer = await server(era, (request, response) => json(response, answerTo(request)));
    const lane = await laneTo(peer, era, { options: { headers: { Authorization: "Bearer up" } } });
    const heard = new Heard();
    lane.send(call(1, { traceparent: "00-1-2-01" }), heard);
    await heard.body;
    expect(peer.calls("tools/call")[0]?.headers).toMatchObject({
      authorization: "Bearer up",
      traceparent: "00-1-2-01",
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": era === "modern" ? "2026-07-28" : "2025-11-25",
    });
  });

  test("has its events read wherever the chunks break", async () => {
    const peer = await server(era, async (request, response) => {
      events(response);
      const text = `: hi\r\nid: 1\r\ndata: ${JSON.stringify(answerTo(request, "hé€😀"))}\r\n\r\n`;
      for (const byte of Buffer.from(text)) {
        response.write(Buffer.of(byte));
        if (byte % 7 === 0) await delay(0);
      }
      response.end();
    });
    const lane = await laneTo(peer, era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect(JSON.stringify(await heard.json)).toContain("hé€😀");
  });
});

describe("a modern server", () => {
  test("is told method, name and parameters in headers, encoded where needed", async () => {
    const peer = await server("modern", (request, response) => json(response, answerTo(request)));
    const lane = await laneTo(peer, "auto");
    const heard = new Heard();
    const paramHeaders = { "mcp-param-region": "us-west1" };
    lane.send(call(1, { name: "größe", paramHeaders }), heard);
    await heard.body;
    const headers = peer.calls("tools/call")[0]?.headers ?? {};
    expect(headers).toMatchObject({
      "mcp-method": "tools/call",
      "mcp-name": `=?base64?${Buffer.from("größe").toString("base64")}?=`,
      "mcp-param-region": "us-west1",
    });
    expect(headers["mcp-session-id"]).toBeUndefined();
    expect(lane).toMatchObject({ era: "modern", serverInfo: { name: "fake", version: "2" } });
  });

  test("that breaks its stream loses the request, which is not sent again", async () => {
    const peer = await server("modern", (_request, response) => {
      events(response);
      response.write("id: 5\nretry: 10\ndata:\n\n");
      setTimeout(() => response.destroy(), 20);
    });
    const lane = await laneTo(peer, "modern");
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_CLOSED");
    expect(peer.received.filter((one) => one.method === "GET")).toHaveLength(0);
  });

  test("that finds fault with our headers is not quoted to the caller; a missing capability is", async () => {
    let code = -32020;
    const peer = await server("modern", (request, response) =>
      json(
        response,
        { jsonrpc: "2.0", id: request.message["id"], error: { code, message: "m" } },
        400,
      ),
    );
    const lane = await laneTo(peer, "modern");
    const header = new Heard();
    lane.send(call(), header);
    expect(await header.failure).toMatchObject({
      code: "SERVER_REFUSED",
      details: { rpcCode: -32020 },
    });
    expect(lane.closed).toBe(false);
    code = -32021;
    const capability = new Heard();
    lane.send(call("c"), capability);
    expect(await capability.json).toMatchObject({ id: "c", error: { code: -32021 } });
  });

  test("that no longer understands us closes the lane, so that the era is asked for again", async () => {
    let era = "modern";
    const peer = await serve((request, response) => {
      if (era === "modern" && discovery(request, response)) return;
      const error = { code: -32000, message: "Bad Request: Server not initialized" };
      json(response, { jsonrpc: "2.0", id: null, error }, 400);
    });
    const listener = new HeardLane();
    const lane = await laneTo(peer, "auto", { listener });
    era = "legacy";
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_REFUSED");
    expect(lane.closed).toBe(true);
    expect(listener.ends).toHaveLength(1);
  });

  test("names its subscription by the caller's id", async () => {
    const peer = await server("modern", (request, response) => {
      const meta = { "io.modelcontextprotocol/subscriptionId": request.message["id"] };
      events(response);
      event(response, {
        jsonrpc: "2.0",
        method: "notifications/subscriptions/acknowledged",
        params: { _meta: meta, notifications: {} },
      });
      event(response, {
        jsonrpc: "2.0",
        id: request.message["id"],
        result: { resultType: "complete", _meta: meta },
      });
      response.end();
    });
    const lane = await laneTo(peer, "modern");
    const heard = new Heard();
    const message = { jsonrpc: "2.0", id: "sub", method: "subscriptions/listen" } as const;
    lane.send({ message: { ...message, params: {} }, timeoutMs: Infinity }, heard);
    const meta = { "io.modelcontextprotocol/subscriptionId": "sub" };
    expect(await heard.json).toMatchObject({ id: "sub", result: { _meta: meta } });
    expect(heard.messages[0]).toMatchObject({ params: { _meta: meta } });
  });
});

describe("a legacy server", () => {
  test("is opened with initialize and closed with DELETE, and may agree on an older revision", async () => {
    const peer = await serve((request, response) => {
      if (handshake(request, response, { session: "s-9", revision: "2025-03-26" })) return;
      json(response, answerTo(request));
    });
    const lane = await laneTo(peer, "legacy");
    expect(lane).toMatchObject({ revision: "2025-03-26", serverInfo: { name: "fake" } });
    const heard = new Heard();
    lane.send(call(), heard);
    await heard.body;
    const headers = peer.calls("tools/call")[0]?.headers ?? {};
    expect(headers["mcp-session-id"]).toBe("s-9");
    expect(headers["mcp-protocol-version"]).toBeUndefined();
    await lane.close();
    const last = peer.received.at(-1);
    expect(last?.method).toBe("DELETE");
    expect(last?.headers["mcp-session-id"]).toBe("s-9");
    expect(peer.calls("initialize")[0]?.message).toMatchObject({
      params: { protocolVersion: "2025-11-25", clientInfo: { name: "tests" } },
    });
  });

  test.each([404, 400])(
    "that forgot its session (%i) gets one new session for all and each call once more",
    async (status) => {
      let session = "old";
      const peer = await serve((request, response) => {
        if (request.message["method"] === "initialize") session = `s-${peer.received.length}`;
        if (handshake(request, response, { session })) return;
        if (request.headers["mcp-session-id"] === session) json(response, answerTo(request));
        else {
          const error = { code: status === 404 ? -32001 : -32000, message: "No valid session ID" };
          json(response, { jsonrpc: "2.0", id: null, error }, status);
        }
      });
      const listener = new HeardLane();
      const lane = await laneTo(peer, "legacy", { listener });
      session = "forgotten";
      const all = [1, 2, 3].map((id) => {
        const heard = new Heard();
        lane.send(call(id), heard);
        return heard;
      });
      for (const [index, heard] of all.entries())
        expect(await heard.json).toMatchObject({ id: index + 1, result: {} });
      expect(peer.calls("initialize")).toHaveLength(2);
      expect(peer.calls("tools/call")).toHaveLength(6);
      expect(listener.renewals).toBe(1);
    },
  );

  test("that forgets every session at once is tried three times more", async () => {
    const peer = await server("legacy", (_request, response) => {
      response.writeHead(404).end();
    });
    const lane = await laneTo(peer, "legacy");
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_CLOSED");
    expect(peer.calls("tools/call")).toHaveLength(4);
  });

  test("that closes a stream after an event id is asked for the rest", async () => {
    const asked: (string | string[] | undefined)[] = [];
    let answer: object = {};
    const peer = await serve((request, response) => {
      const resumes = request.headers["last-event-id"];
      if (request.method === "GET" && resumes !== undefined) {
        asked.push(resumes);
        events(response);
        if (resumes === "e-1") response.write("id: e-2\nretry: 120\ndata:\n\n");
        else event(response, answer, "e-3");
        response.end();
        return;
      }
      if (handshake(request, response, { session: "s" })) return;
      answer = answerTo(request, "late");
      events(response);
      response.write("id: e-1\nretry: 100\ndata:\n\n");
      if (request.message["id"] === 1) response.end();
      else setTimeout(() => response.destroy(), 10);
    });
    const lane = await laneTo(peer, "legacy");
    for (const id of ["a", "b"]) {
      asked.length = 0;
      const heard = new Heard();
      lane.send(call(id), heard);
      expect(await heard.json).toMatchObject({ id });
      expect(asked).toEqual(["e-1", "e-2"]);
    }
    expect(peer.calls("tools/call")).toHaveLength(2);
  });

  test("that breaks a stream and does not resume it has closed", async () => {
    const peer = await server("legacy", (_request, response) => {
      events(response);
      response.write("id: e-1\nretry: 100\ndata:\n\n");
      response.end();
    });
    const lane = await laneTo(peer, "legacy");
    const heard = new Heard();
    lane.send(call(), heard);
    expect((await heard.failure).code).toBe("SERVER_CLOSED");
  });

  test("may ask the client during a call, and ping and roots are answered for it", async () => {
    const answers: unknown[] = [];
    const peer = await server("legacy", async (request, response) => {
      if (request.message["method"] === undefined) {
        answers.push(request.message);
        response.writeHead(202).end();
        return;
      }
      events(response);
      event(response, { jsonrpc: "2.0", id: "p", method: "ping" });
      event(response, { jsonrpc: "2.0", id: 5, method: "roots/list" });
      event(response, { jsonrpc: "2.0", id: 6, method: "elicitation/create", params: {} });
      await vi.waitFor(() => expect(answers).toHaveLength(3));
      event(response, answerTo(request));
      response.end();
    });
    const roots = [{ uri: "file:///srv", name: "srv" }];
    const lane = await laneTo(peer, "legacy", { options: { roots } });
    const heard = new Heard();
    lane.send(call(), heard);
    await vi.waitFor(() => expect(heard.messages).toHaveLength(1));
    expect(heard.messages[0]).toMatchObject({ id: 6, method: "elicitation/create" });
    lane.respond({ jsonrpc: "2.0", id: 6, result: { action: "accept" } });
    await heard.body;
    expect(answers).toContainEqual({ jsonrpc: "2.0", id: "p", result: {} });
    expect(answers).toContainEqual({ jsonrpc: "2.0", id: 5, result: { roots } });
    expect(answers).toContainEqual({ jsonrpc: "2.0", id: 6, result: { action: "accept" } });
    expect(peer.calls("initialize")[0]?.message).toMatchObject({
      params: { capabilities: { roots: {} } },
    });
  });

  test("is heard on its own stream, which is opened again where it broke", async () => {
    let opened = 0;
    const peer = await serve((request, response) => {
      if (request.method !== "GET") {
        handshake(request, response, { session: "s" });
        return;
      }
      opened++;
      events(response);
      const method = "notifications/tools/list_changed";
      if (opened === 1) {
        response.write("retry: 100\n\n");
        event(response, { jsonrpc: "2.0", method }, "g-1");
        response.end();
      } else event(response, { jsonrpc: "2.0", id: 1, method: "sampling/createMessage" });
    });
    const listener = new HeardLane();
    await laneTo(peer, "legacy", { listener });
    await vi.waitFor(() => expect(listener.requests).toHaveLength(1), { timeout: 5000 });
    expect(listener.notifications).toHaveLength(1);
    const gets = peer.received.filter((one) => one.method === "GET");
    expect(gets[0]?.headers["last-event-id"]).toBeUndefined();
    expect(gets[1]?.headers["last-event-id"]).toBe("g-1");
  });
});

test("a server that nobody runs is unreachable, with its name and address but no secret", async () => {
  const gone = await fakeHttpServer(() => undefined);
  await gone.close();
  const url = `${gone.url}?token=very-secret`;
  const failure = await open({ url }, fakeContext, new HeardLane(), fakeDeps()).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code: "SERVER_UNREACHABLE" });
  expect(String(failure)).toContain('Server "peer"');
  expect(String(failure)).toContain("127.0.0.1");
  expect(String(failure)).not.toContain("very-secret");
});
