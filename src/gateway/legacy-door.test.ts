import { describe, expect, onTestFinished, test } from "vitest";
import { defineTool } from "@signalbox/kit";
import { z } from "zod";
import { hashKey } from "../access/index.ts";
import type { JsonObject } from "../protocol/index.ts";
import {
  event,
  events,
  fakeHttpServer,
  handshake,
  json,
  type FakeHttpServer,
  type Received,
} from "../upstream/transports/fake-http-server.ts";
import {
  LegacyClient,
  builtin,
  bundle,
  each,
  inside,
  keyRecord,
  remote,
  sendRequest,
  serviceOf,
  start,
  until,
  type Answer,
} from "./running-gateway.ts";

type Responding = Parameters<Parameters<typeof fakeHttpServer>[0]>[1];

/** A legacy server with the tool "t"; calls are left to `handle`. */
async function legacyServer(
  handle: (request: Received, response: Responding) => void | Promise<void>,
  capabilities: JsonObject = { tools: {} },
): Promise<FakeHttpServer> {
  let sessions = 0;
  const peer = await fakeHttpServer((request, response) => {
    const { method, id } = request.message;
    if (method === "initialize") sessions++;
    if (handshake(request, response, { session: `s${sessions}`, capabilities })) return;
    if (method === "server/discover")
      json(response, { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } }, 400);
    else if (method === "tools/list") {
      json(response, {
        jsonrpc: "2.0",
        id,
        result: { tools: [{ name: "t", inputSchema: { type: "object" } }] },
      });
    } else void handle(request, response);
  });
  onTestFinished(() => peer.close());
  return peer;
}

/** A tool that answers when it is let, and tells when it was given up. */
function held(name = "slow") {
  const finish = Promise.withResolvers<string>();
  const state = { started: 0, aborted: 0 };
  const tool = defineTool({
    name,
    description: "Waits.",
    input: z.object({}),
    handler: (_input, { signal }) => {
      state.started++;
      signal.addEventListener("abort", () => state.aborted++);
      return finish.promise;
    },
  });
  return { tool, state, finish: () => finish.resolve("done") };
}

function statusOf(answer: Answer): unknown[] {
  return [answer.status, answer.error["code"]];
}

async function whole(answer: Promise<Answer>): Promise<Answer> {
  return await (await answer).whole();
}

describe("a session", () => {
  test("is agreed by initialize, in the client's revision where it is spoken", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    for (const [asked, agreed] of [
      ["2025-11-25", "2025-11-25"],
      ["2025-03-26", "2025-03-26"],
      ["1999-01-01", "2025-11-25"],
    ]) {
      const client = await LegacyClient.open(`${url}/mcp`, { revision: String(asked) });
      expect(client.initialized).toMatchObject({
        protocolVersion: agreed,
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: "signalbox" },
      });
      expect(client.id).toMatch(/^[A-Za-z0-9_-]{32}$/);
      expect(await client.notify("notifications/initialized")).toBe(202);
      expect((await whole(client.request("ping", {}, "p"))).response).toEqual({
        jsonrpc: "2.0",
        id: "p",
        result: {},
      });
    }
  });

  test("lists and calls without the words of the newer era", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const client = await LegacyClient.open(`${url}/mcp`);
    const { result } = await whole(client.request("tools/list"));
    expect(Object.keys(result)).toEqual(["tools"]);
    const called = await whole(client.request("tools/call", { name: "one__a", arguments: {} }, 9));
    expect(called.response).toMatchObject({
      id: 9,
      result: { content: [{ type: "text", text: "one a" }] },
    });
    expect(called.result).not.toHaveProperty("resultType");
  });

  test("is needed, known, and its principal's own", async () => {
    const keys = ["ann", "bob"].map((key) => keyRecord(key, hashKey(key)));
    const { url } = await start({ keys }, { authRequired: true });
    const mcp = `${url}/mcp`;
    const client = await LegacyClient.open(mcp, { key: "ann" });
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect((await whole(client.post(ping))).status).toBe(200);
    expect((await whole(client.post(ping, { "x-api-key": "bob" }))).status).toBe(404);
    expect(statusOf(await whole(client.post(ping, { "mcp-session-id": "no" })))).toEqual([
      404, -32001,
    ]);
    expect(statusOf(await whole(client.post(ping, { "mcp-session-id": "" })))).toEqual([
      400, -32600,
    ]);
    expect((await whole(client.post(ping, { "x-api-key": "eve" }))).status).toBe(401);
    const stolen = { "mcp-session-id": client.id, "x-api-key": "bob" };
    for (const method of ["GET", "DELETE"]) {
      const headers = { ...stolen, accept: "text/event-stream" };
      expect((await whole(sendRequest(mcp, { method, headers }))).status).toBe(404);
    }
    expect((await whole(client.post(ping))).status).toBe(200);
  });

  test("is over after DELETE", async () => {
    const { url } = await start();
    const client = await LegacyClient.open(`${url}/mcp`);
    expect((await whole(client.end())).status).toBe(200);
    expect(statusOf(await whole(client.request("ping")))).toEqual([404, -32001]);
    expect((await whole(client.end())).status).toBe(404);
  });

  test("belongs to the endpoint where it was agreed", async () => {
    const { url } = await start({ bundles: [bundle("some")] });
    const client = await LegacyClient.open(`${url}/mcp/some`);
    const headers = { "content-type": "application/json", "mcp-session-id": client.id };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
    expect((await whole(sendRequest(`${url}/mcp`, { headers, body }))).status).toBe(404);
    expect((await whole(client.request("ping"))).status).toBe(200);
  });

  test("refuses a version that is not spoken, in a header", async () => {
    const { url } = await start();
    const client = await LegacyClient.open(`${url}/mcp`);
    const ping = { jsonrpc: "2.0", method: "ping", id: 1 };
    for (const version of LEGACY) {
      expect((await whole(client.post(ping, { "mcp-protocol-version": version }))).status).toBe(
        200,
      );
    }
    const stream = {
      accept: "text/event-stream",
      "mcp-session-id": client.id,
      "mcp-protocol-version": "1999-01-01",
    };
    expect((await whole(sendRequest(client.url, { method: "GET", headers: stream }))).status).toBe(
      400,
    );
  });

  test("answers unknown methods, tools and levels in band", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const client = await LegacyClient.open(`${url}/mcp`);
    expect(statusOf(await whole(client.request("none")))).toEqual([200, -32601]);
    expect(statusOf(await whole(client.request("server/discover")))).toEqual([200, -32601]);
    expect(statusOf(await whole(client.request("tools/call", { name: "x" })))).toEqual([
      200, -32602,
    ]);
    expect(statusOf(await whole(client.request("logging/setLevel", { level: "loud" })))).toEqual([
      200, -32602,
    ]);
    expect((await whole(client.request("logging/setLevel", { level: "error" }))).result).toEqual(
      {},
    );
  });
});

const LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"];

describe("a batch", () => {
  const ping = (id: number): JsonObject => ({ jsonrpc: "2.0", id, method: "ping" });

  test("of 2025-03-26 is answered as an array", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const client = await LegacyClient.open(`${url}/mcp`, { revision: "2025-03-26" });
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "one__a" } };
    const note = { jsonrpc: "2.0", method: "notifications/initialized" };
    const answer = await whole(client.post([ping(1), note, call, ping(3)]));
    const ids = each(JSON.parse(answer.text), "id");
    expect([answer.status, new Set(ids)]).toEqual([200, new Set([1, 2, 3])]);
    expect((await whole(client.post([note, note]))).status).toBe(202);
  });

  test("becomes an event stream when something precedes its answers", async () => {
    const peer = await legacyServer(({ message }, response) => {
      events(response);
      event(response, {
        jsonrpc: "2.0",
        method: "notifications/message",
        params: { level: "info", data: "x" },
      });
      event(response, { jsonrpc: "2.0", id: message["id"], result: { content: [] } });
      response.end();
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const client = await LegacyClient.open(`${url}/mcp`, { revision: "2025-03-26" });
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "up__t" } };
    const answer = await whole(client.post([ping(1), call]));
    expect(answer.streams).toBe(true);
    expect(answer.messages.map(({ id, method }) => id ?? method)).toEqual([
      1,
      "notifications/message",
      2,
    ]);
  });

  test("is refused in revisions that have none", async () => {
    const { url } = await start();
    for (const revision of ["2025-11-25", "2025-06-18"]) {
      const client = await LegacyClient.open(`${url}/mcp`, { revision });
      expect(statusOf(await whole(client.post([ping(1)])))).toEqual([400, -32600]);
    }
  });

  test("of which one request is cancelled still ends", async () => {
    const slow = held();
    const { url } = await start({ servers: [builtin(serviceOf("one", slow.tool))] });
    const client = await LegacyClient.open(`${url}/mcp`, { revision: "2025-03-26" });
    const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "one__slow" } };
    const going = client.post([ping(1), call]);
    await until("the call", () => slow.state.started === 1);
    await client.notify("notifications/cancelled", { requestId: 2 });
    const answer = await whole(going);
    expect(each(JSON.parse(answer.text), "id")).toEqual([1, 2]);
    expect(slow.state.aborted).toBe(1);
  });
});

describe("a call", () => {
  test("goes on when its client's connection breaks", async () => {
    const slow = held();
    const running = await start(
      { servers: [builtin(serviceOf("one", slow.tool))] },
      { limits: { events_after: 1 } },
    );
    const client = await LegacyClient.open(`${running.url}/mcp`);
    const answer = await client.request("tools/call", { name: "one__slow" }, 5);
    const [primer] = (await answer.until(({ events: seen }) => seen.length >= 1)).events;
    expect(primer).toEqual({ data: "", id: expect.stringMatching(/^\w+\.1$/) });
    answer.leave();
    await answer.whole();
    slow.finish();
    await until("the record", () => running.calls.length === 1);
    expect(running.calls).toMatchObject([{ outcome: "ok" }]);
    expect(slow.state.aborted).toBe(0);
    const resumed = await whole(client.stream(primer?.id));
    expect(resumed.response).toMatchObject({ id: 5, result: { content: [{ text: "done" }] } });
  });

  test("with a large answer is taken from its server also when its client has gone", async () => {
    const peer = await legacyServer(({ message }, response) => {
      const content = [{ type: "text", text: "x".repeat(20 * 1024 * 1024) }];
      json(response, { jsonrpc: "2.0", id: message["id"], result: { content } });
    });
    const running = await start({ servers: [remote("up", peer.url)] });
    const client = await LegacyClient.open(`${running.url}/mcp`);
    const answer = await client.request("tools/call", { name: "up__t" });
    await answer.until(({ text }) => text.length > 1_000);
    answer.leave();
    await until("the record", () => running.calls.length === 1);
    expect(running.calls).toMatchObject([{ outcome: "ok" }]);
    expect(running.calls[0]?.responseBytes).toBeGreaterThan(20 * 1024 * 1024);
  });

  test("is asked of its client elsewhere where its answer cannot carry the question", async () => {
    const peer = await legacyServer(({ message }, response) => {
      if (message["method"] !== "tools/call") {
        response.writeHead(202).end();
        return;
      }
      events(response);
      event(response, { jsonrpc: "2.0", id: 1, method: "elicitation/create", params: {} });
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const client = await LegacyClient.open(`${url}/mcp`, { capabilities: { elicitation: {} } });
    const stream = await client.stream();
    const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "up__t" } };
    client.post(body, { accept: "application/json" }).catch(() => undefined);
    await stream.until(({ text }) => text.includes("elicitation/create"));
    expect(stream.closed).toBe(false);
  });

  test("ends when its client cancels it, and so does the POST", async () => {
    const slow = held();
    const running = await start({ servers: [builtin(serviceOf("one", slow.tool))] });
    const client = await LegacyClient.open(`${running.url}/mcp`);
    const going = client.request("tools/call", { name: "one__slow" }, "c");
    await until("the call", () => slow.state.started === 1);
    await client.notify("notifications/cancelled", { requestId: "other" });
    expect(slow.state.aborted).toBe(0);
    await client.notify("notifications/cancelled", { requestId: "c", reason: "enough" });
    expect((await whole(going)).error["message"]).toContain("enough");
    expect(slow.state.aborted).toBe(1);
    expect(running.calls).toMatchObject([{ outcome: "cancelled" }]);
  });

  test("cannot be cancelled from another session", async () => {
    const slow = held();
    const { url } = await start({ servers: [builtin(serviceOf("one", slow.tool))] });
    const [one, two] = [
      await LegacyClient.open(`${url}/mcp`),
      await LegacyClient.open(`${url}/mcp`),
    ];
    const going = one.request("tools/call", { name: "one__slow" }, 1);
    await until("the call", () => slow.state.started === 1);
    await two.notify("notifications/cancelled", { requestId: 1 });
    slow.finish();
    expect((await whole(going)).result).toHaveProperty("content");
  });

  test("ends with its session", async () => {
    const slow = held();
    const { url } = await start({ servers: [builtin(serviceOf("one", slow.tool))] });
    const client = await LegacyClient.open(`${url}/mcp`);
    const going = client.request("tools/call", { name: "one__slow" });
    await until("the call", () => slow.state.started === 1);
    await whole(client.end());
    expect((await whole(going)).error["message"]).toContain("session ended");
    expect(slow.state.aborted).toBe(1);
  });

  test("is told to the server as cancelled, in the server's words", async () => {
    const peer = await legacyServer(({ message }, response) => {
      if (message["method"] === "notifications/cancelled") response.writeHead(202).end();
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const client = await LegacyClient.open(`${url}/mcp`);
    const going = client.request("tools/call", { name: "up__t" }, "mine");
    await until("the call", () => peer.calls("tools/call").length === 1);
    await client.notify("notifications/cancelled", { requestId: "mine", reason: "enough" });
    await whole(going);
    await until("the notice", () => peer.calls("notifications/cancelled").length === 1);
    const [call] = peer.calls("tools/call");
    const [notice] = peer.calls("notifications/cancelled");
    expect(inside(notice?.message, "params", "requestId")).toBe(call?.message["id"]);
  });
});

describe("the session's stream", () => {
  test("begins with an id and tells of changes to what is offered", async () => {
    const running = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const client = await LegacyClient.open(`${running.url}/mcp`);
    const stream = await client.stream();
    await stream.until(({ events: seen }) => seen.length >= 1);
    expect(stream.events[0]).toEqual({ data: "", id: "0.1" });
    await running.apply({
      servers: [builtin(serviceOf("one", "a")), builtin(serviceOf("two", "b"))],
    });
    await stream.until(({ messages }) => messages.length >= 3);
    const methods = stream.messages.map(({ method }) => method);
    const changed = ["tools", "prompts", "resources"].map(
      (kind) => `notifications/${kind}/list_changed`,
    );
    expect(new Set(methods)).toEqual(new Set(changed));
    const { result } = await whole(client.request("tools/list"));
    expect(each(result["tools"], "name")).toEqual(["one__a", "two__b"]);
    await whole(client.end());
    expect((await stream.whole()).ended).toBe(true);
  });

  test("must be asked for as one, and resumed by an id of ours", async () => {
    const { url } = await start();
    const client = await LegacyClient.open(`${url}/mcp`);
    const headers = { "mcp-session-id": client.id, accept: "application/json" };
    expect((await whole(sendRequest(client.url, { method: "GET", headers }))).status).toBe(406);
    expect((await whole(client.stream("not-ours"))).status).toBe(400);
    const unknown = await whole(client.stream("zz.4"));
    expect([unknown.status, unknown.text]).toEqual([200, ""]);
  });

  test("is replaced by a newer one, which gets what the older missed", async () => {
    const running = await start();
    const client = await LegacyClient.open(`${running.url}/mcp`);
    const first = await client.stream();
    await first.until(({ events: seen }) => seen.length >= 1);
    const second = await client.stream();
    await first.whole();
    await running.apply({ servers: [builtin(serviceOf("one", "a"))] });
    await second.until(({ messages }) => messages.length >= 3);
    second.leave();
    const last = String(second.events[1]?.id);
    const third = await client.stream(last);
    await third.until(({ messages }) => messages.length >= 2);
    expect(third.events[0]?.id).toBe("0.4");
  });
});

describe("a server's question", () => {
  const elicitation = (id: unknown): JsonObject => ({
    jsonrpc: "2.0",
    id,
    method: "elicitation/create",
    params: { message: "who?", _meta: { progressToken: 1 } },
  });

  /** Asks the client under the id 1 and answers the call with what the client said. */
  async function askingServer(): Promise<{ peer: FakeHttpServer; progress: unknown[] }> {
    const progress: unknown[] = [];
    const waiting: { response: Responding; id: unknown }[] = [];
    const peer = await legacyServer(({ message }, response) => {
      if (message["method"] === "tools/call") {
        events(response);
        event(response, elicitation(1));
        waiting.push({ response, id: message["id"] });
        return;
      }
      response.writeHead(202).end();
      if (message["method"] === "notifications/progress") progress.push(message["params"]);
      if (message["id"] !== 1 || "method" in message) return;
      const call = waiting.shift();
      if (call === undefined) return;
      event(call.response, {
        jsonrpc: "2.0",
        id: call.id,
        result: { content: [], structuredContent: message["result"] },
      });
      call.response.end();
    });
    return { peer, progress };
  }

  const asked = (answer: Answer): JsonObject | undefined =>
    answer.messages.find(({ method }) => method === "elicitation/create");

  test("reaches the client beside its call, under an id of its own where two servers use the same", async () => {
    const [one, two] = [await askingServer(), await askingServer()];
    const { url } = await start({
      servers: [remote("one", one.peer.url), remote("two", two.peer.url)],
    });
    const client = await LegacyClient.open(`${url}/mcp`, { capabilities: { elicitation: {} } });
    const first = await client.request("tools/call", { name: "one__t" }, 1);
    const second = await client.request("tools/call", { name: "two__t" }, 2);
    await first.until((answer) => asked(answer) !== undefined);
    await second.until((answer) => asked(answer) !== undefined);
    const ids = [asked(first)?.["id"], asked(second)?.["id"]];
    expect(new Set(ids).size).toBe(2);
    const tokens = [first, second].map((answer) =>
      inside(asked(answer), "params", "_meta", "progressToken"),
    );
    expect(new Set(tokens).size).toBe(2);

    await client.notify("notifications/progress", { progressToken: tokens[1], progress: 1 });
    await until("the progress", () => two.progress.length === 1);
    expect([one.progress, two.progress]).toEqual([[], [{ progressToken: 1, progress: 1 }]]);

    await whole(
      client.post({ jsonrpc: "2.0", id: ids[1], result: { action: "accept", content: { n: 2 } } }),
    );
    await second.whole();
    await whole(client.post({ jsonrpc: "2.0", id: ids[0], result: { action: "decline" } }));
    await first.whole();
    expect(first.result["structuredContent"]).toEqual({ action: "decline" });
    expect(second.result["structuredContent"]).toEqual({ action: "accept", content: { n: 2 } });
  });

  test("cannot be answered from another session", async () => {
    const { peer } = await askingServer();
    const { url } = await start({ servers: [remote("one", peer.url)] });
    const capabilities = { elicitation: {} };
    const client = await LegacyClient.open(`${url}/mcp`, { capabilities });
    const other = await LegacyClient.open(`${url}/mcp`, { capabilities });
    const answer = await client.request("tools/call", { name: "one__t" });
    await answer.until((seen) => asked(seen) !== undefined);
    const id = asked(answer)?.["id"];
    await whole(other.post({ jsonrpc: "2.0", id, result: { action: "accept" } }));
    await whole(client.post({ jsonrpc: "2.0", id, result: { action: "cancel" } }));
    await answer.whole();
    expect(answer.result["structuredContent"]).toEqual({ action: "cancel" });
  });

  test("reaches no client whose revision does not have it", async () => {
    const refused: unknown[] = [];
    const peer = await legacyServer(({ message }, response) => {
      if (message["method"] === "tools/call") {
        events(response);
        event(response, elicitation(1));
        return;
      }
      if (message["error"] !== undefined) refused.push(message);
      response.writeHead(202).end();
    });
    const { url } = await start({ servers: [remote("one", peer.url)] });
    const client = await LegacyClient.open(`${url}/mcp`, { revision: "2025-03-26" });
    void client.request("tools/call", { name: "one__t" }).catch(() => undefined);
    await until("the refusal", () => refused.length === 1);
    expect(refused).toMatchObject([{ id: 1, error: { code: -32601 } }]);
  });
});

test("each session has a session of its own at a legacy server, and lets it go at its end", async () => {
  const peer = await legacyServer(({ message }, response) => {
    json(response, { jsonrpc: "2.0", id: message["id"], result: { content: [] } });
  });
  const { url } = await start({ servers: [remote("up", peer.url)] });
  const clients = [await LegacyClient.open(`${url}/mcp`), await LegacyClient.open(`${url}/mcp`)];
  for (const client of clients) await whole(client.request("tools/call", { name: "up__t" }));
  const sessions = peer.calls("tools/call").map(({ headers }) => headers["mcp-session-id"]);
  expect(new Set(sessions).size).toBe(2);
  await whole(clients[0]?.end() ?? Promise.reject(new Error("no client")));
  const ended = (): Received[] => peer.received.filter(({ method }) => method === "DELETE");
  await until("the server's session ends", () => ended().length === 1);
  expect(ended()[0]?.headers["mcp-session-id"]).toBe(sessions[0]);
});
