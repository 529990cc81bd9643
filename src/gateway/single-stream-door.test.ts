import { describe, expect, test } from "vitest";
import { hashKey } from "../access/index.ts";
import { manualClock } from "../foundation/index.ts";
import type { JsonObject } from "../protocol/index.ts";
import {
  builtin,
  each,
  keyRecord,
  sendRequest,
  serviceOf,
  start,
  type Answer,
} from "./running-gateway.ts";

interface Client {
  readonly stream: Answer;
  /** Posts a message; its status. */
  post(message: unknown, key?: string): Promise<number>;
  /** The answer to the request of that id, once it has come on the stream. */
  answer(id: string | number): Promise<JsonObject>;
}

async function open(url: string, key = ""): Promise<Client> {
  const keyed = (one: string): Record<string, string> => (one === "" ? {} : { "x-api-key": one });
  const stream = await sendRequest(`${url}/sse`, { method: "GET", headers: keyed(key) });
  await stream.until(({ events }) => events.length > 0);
  const endpoint = stream.events[0]?.data ?? "";
  return {
    stream,
    async post(message, by = key) {
      const headers = { "content-type": "application/json", ...keyed(by) };
      const body = JSON.stringify(message);
      return (await (await sendRequest(url + endpoint, { headers, body })).whole()).status;
    },
    async answer(id) {
      await stream.until(({ messages }) => messages.some((message) => message["id"] === id));
      return stream.messages.find((message) => message["id"] === id) ?? {};
    },
  };
}

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: {
    protocolVersion: "2024-11-05",
    capabilities: {},
    clientInfo: { name: "old", version: "1" },
  },
};

describe("a client of 2024-11-05", () => {
  test("posts where its stream says, and hears everything on the stream", async () => {
    const { url } = await start({ servers: [builtin(serviceOf("one", "a"))] });
    const client = await open(url);
    expect(client.stream.events[0]).toMatchObject({
      event: "endpoint",
      data: expect.stringMatching(/^\/messages\?sessionId=[\w-]{32}$/),
    });
    expect(await client.post(initialize)).toBe(202);
    expect(await client.answer(0)).toMatchObject({ result: { protocolVersion: "2024-11-05" } });
    expect(await client.post({ jsonrpc: "2.0", method: "notifications/initialized" })).toBe(202);
    expect(await client.post({ jsonrpc: "2.0", id: "l", method: "tools/list" })).toBe(202);
    expect(await client.answer("l")).toMatchObject({ result: { tools: [{ name: "one__a" }] } });
    await client.post({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "one__a" } });
    expect(await client.answer(2)).toMatchObject({ result: { content: [{ text: "one a" }] } });
    await client.post({ jsonrpc: "2.0", id: 3, method: "none" });
    expect(await client.answer(3)).toMatchObject({ error: { code: -32601 } });
    expect(new Set(each(client.stream.events.slice(1), "event"))).toEqual(new Set(["message"]));
  });

  test("begins with initialize and sends one message at a time", async () => {
    const { url } = await start();
    const client = await open(url);
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    expect(await client.post(ping)).toBe(400);
    expect(await client.post([ping])).toBe(400);
    expect(await client.post({ id: 1 })).toBe(400);
    expect(await client.post(initialize)).toBe(202);
    expect(await client.post(ping)).toBe(202);
    expect(await client.answer(1)).toMatchObject({ result: {} });
  });

  test("is served by what is configured when it begins, not when it connected", async () => {
    const { url, apply } = await start();
    const client = await open(url);
    await apply({ servers: [builtin(serviceOf("one", "a"))] });
    await client.post(initialize);
    await client.post({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    expect(await client.answer(1)).toMatchObject({ result: { tools: [{ name: "one__a" }] } });
  });

  test("hears of changes to what is offered", async () => {
    const { url, apply } = await start();
    const client = await open(url);
    await client.post(initialize);
    await client.answer(0);
    await apply({ servers: [builtin(serviceOf("one", "a"))] });
    await client.stream.until(({ text }) => text.includes("notifications/tools/list_changed"));
    expect(client.stream.closed).toBe(false);
  });

  test("is the only one that may post to its stream, and only while it is open", async () => {
    const keys = ["ann", "bob"].map((key) => keyRecord(key, hashKey(key)));
    const { url } = await start({ keys }, { authRequired: true });
    const client = await open(url, "ann");
    expect(await client.post(initialize, "bob")).toBe(404);
    expect(await client.post(initialize, "eve")).toBe(401);
    expect(await client.post(initialize)).toBe(202);
    client.stream.leave();
    await client.stream.whole();
    while ((await client.post(initialize)) !== 404);
  });

  test("is let go when its key is revoked", async () => {
    const key = keyRecord("ann", hashKey("ann"));
    const { url, apply } = await start({ keys: [key] }, { authRequired: true });
    const client = await open(url, "ann");
    await client.post(initialize);
    await client.answer(0);
    await apply({ keys: [{ ...key, revokedAt: 1 }] });
    expect((await client.stream.whole()).ended).toBe(true);
    expect(await client.post(initialize)).toBe(401);
  });

  test("is let go when its key is revoked before it began", async () => {
    const key = keyRecord("ann", hashKey("ann"));
    const { url, apply } = await start({ keys: [key] }, { authRequired: true });
    const client = await open(url, "ann");
    await apply({ keys: [{ ...key, revokedAt: 1 }] });
    expect((await client.stream.whole()).ended).toBe(true);
  });

  test("is let go when it does not begin in time", async () => {
    const clock = manualClock();
    const { url } = await start({}, { clock });
    const [idle, begun] = [await open(url), await open(url)];
    await begun.post(initialize);
    clock.advance(31_000);
    expect((await idle.stream.whole()).ended).toBe(true);
    await begun.post({ jsonrpc: "2.0", id: 1, method: "ping" });
    expect(await begun.answer(1)).toMatchObject({ result: {} });
  });

  test("may initialize again on the same stream", async () => {
    const { url } = await start();
    const client = await open(url);
    await client.post(initialize);
    await client.answer(0);
    await client.post({ ...initialize, id: "again" });
    expect(await client.answer("again")).toMatchObject({ result: {} });
    await client.post({ jsonrpc: "2.0", id: 5, method: "ping" });
    expect(await client.answer(5)).toMatchObject({ result: {} });
    expect(client.stream.closed).toBe(false);
  });
});

test("the two paths are for what they are for", async () => {
  const { url } = await start();
  for (const [path, method, allow] of [
    ["/sse", "POST", "GET"],
    ["/messages", "GET", "POST"],
  ]) {
    const answer = await (await sendRequest(`${url}${path}`, { method: String(method) })).whole();
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  }
  const headers = { "content-type": "application/json" };
  const nobody = await sendRequest(`${url}/messages?sessionId=none`, {
    headers,
    body: JSON.stringify(initialize),
  });
  expect(nobody.status).toBe(404);
});
