import { describe, expect, onTestFinished, test } from "vitest";
import { defineTool } from "@signalbox/kit";
import { z } from "zod";
import { META, isJsonObject, type JsonObject } from "../protocol/index.ts";
import {
  discovery,
  event,
  events,
  fakeHttpServer,
  json,
  type FakeHttpServer,
  type Received,
} from "../upstream/transports/fake-http-server.ts";
import {
  builtin,
  bundle,
  each,
  inside,
  modern,
  modernEnvelope,
  remote,
  sendRequest,
  serviceOf,
  start,
  until,
  type Answer,
} from "./running-gateway.ts";

type Responding = Parameters<Parameters<typeof fakeHttpServer>[0]>[1];

/** A modern server: `results` by method, everything else is left to `handle`. */
async function modernServer(
  results: Record<string, JsonObject>,
  handle?: (request: Received, response: Responding) => void | Promise<void>,
): Promise<FakeHttpServer> {
  const capabilities = { tools: {}, resources: {}, prompts: {}, completions: {} };
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response, capabilities)) return;
    const { id, method } = request.message;
    const result = results[String(method)];
    if (result === undefined && handle !== undefined) void handle(request, response);
    else if (result === undefined) {
      json(response, { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } }, 404);
    } else json(response, { jsonrpc: "2.0", id, result: { resultType: "complete", ...result } });
  });
  onTestFinished(() => peer.close());
  return peer;
}

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});

async function ask(
  url: string,
  ...rest: [string, JsonObject?, Parameters<typeof modern>[3]?]
): Promise<Answer> {
  return await (await modern(url, ...rest)).whole();
}

function errorOf(answer: Answer): unknown[] {
  return [answer.status, answer.error["code"], answer.response["id"]];
}

describe("a request", () => {
  test("is answered under its own id, whatever its type", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    for (const id of [0, 7, "", "7", 'q"\\ü']) {
      const answer = await ask(`${url}/mcp`, "tools/call", { name: "one__a" }, { id });
      expect(answer.response["id"]).toBe(id);
      expect(answer.result["content"]).toEqual([{ type: "text", text: "one a" }]);
    }
  });

  test("of a method that does not exist is not found, also one of the older era", async () => {
    const { url } = await start();
    for (const method of [
      "tools/none",
      "ping",
      "logging/setLevel",
      "initialize",
      "resources/subscribe",
    ]) {
      expect(errorOf(await ask(`${url}/mcp`, method))).toEqual([404, -32601, 1]);
    }
  });

  test.each([
    ["tools/call", { name: "one__none" }, "TOOL_NOT_FOUND"],
    ["tools/call", { name: "none__a" }, "TOOL_NOT_FOUND"],
    ["tools/call", { name: "a" }, "TOOL_NOT_FOUND"],
    ["tools/call", {}, "BODY_INVALID"],
    ["tools/call", { name: 7 }, "BODY_INVALID"],
    ["prompts/get", { name: "one__none" }, "PROMPT_NOT_FOUND"],
    ["resources/read", { uri: "signalbox://none/file:///a" }, "RESOURCE_NOT_FOUND"],
    ["resources/read", { uri: ["a"] }, "BODY_INVALID"],
    ["completion/complete", {}, "BODY_INVALID"],
    ["completion/complete", { ref: { type: "ref/prompt", name: "one__none" } }, "PROMPT_NOT_FOUND"],
    ["tools/list", { cursor: "nonsense" }, "BODY_INVALID"],
    ["tools/list", { cursor: "" }, "BODY_INVALID"],
    ["tools/list", { cursor: 7 }, "BODY_INVALID"],
    ["subscriptions/listen", {}, "BODY_INVALID"],
  ])(
    "with wrong parameters has invalid parameters, in band: %s %j",
    async (method, params, code) => {
      const servers = [builtin(serviceOf("one", "a")), builtin(serviceOf("two", "b"))];
      const { url } = await start({ servers });
      const answer = await ask(`${url}/mcp`, method, params);
      expect(errorOf(answer)).toEqual([200, -32602, 1]);
      expect(answer.error["data"]).toMatchObject({ code });
    },
  );

  test("is introduced to what can be asked for", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const { result, headers } = await ask(`${url}/mcp`, "server/discover");
    expect(result).toMatchObject({
      resultType: "complete",
      ttlMs: 0,
      cacheScope: "private",
      capabilities: { tools: { listChanged: true } },
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "signalbox" } },
    });
    expect(headers["mcp-session-id"]).toBeUndefined();
  });
});

describe("HTTP", () => {
  const send = async (
    url: string,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<unknown[]> => {
    const type = { "content-type": "application/json", ...headers };
    const answer = await (await sendRequest(url, { headers: type, body })).whole();
    const parsed: unknown = JSON.parse(answer.text);
    const of = isJsonObject(parsed) ? parsed : {};
    const code = inside(of, "error", "data", "code") ?? of["code"] ?? answer.error["code"];
    return [answer.status, code, of["id"]];
  };

  test("bodies that are none are refused as the protocol says", async () => {
    const { url } = await start({}, { limits: { body_bytes_max: 1024 } });
    const mcp = `${url}/mcp`;
    expect(await send(mcp, "{")).toEqual([400, -32700, null]);
    expect(await send(mcp, "")).toEqual([400, -32700, null]);
    expect(await send(mcp, "7")).toEqual([400, -32600, null]);
    expect(await send(mcp, "[]")).toEqual([400, -32600, null]);
    expect(await send(mcp, "[".repeat(200) + "]".repeat(200))).toEqual([400, -32600, null]);
    expect(await send(mcp, '"'.padEnd(2000, "x"))).toEqual([413, "BODY_TOO_LARGE", null]);
    expect(await send(mcp, "{}", { "content-type": "text/plain" })).toEqual([
      415,
      "CONTENT_TYPE",
      null,
    ]);
    const request = {
      jsonrpc: "2.0",
      id: 1,
      method: "tools/list",
      params: { _meta: modernEnvelope },
    };
    expect(await send(mcp, JSON.stringify([request]))).toEqual([400, -32600, null]);
    expect(await send(mcp, JSON.stringify(request))).toEqual([400, -32020, 1]);
  });

  test("GET and DELETE are not for modern clients, nor other methods for anyone", async () => {
    const { url } = await start();
    for (const method of ["GET", "DELETE", "PUT"]) {
      const headers = { "mcp-protocol-version": "2026-07-28", accept: "text/event-stream" };
      const answer = await (await sendRequest(`${url}/mcp`, { method, headers })).whole();
      expect([answer.status, answer.headers.allow]).toEqual([405, "POST, GET, DELETE"]);
    }
  });

  test("notifications are taken and have no answer", async () => {
    const { url } = await start();
    const headers = { "content-type": "application/json", "mcp-protocol-version": "2026-07-28" };
    const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: {} });
    const answer = await (await sendRequest(`${url}/mcp`, { headers, body })).whole();
    expect([answer.status, answer.text]).toEqual([202, ""]);
  });

  test("foreign hosts and origins are refused", async () => {
    const { url } = await start();
    for (const headers of [{ host: "evil.example" }, { origin: "https://evil.example" }]) {
      expect((await send(`${url}/mcp`, "{}", headers))[0]).toBe(403);
    }
  });

  test("other paths are left to others", async () => {
    const { url } = await start();
    for (const path of ["/", "/mcp/rpc", "/mcp/A", "/mcpx", "/mcp/a/b"]) {
      expect((await sendRequest(url + path)).status).toBe(418);
    }
  });
});

describe("a call", () => {
  test("reaches a server under its own name, with everything it carries", async () => {
    const text =
      '{"jsonrpc":"2.0","id":ID,"result":{"resultType":"complete","content":[],"future":12345678901234567890}}';
    const peer = await modernServer(
      { "tools/list": { tools: [tool("größe.1")] } },
      ({ message }, response) => json(response, text.replace("ID", JSON.stringify(message["id"]))),
    );
    const running = await start({ servers: [remote("up", peer.url)] });
    const listed = await ask(`${running.url}/mcp`, "tools/list");
    const name = String(inside(listed.result, "tools", 0, "name"));
    expect(name).toMatch(/^up__gr__e_1_[0-9a-f]{8}$/);
    const params = { name, arguments: { a: [1, { b: null }] }, future: true };
    const answer = await ask(`${running.url}/mcp`, "tools/call", params, {
      id: "mine",
      meta: {
        "vendor/x": 1,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    });
    expect(answer.text).toBe(text.replace("ID", '"mine"'));
    const [sent] = peer.calls("tools/call");
    expect(sent?.message["params"]).toMatchObject({
      ...params,
      name: "größe.1",
      _meta: { "vendor/x": 1 },
    });
    expect(sent?.headers).toMatchObject({
      "mcp-method": "tools/call",
      "mcp-name": `=?base64?${Buffer.from("größe.1").toString("base64")}?=`,
      "mcp-protocol-version": "2026-07-28",
    });
    expect(running.calls).toMatchObject([
      {
        server: "up",
        tool: "größe.1",
        publicName: name,
        outcome: "ok",
        era: "modern",
        traceId: "0af7651916cd43dd8448eb211c80319c",
        arguments: { a: [1, { b: null }] },
      },
    ]);
  });

  test("must carry the headers that its tool's schema asks for", async () => {
    const inputSchema = {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": "Region" } },
    };
    const peer = await modernServer({
      "tools/list": {
        tools: [
          tool("t", { inputSchema }),
          tool("bad", {
            inputSchema: { properties: { a: { type: "object", "x-mcp-header": "A" } } },
          }),
        ],
      },
      "tools/call": { content: [] },
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const listed = await ask(`${url}/mcp`, "tools/list");
    expect(listed.result["tools"]).toMatchObject([{ name: "up__t" }]);
    const params = { name: "up__t", arguments: { region: "north" } };
    expect(errorOf(await ask(`${url}/mcp`, "tools/call", params))).toEqual([400, -32020, 1]);
    const headers = { "mcp-param-region": "north" };
    const good = await ask(`${url}/mcp`, "tools/call", params, { headers });
    expect(good.result).toMatchObject({ content: [] });
    expect(peer.calls("tools/call")).toHaveLength(1);
    expect(peer.calls("tools/call")[0]?.headers).toMatchObject(headers);
  });

  test("is given up at the server when its client goes away", async () => {
    const peer = await modernServer({ "tools/list": { tools: [tool("t")] } }, () => {});
    const running = await start({ servers: [remote("up", peer.url)] });
    await ask(`${running.url}/mcp`, "tools/list");
    const going = modern(
      `${running.url}/mcp`,
      "tools/call",
      { name: "up__t" },
      {
        sent: (request) => {
          void until("the call", () => peer.calls("tools/call").length === 1).then(() =>
            request.destroy(),
          );
        },
      },
    );
    await expect(going).rejects.toThrow("socket hang up");
    await peer.calls("tools/call")[0]?.gone;
    await until("the record", () => running.calls.length === 1);
    expect(running.calls).toMatchObject([{ outcome: "cancelled" }]);
  });

  test("whose client went away while the lists were awaited never reaches the server", async () => {
    const lists = Promise.withResolvers<void>();
    const peer = await modernServer({}, async ({ message }, response) => {
      if (message["method"] !== "tools/list") return;
      await lists.promise;
      const result = { resultType: "complete", tools: [tool("t")] };
      json(response, { jsonrpc: "2.0", id: message["id"], result });
    });
    const running = await start({ servers: [remote("up", peer.url)] });
    await until("the list is asked for", () => peer.calls("tools/list").length === 1);
    const going = modern(
      `${running.url}/mcp`,
      "tools/call",
      { name: "up__t" },
      {
        sent: (request) => setTimeout(() => request.destroy(), 50),
      },
    );
    await expect(going).rejects.toThrow("socket hang up");
    // What comes later is answered later: by then the gateway has seen the client go.
    await (await fetch(`${running.url}/elsewhere`)).text();
    lists.resolve();
    await until("the record", () => running.calls.length === 1);
    expect(running.calls).toMatchObject([{ outcome: "cancelled", upstreamMs: 0 }]);
    expect(peer.calls("tools/call")).toEqual([]);
  });

  test("relays what its server says on the way, then its answer", async () => {
    const peer = await modernServer(
      { "tools/list": { tools: [tool("t")] } },
      ({ message }, response) => {
        const token = inside(message, "params", "_meta", "progressToken");
        events(response);
        event(response, {
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken: token, progress: 1 },
        });
        event(response, {
          jsonrpc: "2.0",
          id: message["id"],
          result: { resultType: "complete", content: [] },
        });
        response.end();
      },
    );
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const answer = await ask(
      `${url}/mcp`,
      "tools/call",
      { name: "up__t" },
      { meta: { progressToken: "p" } },
    );
    expect(answer.messages).toEqual([
      {
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken: "p", progress: 1 },
      },
      { jsonrpc: "2.0", id: 1, result: { resultType: "complete", content: [] } },
    ]);
  });

  test("offers of its client's extensions those whose messages cross the gateway", async () => {
    const peer = await modernServer({
      "tools/list": { tools: [tool("t")] },
      "tools/call": { content: [] },
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const ui = { mimeTypes: ["text/html;profile=mcp-app"] };
    for (const [offered, passed] of [
      [
        {
          sampling: {},
          extensions: { "io.modelcontextprotocol/tasks": {}, "io.modelcontextprotocol/ui": ui },
        },
        { sampling: {}, extensions: { "io.modelcontextprotocol/ui": ui } },
      ],
      [{ extensions: { "vendor/x": {} } }, { extensions: {} }],
      [{ extensions: 7, future: 1 }, { future: 1 }],
    ]) {
      await ask(
        `${url}/mcp`,
        "tools/call",
        { name: "up__t" },
        { meta: { [META.clientCapabilities]: offered } },
      );
      const sent = peer.calls("tools/call").at(-1)?.message;
      expect(inside(sent, "params", "_meta", META.clientCapabilities)).toEqual(passed);
    }
  });

  test("takes the trace of its headers along in its message, where the message names none", async () => {
    const peer = await modernServer({
      "tools/list": { tools: [tool("t")] },
      "tools/call": { content: [] },
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const trace = (digit: string): string => `00-${digit.repeat(32)}-b7ad6b7169203331-01`;
    const headers = { traceparent: trace("a"), tracestate: "v=1", baggage: "user=ann" };
    for (const [meta, more, expected] of [
      [{}, headers, { traceparent: trace("a"), tracestate: "v=1" }],
      [{}, { traceparent: trace("a") }, { traceparent: trace("a") }],
      [{}, { tracestate: "v=1" }, {}],
      [{}, { ...headers, tracestate: "x".repeat(600) }, { traceparent: trace("a") }],
      [{ traceparent: trace("b") }, headers, { traceparent: trace("b") }],
    ] as const) {
      await ask(`${url}/mcp`, "tools/call", { name: "up__t" }, { meta, headers: more });
      const sent = peer.calls("tools/call").at(-1);
      const passed = inside(sent?.message, "params", "_meta");
      expect(passed).toEqual({ ...modernEnvelope, ...expected });
      expect(sent?.headers["baggage"]).toBeUndefined();
    }
  });

  test("that is slow is answered as an event stream", async () => {
    const finish = Promise.withResolvers<string>();
    const slow = defineTool({
      name: "slow",
      description: "Slow.",
      input: z.object({}),
      handler: () => finish.promise,
    });
    const { url } = await start(
      { servers: [builtin(serviceOf("one", slow))] },
      { limits: { events_after: 1 } },
    );
    const answer = await modern(`${url}/mcp`, "tools/call", { name: "one__slow" });
    await answer.until(({ text }) => text.startsWith(":\n\n"));
    finish.resolve("done");
    await answer.whole();
    expect(answer.events).toHaveLength(1);
    expect(answer.result["content"]).toEqual([{ type: "text", text: "done" }]);
  });

  test("has an answer of any size", async () => {
    const long = "x".repeat(3 * 1024 * 1024);
    const peer = await modernServer({
      "tools/list": { tools: [tool("t")] },
      "tools/call": { content: [{ type: "text", text: long }] },
    });
    const running = await start({ servers: [remote("up", peer.url)] });
    const answer = await ask(`${running.url}/mcp`, "tools/call", { name: "up__t" });
    expect(answer.result["content"]).toEqual([{ type: "text", text: long }]);
    expect(running.calls[0]?.responseBytes).toBeGreaterThan(long.length);
  });

  test("loses nothing when its client reads slowly", async () => {
    const long = "x".repeat(20 * 1024 * 1024);
    const peer = await modernServer({
      "tools/list": { tools: [tool("t")] },
      "tools/call": { content: [{ type: "text", text: long }] },
    });
    const running = await start({ servers: [remote("up", peer.url)] });
    await ask(`${running.url}/mcp`, "tools/list");
    let paused = 0;
    const answer = await modern(
      `${running.url}/mcp`,
      "tools/call",
      { name: "up__t" },
      {
        sent: (request) =>
          request.on("response", (response) => {
            response.on("data", () => {
              if (++paused > 5) return;
              response.pause();
              setTimeout(() => response.resume(), 20);
            });
          }),
      },
    );
    await answer.whole();
    expect(inside(answer.result, "content", 0, "text") === long).toBe(true);
  });

  test("is called with the headers its server wants since its list was fetched", async () => {
    const mirrored = {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": "Region" } },
    };
    let changed = false;
    const peer = await modernServer({}, ({ message, headers }, response) => {
      const { id, method } = message;
      const tools = [tool("t", changed ? { inputSchema: mirrored } : {})];
      const result = { resultType: "complete", tools, content: [] };
      if (method === "tools/call" && changed && headers["mcp-param-region"] !== "north") {
        json(response, { jsonrpc: "2.0", id, error: { code: -32020, message: "mismatch" } }, 400);
      } else json(response, { jsonrpc: "2.0", id, result });
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const params = { name: "up__t", arguments: { region: "north" } };
    const call = (headers: Record<string, string> = {}): Promise<Answer> =>
      ask(`${url}/mcp`, "tools/call", params, { headers });
    expect((await call()).result).toHaveProperty("content");
    changed = true;
    // The server is asked again once its list is fetched; from then on the client must mirror the argument too.
    expect((await call()).result).toHaveProperty("content");
    expect(peer.calls("tools/call")).toHaveLength(3);
    expect(errorOf(await call())).toEqual([400, -32020, 1]);
    expect((await call({ "mcp-param-region": "north" })).result).toHaveProperty("content");
    expect(peer.calls("tools/call")).toHaveLength(4);
  });

  test("that its server goes on refusing for its headers is not the client's fault", async () => {
    for (const [code, status, sent] of [
      [-32020, 400, 2],
      [-32020, 200, 2],
      [-32022, 200, 1],
    ] as const) {
      const peer = await modernServer(
        { "tools/list": { tools: [tool("t")] } },
        ({ message }, response) => {
          const error = { code, message: "wrong headers", data: { supported: [], requested: "x" } };
          json(response, { jsonrpc: "2.0", id: message["id"], error }, status);
        },
      );
      const running = await start({ servers: [remote("up", peer.url)] });
      const answer = await ask(`${running.url}/mcp`, "tools/call", { name: "up__t" });
      expect(errorOf(answer)).toEqual([200, -32603, 1]);
      const data = { code: "SERVER_REFUSED", server: "up", outcome: "not_executed" };
      expect(answer.error["data"]).toMatchObject(data);
      expect(peer.calls("tools/call")).toHaveLength(sent);
      expect(running.calls).toMatchObject([{ outcome: "error", errorCode: "SERVER_REFUSED" }]);
    }
  });

  test("that waits for its server's new list can be given up", async () => {
    const lists = Promise.withResolvers<void>();
    let listed = 0;
    const peer = await modernServer({}, async ({ message }, response) => {
      const { id, method } = message;
      if (method === "tools/call") {
        json(response, { jsonrpc: "2.0", id, error: { code: -32020, message: "no" } }, 400);
        return;
      }
      if (method !== "tools/list") return;
      if (++listed > 1) await lists.promise;
      json(response, {
        jsonrpc: "2.0",
        id,
        result: { resultType: "complete", tools: [tool("t")] },
      });
    });
    const running = await start({ servers: [remote("up", peer.url)] });
    await ask(`${running.url}/mcp`, "tools/list");
    const params = { name: "up__t" };
    const going = modern(`${running.url}/mcp`, "tools/call", params, {
      sent: (request) => void until("the list", () => listed > 1).then(() => request.destroy()),
    });
    await expect(going).rejects.toThrow("socket hang up");
    await until("the record", () => running.calls.length === 1);
    lists.resolve();
    expect((await ask(`${running.url}/mcp`, "tools/list")).result).toHaveProperty("tools");
    expect(running.calls).toMatchObject([{ outcome: "cancelled" }]);
    expect(peer.calls("tools/call")).toHaveLength(1);
  });

  test("takes along the mirrored arguments that only its client knows of", async () => {
    const heard: unknown[] = [];
    const peer = await modernServer({}, ({ message, headers }, response) => {
      const { id, method } = message;
      if (method === "tools/call") heard.push(headers["mcp-param-region"]);
      const result = { resultType: "complete", tools: [tool("t")], content: [] };
      json(response, { jsonrpc: "2.0", id, result });
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const headers = { "mcp-param-region": "north" };
    await ask(`${url}/mcp`, "tools/call", { name: "up__t" }, { headers });
    expect(heard).toEqual(["north"]);
  });

  test("is refused by its server in the server's own words and with the status of its code", async () => {
    const peer = await modernServer(
      { "tools/list": { tools: [tool("t")] } },
      ({ message }, response) => {
        json(
          response,
          {
            jsonrpc: "2.0",
            id: message["id"],
            error: {
              code: -32021,
              message: "own words",
              data: { requiredCapabilities: { sampling: {} } },
            },
          },
          400,
        );
      },
    );
    const running = await start({ servers: [remote("up", peer.url)] });
    const answer = await ask(`${running.url}/mcp`, "tools/call", { name: "up__t" });
    expect(errorOf(answer)).toEqual([400, -32021, 1]);
    expect(answer.error).toMatchObject({
      message: "own words",
      data: { requiredCapabilities: { sampling: {} } },
    });
    expect(running.calls).toMatchObject([{ outcome: "error", errorCode: "-32021" }]);
  });

  test("to a server that is not there fails with its name", async () => {
    const peer = await modernServer({ "tools/list": { tools: [tool("t")] } });
    const once = { retry_policy: { max_attempts: 1 } };
    const { url } = await start({ servers: [remote("up", peer.url, once)] });
    await ask(`${url}/mcp`, "tools/list");
    await peer.close();
    const answer = await ask(`${url}/mcp`, "tools/call", { name: "up__t" });
    expect(errorOf(answer)).toEqual([200, -32603, 1]);
    expect(answer.error["data"]).toMatchObject({ code: "SERVER_UNREACHABLE", server: "up" });
    expect(answer.error["message"]).toContain("cannot be reached");
    // Where it is, is told to operators only.
    expect(answer.text).not.toContain(new URL(peer.url).host);
  });
});

describe("lists", () => {
  test("name the server that is missing and do not wait for it twice", async () => {
    const silent = await fakeHttpServer(() => {});
    onTestFinished(() => silent.close());
    const servers = [
      builtin(serviceOf("one", "a")),
      remote("mute", silent.url, { list_timeout: 50 }),
    ];
    const { url } = await start({ servers });
    for (let count = 0; count < 2; count++) {
      const { result } = await ask(`${url}/mcp`, "tools/list");
      expect(result["tools"]).toMatchObject([{ name: "one__a" }]);
      expect(result["ttlMs"]).toBe(0);
      expect(result["_meta"]).toMatchObject({
        "signalbox/missing": [{ server: "mute", reason: "SERVER_TIMEOUT" }],
      });
    }
    const answer = await ask(`${url}/mcp`, "tools/call", { name: "mute__t" });
    expect(answer.error["data"]).toMatchObject({ code: "SERVER_TIMEOUT", server: "mute" });
  });

  test("come in pages of the configured size", async () => {
    const servers = [builtin(serviceOf("one", "a", "b", "c", "d", "e"))];
    const { url } = await start({ servers }, { limits: { list_page: 2 } });
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const { result } = await ask(
        `${url}/mcp`,
        "tools/list",
        cursor === undefined ? {} : { cursor },
      );
      seen.push(each(result["tools"], "name"));
      cursor = result["nextCursor"];
    } while (cursor !== undefined);
    expect(seen).toEqual([["one__a", "one__b"], ["one__c", "one__d"], ["one__e"]]);
    const between = Buffer.from("page:1").toString("base64url");
    expect(errorOf(await ask(`${url}/mcp`, "tools/list", { cursor: between }))[1]).toBe(-32602);
  });
});

describe("resources and prompts", () => {
  test("are public under their server's name and found again", async () => {
    const uri = "file:///a b?c#d";
    const peer = await modernServer({
      "resources/list": { resources: [{ uri, name: "r" }], ttlMs: 5, cacheScope: "public" },
      "resources/templates/list": {
        resourceTemplates: [{ uriTemplate: "db://{table}", name: "t" }],
      },
      "resources/read": { contents: [{ uri, text: "t" }], ttlMs: 0, cacheScope: "private" },
      "prompts/list": { prompts: [{ name: "p" }] },
      "prompts/get": {
        messages: [{ role: "user", content: { type: "resource_link", uri, name: "r" } }],
      },
      "completion/complete": { completion: { values: ["v"] } },
    });
    const { url } = await start({ servers: [remote("up", peer.url)] });
    const mcp = `${url}/mcp`;
    const shown = `signalbox://up/${uri}`;
    expect((await ask(mcp, "resources/list")).result["resources"]).toEqual([
      { uri: shown, name: "r" },
    ]);
    expect((await ask(mcp, "resources/templates/list")).result["resourceTemplates"]).toEqual([
      { uriTemplate: "signalbox://up/db://{table}", name: "t" },
    ]);
    for (const asked of [shown, uri]) {
      const read = await ask(mcp, "resources/read", { uri: asked });
      expect(read.result["contents"]).toEqual([{ uri: shown, text: "t" }]);
    }
    expect(peer.calls("resources/read").map(({ headers }) => headers["mcp-name"])).toEqual([
      uri,
      uri,
    ]);
    const got = await ask(mcp, "prompts/get", { name: "up__p" });
    expect(got.result["messages"]).toMatchObject([{ content: { uri: shown } }]);
    const refs = [
      { type: "ref/prompt", name: "up__p" },
      { type: "ref/resource", uri: "signalbox://up/db://{table}" },
    ];
    for (const ref of refs) {
      const completed = await ask(mcp, "completion/complete", {
        ref,
        argument: { name: "a", value: "" },
      });
      expect(completed.result["completion"]).toEqual({ values: ["v"] });
    }
    expect(
      peer.calls("completion/complete").map(({ message }) => inside(message, "params", "ref")),
    ).toEqual([
      { type: "ref/prompt", name: "p" },
      { type: "ref/resource", uri: "db://{table}" },
    ]);
  });

  test("of a bare bundle keep their names", async () => {
    const link = { type: "resource_link", uri: "file:///a", name: "r" };
    const peer = await modernServer({
      "tools/list": { tools: [tool("t")] },
      "tools/call": { content: [link] },
      "resources/list": { resources: [{ uri: "file:///a", name: "r" }] },
      "resources/templates/list": { resourceTemplates: [] },
      "resources/read": { contents: [{ uri: "file:///a", text: "t" }] },
    });
    const bundles = [bundle("bare", { include: ["up__*"], names: "bare" })];
    const { url } = await start({
      servers: [remote("up", peer.url), builtin(serviceOf("one", "t"))],
      bundles,
    });
    const bare = `${url}/mcp/bare`;
    expect((await ask(bare, "tools/list")).result["tools"]).toMatchObject([{ name: "t" }]);
    expect((await ask(bare, "tools/call", { name: "t" })).result["content"]).toEqual([link]);
    expect((await ask(bare, "resources/read", { uri: "file:///a" })).result).toHaveProperty(
      "contents.0.uri",
      "file:///a",
    );
    expect(errorOf(await ask(bare, "tools/call", { name: "up__t" }))[1]).toBe(-32602);
  });
});

test("a caller may say how long it waits; what is left of it goes on to the server", async () => {
  const peer = await modernServer({ "tools/list": { tools: [tool("slow")] } }, () => undefined);
  const { url } = await start({ servers: [remote("one", peer.url)] });
  const meta = { "signalbox/timeoutMs": 150 };
  const answer = await ask(`${url}/mcp`, "tools/call", { name: "one__slow" }, { meta });
  expect(answer.error["data"]).toMatchObject({ code: "SERVER_TIMEOUT", outcome: "unknown" });
  const [call] = peer.calls("tools/call");
  const left = inside(call?.message, "params", "_meta", "signalbox/timeoutMs");
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(150);
});
