// Whether a call may have been carried out when its connection breaks: certainly not before a connection has taken it, and
// perhaps from then on, whatever breaks it. What may have been done is not done twice.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { deliver, modernServer, upstream } from "./fake-call.ts";
import {
  event,
  events,
  fakeHttpServer,
  handshake,
  json,
  type FakeHttpServer,
} from "./transports/fake-http-server.ts";
import { connectionFailure } from "./transports/http-failure.ts";

/** Breaks the connection of each call to `url`, once the server has it, with the error that the kernel would give. */
function breakAfterSending(code: string): { break: () => void } {
  let last: Socket | undefined;
  const heard = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !("socket" in message)) return;
    if (message.socket instanceof Socket) last = message.socket;
  };
  subscribe("undici:client:sendHeaders", heard);
  onTestFinished(() => void unsubscribe("undici:client:sendHeaders", heard));
  return {
    break: () => last?.destroy(Object.assign(new Error(`read ${code}`), { code, syscall: "read" })),
  };
}

test.for(["ETIMEDOUT", "EHOSTUNREACH", "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC"])(
  "a call that a connection has taken is not repeated after %s",
  async (code) => {
    const breaking = breakAfterSending(code);
    const peer = await modernServer(() => breaking.break());
    const server = upstream({ url: peer.url, retry_policy: { base_delay: 1, max_delay: 5 } });
    const { error } = await deliver(server);
    expect(error).toMatchObject({
      code: "SERVER_CLOSED",
      details: { outcome: "unknown", attempts: 1 },
    });
    expect(peer.calls("tools/call")).toHaveLength(1);
  },
);

/** An HTTP+SSE server that opens sessions and leaves calls to `call`. */
async function sseServer(call: (response: ServerResponse) => void): Promise<FakeHttpServer> {
  let stream: ServerResponse | undefined;
  const peer = await fakeHttpServer((request, response) => {
    const { method, id } = request.message;
    if (request.method === "GET") {
      events(response);
      response.write("event: endpoint\ndata: /messages\n\n");
      stream = response;
    } else if (method === "tools/call") call(response);
    else {
      response.writeHead(202).end();
      const result = {
        protocolVersion: "2024-11-05",
        capabilities: { tools: {} },
        serverInfo: { name: "fake", version: "1" },
      };
      if (method === "initialize" && stream !== undefined)
        event(stream, { jsonrpc: "2.0", id, result });
    }
  });
  onTestFinished(() => peer.close());
  return peer;
}

test("over HTTP+SSE such a call is not repeated either", async () => {
  const breaking = breakAfterSending("ETIMEDOUT");
  const peer = await sseServer(() => breaking.break());
  const server = upstream({
    url: peer.url,
    transport: "http-sse",
    retry_policy: { base_delay: 1, max_delay: 5 },
  });
  const { error } = await deliver(server);
  expect(error).toMatchObject({ details: { outcome: "unknown", attempts: 1 } });
  expect(peer.calls("tools/call")).toHaveLength(1);
});

test("over HTTP+SSE a call whose session was forgotten is made in a new one", async () => {
  let calls = 0;
  const peer = await sseServer((response) => {
    calls++;
    if (calls === 1) response.writeHead(404).end();
    else
      json(response, {
        jsonrpc: "2.0",
        id: peer.calls("tools/call").at(-1)?.message["id"],
        result: {},
      });
  });
  const server = upstream({
    url: peer.url,
    transport: "http-sse",
    retry_policy: { base_delay: 20, max_delay: 50 },
    connection_pool: { reconnect_backoff: 1, max_reconnect_backoff: 1 },
  });
  expect((await deliver(server)).error).toBeUndefined();
  expect(calls).toBe(2);
});

test.for([
  [401, "not_executed"],
  [403, "not_executed"],
  [302, "not_executed"],
  [303, "unknown"],
  [400, "not_executed"],
  [404, "not_executed"],
  [409, "not_executed"],
  [500, "unknown"],
] as const)("a call that the server answers with HTTP %d was %s", async ([status, outcome]) => {
  const peer = await modernServer((response) => void response.writeHead(status).end());
  const server = upstream({ url: peer.url, retry_policy: { max_attempts: 1 } });
  expect((await deliver(server)).error?.details).toMatchObject({ outcome });
});

test("a call whose session was forgotten, and could not be renewed, was not carried out", async () => {
  let forgot = false;
  const peer = await fakeHttpServer((request, response) => {
    const { method, id } = request.message;
    if (method === "tools/call") {
      forgot = true;
      response.writeHead(404).end();
    } else if (forgot) response.writeHead(500).end();
    else if (!handshake(request, response, { session: "s" }))
      json(response, { jsonrpc: "2.0", id, result: {} });
  });
  onTestFinished(() => peer.close());
  const server = upstream({
    url: peer.url,
    protocol_era: "legacy",
    retry_policy: { max_attempts: 1 },
  });
  const { error } = await deliver(server);
  expect(error?.details).toMatchObject({ outcome: "not_executed", status: 500 });
});

test("what no connection has taken was not carried out, also where the other side closed it", () => {
  const error = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  expect(connectionFailure("s", "https://s", error, "connecting")).toMatchObject({
    code: "SERVER_CLOSED",
    details: { delivered: "no" },
  });
  expect(connectionFailure("s", "https://s", error, "sending").details).toEqual({ server: "s" });
});
