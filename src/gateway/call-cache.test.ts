import { expect, onTestFinished, test } from "vitest";
import { isJsonObject, type JsonObject } from "../protocol/index.ts";
import {
  discovery,
  fakeHttpServer,
  json,
  type FakeHttpServer,
} from "../upstream/transports/fake-http-server.ts";
import { serverCacheOptions } from "../upstream/index.ts";
import {
  inside,
  modern,
  remote,
  runGateway,
  type Answer,
  type RunningGateway,
} from "./running-gateway.ts";

interface Shop {
  readonly running: RunningGateway;
  readonly peer: FakeHttpServer;
  /** Calls that reached the server. */
  readonly reached: () => number;
  readonly call: (name: string, args?: JsonObject) => Promise<Answer>;
}

type Answering = (args: JsonObject, call: number) => JsonObject | undefined | Promise<JsonObject>;

const numberedResult = (call: number): JsonObject => ({
  content: [{ type: "text", text: `answer ${call}` }],
});

const annotated = (name: string, annotations: JsonObject): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  annotations,
});

/** A server with a tool that reads and one that writes, behind a gateway; `answer` undefined is HTTP 500. */
async function shop(answer: Answering, own: object = {}, cache: object = {}): Promise<Shop> {
  let calls = 0;
  const peer = await fakeHttpServer(async (request, response) => {
    if (discovery(request, response, { tools: {} })) return;
    const { id, method } = request.message;
    if (method === "tools/list") {
      const tools = [annotated("look", { readOnlyHint: true }), annotated("change", {})];
      json(response, { jsonrpc: "2.0", id, result: { resultType: "complete", tools } });
      return;
    }
    calls++;
    const args = inside(request.message, "params", "arguments");
    const result = await answer(isJsonObject(args) ? args : {}, calls);
    if (result === undefined) response.writeHead(500).end();
    else json(response, { jsonrpc: "2.0", id, result: { resultType: "complete", ...result } });
  });
  onTestFinished(() => peer.close());
  const options = {
    cache: serverCacheOptions.parse(own),
    retry_policy: { max_attempts: 1 },
  };
  const running = await runGateway({ servers: [remote("shop", peer.url, options)] }, { cache });
  onTestFinished(() => running.close());
  return {
    running,
    peer,
    reached: () => calls,
    call: async (name, args = {}) =>
      await (
        await modern(`${running.url}/mcp`, "tools/call", { name: `shop__${name}`, arguments: args })
      ).whole(),
  };
}

const numbered: Answering = (_, call) => numberedResult(call);
const textOf = ({ result }: Answer): unknown => inside(result, "content", 0, "text");

test("an answer that the operator lets be kept is given again to the same question, and to no other", async () => {
  const { call, reached } = await shop(numbered, { tools: { look: { ttl: 60_000 } } });
  expect(textOf(await call("look", { a: 1, b: 2 }))).toBe("answer 1");
  expect(textOf(await call("look", { b: 2, a: 1 }))).toBe("answer 1");
  expect(textOf(await call("look", { a: 2 }))).toBe("answer 2");
  expect(reached()).toBe(2);
});

test("an answer whose server says how long it is good for is given again, with the time that is left", async () => {
  const { call, reached } = await shop((_, count) => ({
    ...numberedResult(count),
    ttlMs: 60_000,
    cacheScope: "private",
  }));
  // The first answer tells that there is something to keep.
  await call("look");
  expect(textOf(await call("look"))).toBe("answer 2");
  const again = await call("look");
  expect(textOf(again)).toBe("answer 2");
  expect(again.result["ttlMs"]).toBeLessThanOrEqual(60_000);
  expect(reached()).toBe(2);
});

test("nothing is kept of tools that nobody named, or that change something", async () => {
  const { call, reached } = await shop(numbered);
  for (let count = 0; count < 3; count++) await call("look");
  for (let count = 0; count < 3; count++) await call("change");
  expect(reached()).toBe(6);
});

test("a call that may have changed something clears what was kept, before its own answer is there", async () => {
  const { call } = await shop(numbered, { tools: { look: { ttl: 60_000 } } });
  expect(textOf(await call("look"))).toBe("answer 1");
  await call("change");
  expect(textOf(await call("look"))).toBe("answer 3");
});

test("equal calls at the same time are one call to the server", async () => {
  const held = Promise.withResolvers<JsonObject>();
  const { call, reached } = await shop(() => held.promise, { tools: { look: { ttl: 60_000 } } });
  const calls = [call("look"), call("look"), call("look")];
  await expect.poll(reached).toBe(1);
  held.resolve({ content: [{ type: "text", text: "one for all" }] });
  for (const answer of await Promise.all(calls)) expect(textOf(answer)).toBe("one for all");
  expect(reached()).toBe(1);
});

test("an old answer is given while a newer one is fetched", async () => {
  const { call, reached } = await shop(numbered, { tools: { look: { ttl: 1 } } });
  expect(textOf(await call("look"))).toBe("answer 1");
  await expect.poll(async () => textOf(await call("look"))).not.toBe("answer 1");
  expect(reached()).toBeGreaterThan(1);
});

test("an old answer stands in where the server fails", async () => {
  const { call, reached } = await shop(
    (_, count) => (count === 1 ? numberedResult(count) : undefined),
    { tools: { look: { ttl: 1 } } },
    { stale_while_revalidate: 0 },
  );
  expect(textOf(await call("look"))).toBe("answer 1");
  await expect
    .poll(async () => {
      expect(textOf(await call("look"))).toBe("answer 1");
      return reached();
    })
    .toBeGreaterThan(1);
});

test("the failure of the one call is the failure of all that waited for it", async () => {
  const { call, reached } = await shop(() => undefined, { tools: { look: { ttl: 60_000 } } });
  const answers = await Promise.all([call("look"), call("look")]);
  for (const answer of answers) expect(answer.error["data"]).toMatchObject({ server: "shop" });
  expect(reached()).toBeLessThanOrEqual(2);
});

test("a tool's own error is told to all who waited, and kept for nobody", async () => {
  const { call, reached } = await shop(
    (_, count) => ({ ...numberedResult(count), isError: true }),
    { tools: { look: { ttl: 60_000 } } },
  );
  expect((await call("look")).result["isError"]).toBe(true);
  expect((await call("look")).result["isError"]).toBe(true);
  expect(reached()).toBe(2);
});
