// What official servers do not do on demand: answers that break, answers in several lines, and more than there is room for.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runBridge } from "./bridge.ts";
import type { BridgeOptions } from "./bridge.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

let server: Server;
let answer: Answer;
let stop: AbortController;
let bridge: Promise<void>;
let input: PassThrough;
let lines: unknown[];
let notes: string[];

beforeEach(async () => {
  lines = [];
  notes = [];
  stop = new AbortController();
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      answer(request, response, Buffer.concat(chunks).toString());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  stop.abort();
  await bridge;
  server.closeAllConnections();
  server.close();
});

function start(options: Partial<BridgeOptions> = {}): void {
  input = new PassThrough();
  const output = new PassThrough();
  output.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split("\n")) lines.push(JSON.parse(line));
  });
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  bridge = runBridge({
    input,
    output,
    find: () =>
      Promise.resolve({
        url: `http://127.0.0.1:${String(port)}`,
        key: undefined,
        home: undefined,
        keyHint: "",
      }),
    note: (text) => notes.push(text),
    signal: stop.signal,
    ...options,
  });
}

function say(...messages: unknown[]): void {
  for (const message of messages) input.write(`${JSON.stringify(message)}\n`);
}

const request = (id: number, method = "tools/list"): unknown => ({ jsonrpc: "2.0", id, method });
const result = (id: unknown): string =>
  JSON.stringify({ jsonrpc: "2.0", id, result: { tools: [] } }, null, 2);
const json = { "content-type": "application/json" };
const stream = { "content-type": "text/event-stream" };
const seen = (count: number): Promise<boolean> =>
  vi.waitUntil(() => lines.length >= count, { timeout: 10_000 });

function idOf(body: string): unknown {
  const parsed: unknown = JSON.parse(body);
  return typeof parsed === "object" && parsed !== null && "id" in parsed ? parsed.id : undefined;
}

test("an answer of several lines becomes one", async () => {
  answer = (_request, response, body) => response.writeHead(200, json).end(result(idOf(body)));
  start();
  say(request(1));
  await seen(1);
  expect(lines).toEqual([{ jsonrpc: "2.0", id: 1, result: { tools: [] } }]);
});

describe("a legacy stream that breaks before its answer", () => {
  test("is taken up where it broke", async () => {
    const resumed: unknown[] = [];
    answer = ({ method, headers }, response) => {
      if (method === "GET") {
        resumed.push(headers["last-event-id"]);
        response
          .writeHead(200, stream)
          .end(`id: e2\ndata: ${result(1).replaceAll("\n", "\ndata: ")}\n\n`);
      } else {
        response.writeHead(200, stream).end("id: e1\nretry: 10\ndata: \n\n");
      }
    };
    start();
    say(request(1));
    await seen(1);
    expect(resumed).toEqual(["e1"]);
    expect(lines).toMatchObject([{ id: 1, result: { tools: [] } }]);
  });

  test("is an error where there is nothing to take up", async () => {
    answer = (_request, response) => response.writeHead(200, stream).end(": nothing\n\n");
    start();
    say(request(1));
    await seen(1);
    expect(lines).toMatchObject([
      {
        id: 1,
        error: { code: -32603, message: expect.stringContaining("before it was complete") },
      },
    ]);
  });
});

test("an answer that is no JSON-RPC is an error that keeps the gateway's sentence", async () => {
  answer = (_request, response) =>
    response
      .writeHead(403, json)
      .end('{"code":"FORBIDDEN","message":"This key may not.","requestId":"r"}');
  start();
  say(request(1));
  await seen(1);
  expect(lines).toMatchObject([
    { id: 1, error: { code: -32603, message: expect.stringContaining("This key may not.") } },
  ]);
});

test("an error that names no request is given to the one that waits", async () => {
  answer = (_request, response) =>
    response
      .writeHead(400, json)
      .end('{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"No."}}');
  start();
  say(request(9));
  await seen(1);
  expect(lines).toEqual([{ jsonrpc: "2.0", id: 9, error: { code: -32600, message: "No." } }]);
});

test("a batch is sent as one, and each of its requests is answered once", async () => {
  const bodies: unknown[] = [];
  answer = (_request, response, body) => {
    bodies.push(JSON.parse(body));
    response.writeHead(200, stream).end(`data: ${JSON.stringify(JSON.parse(result(1)))}\n\n`);
  };
  start();
  const batch = [request(1), { jsonrpc: "2.0", method: "notifications/x" }, request(2)];
  say(batch);
  await seen(2);
  expect(bodies[0]).toEqual(batch);
  expect(lines).toMatchObject([
    { id: 1, result: {} },
    { id: 2, error: { code: -32603 } },
  ]);
});

test("a request beyond the bound is refused", async () => {
  answer = () => undefined;
  start({ inFlightMax: 1 });
  say(request(1), request(2));
  await seen(1);
  expect(lines).toMatchObject([{ id: 2, error: { code: -32600 } }]);
});

test("a line beyond the bound is refused, and the next one is read", async () => {
  answer = (_request, response, body) => response.writeHead(200, json).end(result(idOf(body)));
  start({ lineBytesMax: 100 });
  input.write(`"${"x".repeat(500)}"\n`);
  say(request(1));
  await seen(2);
  expect(lines).toMatchObject([{ id: null, error: { code: -32600 } }, { id: 1 }]);
});

test("notifications reach the gateway in order, each before the request after it", async () => {
  const order: string[] = [];
  answer = (_request, response, body) => {
    const parsed: unknown = JSON.parse(body);
    const method =
      typeof parsed === "object" && parsed !== null && "method" in parsed
        ? String(parsed.method)
        : "";
    // The first is answered last: only waiting keeps the order.
    setTimeout(
      () => {
        order.push(method);
        if (method.startsWith("notifications/")) response.writeHead(202).end();
        else response.writeHead(200, json).end(result(1));
      },
      30 - 10 * order.length,
    );
  };
  start();
  const methods = ["notifications/a", "notifications/b", "notifications/c"];
  say(...methods.map((method) => ({ jsonrpc: "2.0", method })), request(1));
  await seen(1);
  expect(order).toEqual([...methods, "tools/list"]);
});

test("what does not finish within the bound after the end of the input is told and given up", async () => {
  answer = () => undefined;
  start({ drainMs: 50 });
  say(request(1));
  input.end();
  await bridge;
  expect(lines).toMatchObject([{ id: 1, error: { code: -32603 } }]);
});

test("a refused notification is noted for a person only", async () => {
  answer = (_request, response) => response.writeHead(400, json).end("{}");
  start();
  say({ jsonrpc: "2.0", method: "notifications/initialized" });
  await vi.waitUntil(() => notes.length === 1, { timeout: 10_000 });
  expect(lines).toEqual([]);
});
