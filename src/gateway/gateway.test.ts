import { describe, expect, onTestFinished, test } from "vitest";
import { defineTool, text } from "@signalbox/kit";
import { z } from "zod";
import { hashKey } from "../access/index.ts";
import { isSignalboxError, silentLog, systemClock, type Log } from "../foundation/index.ts";
import { META, type JsonObject } from "../protocol/index.ts";
import { event, events, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import {
  LegacyClient,
  builtin,
  bundle,
  each,
  inside,
  keyRecord,
  modern,
  principalNamed,
  remote,
  serviceOf,
  start,
  until,
  type Answer,
} from "./running-gateway.ts";

async function toolNames(url: string, key?: string): Promise<unknown> {
  const answer = await (
    await modern(url, "tools/list", {}, key === undefined ? {} : { key })
  ).whole();
  return answer.status === 200 ? each(answer.result["tools"], "name") : answer.status;
}

function listen(
  url: string,
  notifications: JsonObject,
  options: Parameters<typeof modern>[3] = {},
): Promise<Answer> {
  return modern(url, "subscriptions/listen", { notifications }, options);
}

/** A tool that answers when it is let. */
function held() {
  const finish = Promise.withResolvers<string>();
  const state = { started: 0 };
  const tool = defineTool({
    name: "slow",
    description: "Waits.",
    input: z.object({}),
    handler: () => {
      state.started++;
      return finish.promise;
    },
  });
  return { service: serviceOf("one", tool), state, finish: () => finish.resolve("done") };
}

const one = builtin(serviceOf("one", "a"));
const two = builtin(serviceOf("two", "b"));

describe("a configuration", () => {
  test("is told of with its counts in the debug lines", async () => {
    const told: unknown[] = [];
    const log: Log = {
      ...silentLog,
      child: () => log,
      debug: (fields, message) => message === "Applied a configuration" && told.push(fields),
    };
    const { apply } = await start({ servers: [one] }, { log });
    await apply({ servers: [one, two], bundles: [bundle("b")] });
    await apply({ servers: [two] });
    expect(told).toMatchObject([
      { version: 1, servers: 1, bundles: 0, keys: 0, created: 1, dropped: 0 },
      { version: 2, servers: 2, bundles: 1, created: 1, dropped: 0 },
      { version: 3, servers: 1, bundles: 0, created: 0, dropped: 1 },
    ]);
  });

  test("is served from the moment it is applied", async () => {
    const { url, apply } = await start({ servers: [one] });
    expect(await toolNames(`${url}/mcp`)).toEqual(["one__a"]);
    await apply({ servers: [two], bundles: [bundle("b", { include: ["two__*"] })] });
    expect(await toolNames(`${url}/mcp`)).toEqual(["two__b"]);
    expect(await toolNames(`${url}/mcp/b`)).toEqual(["two__b"]);
    await apply({});
    expect(await toolNames(`${url}/mcp`)).toEqual([]);
    expect(await toolNames(`${url}/mcp/b`)).toBe(404);
  });

  test("keeps the connections of servers that did not change, and only those", async () => {
    let connections = 0;
    const peer = await fakeHttpServer(({ message }, response) => {
      if (message["method"] === "server/discover") connections++;
      const result = {
        resultType: "complete",
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        tools: [],
      };
      json(response, { jsonrpc: "2.0", id: message["id"], result });
    });
    onTestFinished(() => peer.close());
    const { url, apply } = await start({ servers: [remote("up", peer.url)] });
    await toolNames(`${url}/mcp`);
    await apply({ servers: [remote("up", peer.url), one] });
    await toolNames(`${url}/mcp`);
    expect(connections).toBe(1);
    await apply({ servers: [remote("up", peer.url, { list_timeout: 999 })] });
    await toolNames(`${url}/mcp`);
    expect(connections).toBe(2);
  });

  test("of which a server cannot be opened leaves that one out and says why, until it can", async () => {
    const peer = await fakeHttpServer(({ message }, response) => {
      const result = {
        resultType: "complete",
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        tools: [{ name: "t", inputSchema: { type: "object" } }],
      };
      json(response, { jsonrpc: "2.0", id: message["id"], result });
    });
    onTestFinished(() => peer.close());
    const up = remote("up", peer.url);
    const problem = {
      code: "SECRET_MISSING",
      message: "needs ${secret:a}, which is not there",
    } as const;
    const { url, apply, gateway } = await start({ servers: [{ ...up, problem }, one] });
    expect(await toolNames(`${url}/mcp`)).toEqual(["one__a"]);
    const sentence = 'Server "up" needs ${secret:a}, which is not there.';
    const list = await (await modern(url + "/mcp", "tools/list", {})).whole();
    expect(JSON.stringify(list.result)).toContain(JSON.stringify(sentence).slice(1, -1));
    expect(gateway.statusOf("up")).toMatchObject({
      state: "error",
      lastError: { code: "SECRET_MISSING", message: sentence },
    });
    const call = await (await modern(url + "/mcp", "tools/call", { name: "up__t" })).whole();
    expect(JSON.stringify(call)).toContain("SECRET_MISSING");
    expect(peer.received).toEqual([]);
    await apply({ servers: [up, one] });
    expect(await toolNames(`${url}/mcp`)).toEqual(["up__t", "one__a"]);
  });

  test("that cannot be served leaves the old one in place", async () => {
    const running = await start({ servers: [one] });
    const { url } = running;
    const other = builtin(serviceOf("other", "a"));
    await running.apply({ servers: [one, other] });
    await toolNames(`${url}/mcp`);
    const bare = bundle("bare", { names: "bare" });
    const failing = [
      { servers: [one, one] },
      { servers: [one, other], bundles: [bare] },
      { servers: [], bundles: [bundle("x"), bundle("x")] },
    ];
    const codes: unknown[] = [];
    for (const configuration of failing) {
      const outcome = await Promise.resolve(configuration)
        .then(running.apply)
        .catch((error: unknown) => error);
      codes.push(isSignalboxError(outcome) ? outcome.code : outcome);
      expect(await toolNames(`${url}/mcp`)).toEqual(["one__a", "other__a"]);
      expect(await toolNames(`${url}/mcp/bare`)).toBe(404);
    }
    expect(codes).toEqual(["NAME_TAKEN", "BUNDLE_COLLISION", "NAME_TAKEN"]);
  });

  test("lets a server that is gone finish its calls", async () => {
    const slow = held();
    const { url, apply } = await start(
      { servers: [builtin(slow.service)] },
      { limits: { drain: 5_000 } },
    );
    const going = modern(`${url}/mcp`, "tools/call", { name: "one__slow" });
    await until("the call", () => slow.state.started === 1);
    await apply({});
    slow.finish();
    expect((await (await going).whole()).result["content"]).toEqual([
      { type: "text", text: "done" },
    ]);
  });

  test("ends the calls of a server that is gone when they take too long", async () => {
    const slow = held();
    const { url, apply } = await start(
      { servers: [builtin(slow.service)] },
      { limits: { drain: 1 } },
    );
    const going = modern(`${url}/mcp`, "tools/call", { name: "one__slow" });
    await until("the call", () => slow.state.started === 1);
    await apply({});
    const answer = await (await going).whole();
    expect(answer.error["data"]).toMatchObject({ code: "SERVER_CLOSED", server: "one" });
  });

  test("without a server that is switched off does not have its tools", async () => {
    const off = { ...one, options: { enabled: false } };
    const running = await start({ servers: [off, two] });
    expect(await toolNames(`${running.url}/mcp`)).toEqual(["two__b"]);
  });
});

describe("a key", () => {
  const clock = { ...systemClock, forwardMs: 0, now: () => systemClock.now() + clock.forwardMs };
  const ann = keyRecord("ann", hashKey("ann"));
  const limited = keyRecord("bob", hashKey("bob"), { bundles: ["some"] });
  const some = bundle("some", { include: ["one__*"] });

  test("opens what it is for, and nothing else", async () => {
    const configuration = { servers: [one, two], bundles: [some], keys: [ann, limited] };
    const { url, gateway } = await start(configuration, { authRequired: true });
    expect(await toolNames(`${url}/mcp`)).toBe(401);
    expect(await toolNames(`${url}/mcp`, "wrong")).toBe(401);
    expect(await toolNames(`${url}/mcp`, "ann")).toEqual(["one__a", "two__b"]);
    expect(await toolNames(`${url}/mcp`, "bob")).toBe(403);
    expect(await toolNames(`${url}/mcp/some`, "bob")).toEqual(["one__a"]);
    const seenBy = ({ id, bundles }: typeof ann): string[] => {
      const principal = principalNamed(id, { bundles });
      return ["one", "two", "none"].filter((server) => gateway.sees(principal, server));
    };
    expect(seenBy(limited)).toEqual(["one"]);
    expect(seenBy(ann)).toEqual(["one", "two"]);
  });

  test("that is revoked ends its sessions and listens, and nobody else's", async () => {
    const servers = [one];
    const { url, apply } = await start(
      { servers, keys: [ann, limited], bundles: [some] },
      { authRequired: true },
    );
    const mine = await LegacyClient.open(`${url}/mcp`, { key: "ann" });
    const theirs = await LegacyClient.open(`${url}/mcp/some`, { key: "bob" });
    const stream = await mine.stream();
    const [gone, kept] = await Promise.all([
      listen(`${url}/mcp`, { toolsListChanged: true }, { key: "ann", id: "g" }),
      listen(`${url}/mcp/some`, { toolsListChanged: true }, { key: "bob" }),
    ]);
    await apply({ servers, bundles: [some], keys: [{ ...ann, revokedAt: 1 }, limited] });
    await gone.whole();
    expect(gone.response).toMatchObject({
      id: "g",
      result: { _meta: { [META.subscriptionId]: "g" } },
    });
    expect((await stream.whole()).ended).toBe(true);
    expect((await mine.request("ping")).status).toBe(401);
    expect((await theirs.request("ping")).status).toBe(200);
    expect(kept.closed).toBe(false);
  });

  test("that expires ends what it has open", async () => {
    const expiring = { ...ann, expiresAt: clock.now() + 60_000 };
    const { url } = await start({ keys: [expiring] }, { authRequired: true, clock });
    const open = await listen(`${url}/mcp`, {}, { key: "ann" });
    clock.forwardMs = 60_001;
    await open.whole();
    expect(open.response).toHaveProperty("result");
  });

  test("that changes hands is told to nobody as a change of lists", async () => {
    const configuration = { servers: [one], bundles: [some] };
    const { url, apply } = await start();
    const open = await listen(`${url}/mcp`, { toolsListChanged: true });
    await apply(configuration);
    await open.until(({ messages }) => messages.length >= 2);
    await apply({ ...configuration, keys: [ann] });
    await apply({ ...configuration, servers: [one, two] });
    await open.until(({ messages }) => messages.length >= 3);
    await apply({});
    await open.until(({ messages }) => messages.length >= 4);
    expect(each(open.messages.slice(0, 3), "method")).toEqual([
      "notifications/subscriptions/acknowledged",
      "notifications/tools/list_changed",
      "notifications/tools/list_changed",
    ]);
  });
});

describe("a bundle that is removed", () => {
  test("ends its sessions and listens", async () => {
    const { url, apply } = await start({ servers: [one], bundles: [bundle("some")] });
    const client = await LegacyClient.open(`${url}/mcp/some`);
    const open = await listen(`${url}/mcp/some`, {});
    await apply({ servers: [one] });
    expect((await open.whole()).response).toHaveProperty("result");
    expect((await client.request("ping")).status).toBe(404);
  });
});

describe("a listen", () => {
  test("is acknowledged with what is honoured, under its own id with its own type", async () => {
    const { url } = await start({ servers: [one] });
    const uri = "signalbox://one/file:///a";
    for (const id of [3, "3"]) {
      const asked = {
        toolsListChanged: true,
        promptsListChanged: false,
        future: true,
        resourceSubscriptions: [uri, 7, "a", uri, "signalbox://none/file:///a"],
      };
      const open = await listen(`${url}/mcp`, asked, { id });
      await open.until(({ messages }) => messages.length > 0);
      expect(open.messages[0]).toEqual({
        jsonrpc: "2.0",
        method: "notifications/subscriptions/acknowledged",
        params: {
          _meta: { [META.subscriptionId]: id },
          notifications: { toolsListChanged: true, resourceSubscriptions: [uri] },
        },
      });
      open.leave();
    }
  });

  test("hears only of what it asked for, and once for changes that come together", async () => {
    const { url, apply } = await start();
    const tools = await listen(`${url}/mcp`, { toolsListChanged: true }, { id: "t" });
    const nothing = await listen(`${url}/mcp`, {}, { id: "n" });
    await apply({ servers: [one, two] });
    await apply({ servers: [two] });
    await tools.until(({ messages }) => messages.length >= 2);
    expect(tools.messages[1]).toEqual({
      jsonrpc: "2.0",
      method: "notifications/tools/list_changed",
      params: { _meta: { [META.subscriptionId]: "t" } },
    });
    await apply({});
    await tools.until(({ messages }) => messages.length >= 3);
    expect([tools.messages.length, nothing.messages.length]).toEqual([3, 1]);
  });

  test("outlives the time after which slow answers become event streams", async () => {
    const running = await start(
      { servers: [one] },
      { limits: { events_after: 1, keep_alive: 1_000 } },
    );
    const answer = await listen(`${running.url}/mcp`, { toolsListChanged: true });
    await answer.until(({ text: seen }) => seen.includes("\n:\n"));
    expect(answer.closed).toBe(false);
    expect(answer.messages[0]).toHaveProperty("method", "notifications/subscriptions/acknowledged");
  });

  test("gives way, whoever has most the oldest, to someone who has fewer", async () => {
    const keys = ["ann", "bob"].map((key) => keyRecord(key, hashKey(key)));
    const { url } = await start({ keys }, { authRequired: true, limits: { listens_max: 3 } });
    const by = async (key: string, id: string): Promise<Answer> => {
      const opened = await listen(`${url}/mcp`, {}, { key, id });
      return opened.until(({ messages, closed }) => messages.length > 0 || closed);
    };
    const first = await by("ann", "first");
    await by("ann", "second");
    await by("ann", "third");
    expect((await by("ann", "fourth")).error["data"]).toMatchObject({ code: "SESSION_LIMIT" });
    expect((await by("bob", "own")).closed).toBe(false);
    expect((await first.whole()).response).toMatchObject({ id: "first", result: {} });
    expect((await by("bob", "more")).error["data"]).toMatchObject({ code: "SESSION_LIMIT" });
  });

  test("hears of a server's lists and resources, also across eras", async () => {
    let tell: (message: unknown) => void = () => {};
    const subscribed: unknown[] = [];
    const peer = await fakeHttpServer(({ method: http, message }, response) => {
      const { id, method } = message;
      if (http === "GET") {
        events(response);
        tell = (said) => event(response, said);
      } else if (method === "initialize") {
        const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } };
        const result = {
          protocolVersion: "2025-11-25",
          capabilities,
          serverInfo: { name: "s", version: "1" },
        };
        json(response, { jsonrpc: "2.0", id, result }, 200, { "mcp-session-id": "s" });
      } else if (method === "server/discover")
        json(response, { jsonrpc: "2.0", id, error: { code: -32601, message: "" } }, 400);
      else if (id === undefined) response.writeHead(202).end();
      else {
        if (method === "resources/subscribe") subscribed.push(inside(message, "params", "uri"));
        json(response, {
          jsonrpc: "2.0",
          id,
          result: { tools: [], resources: [], resourceTemplates: [] },
        });
      }
    });
    onTestFinished(() => peer.close());
    const { url } = await start({ servers: [remote("up", peer.url)] });
    await toolNames(`${url}/mcp`);
    const uri = "signalbox://up/file:///a";
    const open = await listen(`${url}/mcp`, {
      toolsListChanged: true,
      resourceSubscriptions: [uri],
    });
    await until("the subscription", () => subscribed.length === 1);
    expect(subscribed).toEqual(["file:///a"]);
    await open.until(({ messages }) => messages.length > 0);
    tell({
      jsonrpc: "2.0",
      method: "notifications/resources/updated",
      params: { uri: "file:///a" },
    });
    tell({
      jsonrpc: "2.0",
      method: "notifications/resources/updated",
      params: { uri: "file:///b" },
    });
    const updated = "notifications/resources/updated";
    await open.until(({ messages }) => each(messages, "method").includes(updated));
    const seen = open.messages.length;
    tell({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
    await open.until(({ messages }) => messages.length > seen);
    const updates = open.messages.filter(({ method }) => method === updated);
    expect(each(updates, "params")).toMatchObject([{ uri }]);
  });
});

test("a session hears of a resource under the name by which it subscribed", async () => {
  const watched = new Map<string, (message: unknown) => void>();
  const peer = await fakeHttpServer(({ message }, response) => {
    const { id, method } = message;
    if (method === "subscriptions/listen") {
      events(response);
      const uris = inside(message, "params", "notifications", "resourceSubscriptions");
      const _meta = { [META.subscriptionId]: id };
      const tell = (said: string, params: JsonObject): void =>
        event(response, { jsonrpc: "2.0", method: said, params: { ...params, _meta } });
      tell("notifications/subscriptions/acknowledged", { notifications: {} });
      if (!Array.isArray(uris)) return;
      for (const uri of uris) {
        watched.set(String(uri), () => tell("notifications/resources/updated", { uri }));
      }
      return;
    }
    const result = {
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, resources: { subscribe: true, listChanged: true } },
      tools: [],
      resources: [
        { uri: "file:///a", name: "a" },
        { uri: "file:///b", name: "b" },
      ],
      resourceTemplates: [],
    };
    json(response, { jsonrpc: "2.0", id, result });
  });
  onTestFinished(() => peer.close());
  const { url } = await start({ servers: [remote("up", peer.url, { protocol_era: "modern" })] });
  const client = await LegacyClient.open(`${url}/mcp`);
  const stream = await client.stream();
  for (const uri of ["file:///a", "signalbox://up/file:///b"]) {
    expect((await (await client.request("resources/subscribe", { uri })).whole()).result).toEqual(
      {},
    );
  }
  await until("the server knows", () => watched.size === 2);
  for (const tell of watched.values()) tell({});
  const updates = (): unknown[] =>
    each(
      stream.messages.filter(({ method }) => method === "notifications/resources/updated"),
      "params",
    );
  await stream.until(() => updates().length === 2);
  expect(each(updates(), "uri")).toEqual(["file:///a", "signalbox://up/file:///b"]);
  await (
    await client.request("resources/unsubscribe", { uri: "signalbox://up/file:///a" })
  ).whole();
  watched.get("file:///a")?.({});
  watched.get("file:///b")?.({});
  await stream.until(() => updates().length === 3);
  expect(each(updates(), "uri").at(-1)).toBe("signalbox://up/file:///b");
});

test("a server that was missing and comes back is told to those who listen", async () => {
  let down = true;
  const peer = await fakeHttpServer(({ message }, response) => {
    const { id, method } = message;
    const result = {
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {} },
      tools: [{ name: "t", inputSchema: { type: "object" } }],
    };
    if (method === "tools/list" && down)
      json(response, { jsonrpc: "2.0", id, error: { code: -32603, message: "down" } });
    else json(response, { jsonrpc: "2.0", id, result });
  });
  onTestFinished(() => peer.close());
  const { url, apply } = await start();
  const open = await listen(`${url}/mcp`, { toolsListChanged: true });
  await apply({ servers: [remote("up", peer.url)] });
  await open.until(({ messages }) => messages.length >= 2);
  expect(await toolNames(`${url}/mcp`)).toEqual([]);
  down = false;
  while (open.messages.length === 2) {
    await toolNames(`${url}/mcp`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(open.messages[2]).toHaveProperty("method", "notifications/tools/list_changed");
  expect(await toolNames(`${url}/mcp`)).toEqual(["up__t"]);
});

describe("the end", () => {
  test("waits for calls in flight, refuses new ones, and ends listens with their result", async () => {
    const slow = held();
    const { url, gateway } = await start({ servers: [builtin(slow.service)] });
    const open = await listen(`${url}/mcp`, {}, { id: "l" });
    const going = modern(`${url}/mcp`, "tools/call", { name: "one__slow" });
    await until("the call", () => slow.state.started === 1);
    let drained = false;
    const drain = gateway.drain(AbortSignal.timeout(10_000)).then(() => {
      drained = true;
      return undefined;
    });
    expect((await open.whole()).response).toHaveProperty("id", "l");
    const refused = await (await modern(`${url}/mcp`, "tools/list")).whole();
    expect(refused.status).toBe(503);
    expect(refused.error["data"]).toMatchObject({ code: "SHUTTING_DOWN" });
    expect(drained).toBe(false);
    slow.finish();
    expect((await (await going).whole()).result).toHaveProperty("content");
    await drain;
    await gateway.close();
  });

  test("still takes the answers that calls in flight wait for", async () => {
    const peer = await fakeHttpServer(({ method: http, message }, response) => {
      const { id, method } = message;
      const serverInfo = { name: "s", version: "1" };
      if (http === "GET") response.writeHead(405).end();
      else if (method === "initialize") {
        const result = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
        json(response, { jsonrpc: "2.0", id, result });
      } else if (method === "tools/list") {
        const tools = [{ name: "t", inputSchema: { type: "object" } }];
        json(response, { jsonrpc: "2.0", id, result: { tools } });
      } else if (method === "tools/call") {
        events(response);
        event(response, { jsonrpc: "2.0", id: "q", method: "elicitation/create", params: {} });
        finish = () => {
          event(response, { jsonrpc: "2.0", id, result: { content: [] } });
          response.end();
        };
      } else {
        response.writeHead(202).end();
        if (id === "q") finish();
      }
    });
    let finish = (): void => {};
    onTestFinished(() => peer.close());
    const { url, gateway } = await start({
      servers: [remote("up", peer.url, { protocol_era: "legacy" })],
    });
    const client = await LegacyClient.open(`${url}/mcp`, { capabilities: { elicitation: {} } });
    const going = await client.request("tools/call", { name: "up__t" }, 5);
    await going.until(({ messages }) => messages.length > 0);
    const drain = gateway.drain(AbortSignal.timeout(10_000));
    expect((await client.request("ping")).status).toBe(503);
    const id = String(going.messages[0]?.["id"]);
    const answered = await client.post({ jsonrpc: "2.0", id, result: { action: "decline" } });
    expect(answered.status).toBe(202);
    expect((await going.whole()).response).toMatchObject({ id: 5, result: { content: [] } });
    await drain;
  });

  test("does not wait longer than it is given", async () => {
    const slow = held();
    const { url, gateway } = await start({ servers: [builtin(slow.service)] });
    const going = modern(`${url}/mcp`, "tools/call", { name: "one__slow" });
    await until("the call", () => slow.state.started === 1);
    await gateway.drain(AbortSignal.timeout(50));
    await gateway.close();
    const answer = await (await going).whole();
    expect(answer.error["data"]).toMatchObject({ code: "SERVER_CLOSED" });
  });

  test("leaves nothing behind: sessions, streams and calls are over", async () => {
    const { url, gateway } = await start({ servers: [one] });
    const client = await LegacyClient.open(`${url}/mcp`);
    const stream = await client.stream();
    await gateway.close();
    expect((await stream.whole()).ended).toBe(true);
    await gateway.close();
  });
});

test("a server is tried without being configured", async () => {
  const { gateway } = await start();
  const report = await gateway.testServer(
    builtin(serviceOf("x", "a", "b")),
    AbortSignal.timeout(5_000),
  );
  expect(report).toMatchObject({ ok: true, era: "modern", tools: 2, prompts: 0, resources: 0 });
  const nobody = await fakeHttpServer(() => {});
  await nobody.close();
  const failed = await gateway.testServer(remote("x", nobody.url), AbortSignal.timeout(5_000));
  expect(failed).toMatchObject({ ok: false, error: { code: "SERVER_UNREACHABLE" } });
  expect(failed.error?.message.match(/ECONNREFUSED/g)).toHaveLength(1);
});

test("the catalog tells whose each thing is, to those who may see it", async () => {
  const bundles = [bundle("some", { include: ["one__*"] })];
  const { gateway } = await start({ servers: [one, two], bundles });
  const ann = principalNamed("a", { bundles: ["some"] });
  expect(await gateway.catalog(ann)).toBeUndefined();
  expect(await gateway.catalog(ann, "none")).toBeUndefined();
  const seen = await gateway.catalog(ann, "some");
  expect(seen?.tools).toMatchObject([{ name: "one__a", server: "one", original: "a" }]);
  expect(seen?.missing).toEqual([]);
  expect(gateway.serverStatus()).toMatchObject([{ name: "one", tools: 1 }, { name: "two" }]);
  expect([gateway.stderr("one"), gateway.stderr("none")]).toEqual([[], undefined]);
});

test("a tool that throws, and one that is given what it does not take, fail by themselves", async () => {
  const tool = defineTool({
    name: "t",
    description: "T.",
    input: z.object({ n: z.number() }),
    handler: ({ n }) => {
      if (n === 0) throw new Error("secret");
      return text("ok");
    },
  });
  const running = await start({ servers: [builtin(serviceOf("one", tool))] });
  const call = async (args: JsonObject): Promise<JsonObject> =>
    (
      await (
        await modern(`${running.url}/mcp`, "tools/call", { name: "one__t", arguments: args })
      ).whole()
    ).result;
  expect(await call({ n: 1 })).not.toHaveProperty("isError");
  expect(await call({ n: "x" })).toHaveProperty("isError", true);
  expect(JSON.stringify(await call({ n: 0 }))).not.toContain("secret");
  expect(running.calls.map(({ outcome }) => outcome)).toEqual(["ok", "tool_error", "tool_error"]);
});
