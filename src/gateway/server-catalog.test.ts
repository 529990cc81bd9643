import { describe, expect, onTestFinished, test } from "vitest";
import { Metrics, manualClock, silentLog, systemClock, type Log } from "../foundation/index.ts";
import { isJsonObject, type JsonObject } from "../protocol/index.ts";
import { UpstreamServer, type LaneKey, type ServerOptions } from "../upstream/index.ts";
import { discovery, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import { limitOptions } from "./options.ts";
import type { PinGuard } from "./pins.ts";
import { until } from "./running-gateway.ts";
import { ServerCatalog, type Listing } from "./server-catalog.ts";

type Answer = JsonObject | "refuse" | "never" | Promise<JsonObject>;

/** A server whose lists are what `answer` says at the time, and its catalog on a clock that stands still. */
async function catalogOf(
  answer: (cursor: unknown, count: number) => Answer,
  limits: object = {},
  capabilities: JsonObject = { tools: {} },
  options: ServerOptions = {},
  log: Log = silentLog,
  pins?: PinGuard,
) {
  const asked: string[] = [];
  const peer = await fakeHttpServer(async (request, response) => {
    if (discovery(request, response, capabilities)) return;
    const { id, method, params } = request.message;
    asked.push(String(method));
    const cursor = isJsonObject(params) ? params["cursor"] : undefined;
    const result = answer(cursor, asked.length);
    if (result === "never") return;
    if (result === "refuse") {
      json(response, { jsonrpc: "2.0", id, error: { code: -32603, message: "no" } });
    } else json(response, { jsonrpc: "2.0", id, result: await result });
  });
  const server = new UpstreamServer(
    {
      name: "peer",
      options: { url: peer.url, protocol_era: "modern", ...options },
      origin: "config",
    },
    { log: silentLog, clock: systemClock, metrics: new Metrics(), options: { clientInfo: {} } },
  );
  onTestFinished(() => peer.close());
  onTestFinished(() => server.close());
  const clock = manualClock();
  const changes: [string, boolean][] = [];
  const catalog = new ServerCatalog(server, {
    clock,
    log,
    limits: limitOptions.parse({ list_timeout: 5_000, ...limits }),
    envelope: { clientInfo: {}, capabilities: {} },
    changed: (kind, news) => changes.push([kind, news]),
    pins,
  });
  return { catalog, clock, changes, asked, tools: catalog.listing("tools") };
}

const tool = (name: string): JsonObject => ({ name, inputSchema: { type: "object" } });
const list = (...tools: string[]): JsonObject => ({
  resultType: "complete",
  tools: tools.map(tool),
});

function names(listing: Listing): unknown[] {
  return listing.view().items.map((item) => item["name"]);
}

describe("a listing", () => {
  test("that fails because the gateway closed the server is no warning", async () => {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) };
    const { catalog, tools } = await catalogOf(() => "never", {}, undefined, {}, log);
    const settled = tools.settle();
    catalog.stop();
    await catalog.server.close();
    await settled;
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_CLOSED" });
    expect(warnings).toEqual([]);
  });

  test("that is looked at again tells of it only where other items are served than before", async () => {
    let isHeld = true;
    const pins: PinGuard = {
      examine: async () => await Promise.resolve(),
      admit: ({ items }) =>
        isHeld
          ? { served: [], held: [{ name: "a", reason: "it waits.", since: 0 }] }
          : { served: items, held: [] },
      gone: () => undefined,
    };
    const more = [{}, undefined, {}, undefined, pins] as const;
    const { catalog, tools, changes } = await catalogOf(() => list("a"), ...more);
    await tools.settle();
    changes.length = 0;
    catalog.reconsider(false);
    expect([names(tools), changes]).toEqual([[], []]);
    isHeld = false;
    catalog.reconsider(false);
    expect([names(tools), changes]).toEqual([["a"], [["tools", true]]]);
  });

  test("is waited for by its first reader, and then is there at once", async () => {
    const { tools, asked, changes } = await catalogOf(() => list("a", "b"));
    expect(names(tools)).toEqual([]);
    await tools.settle();
    expect(names(tools)).toEqual(["a", "b"]);
    expect(tools.settle()).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(changes).toEqual([["tools", false]]);
    expect(tools.view()).toMatchObject({
      missing: undefined,
      ttlMs: undefined,
      cacheScope: "private",
    });
  });

  test("is fetched once however many wait for it", async () => {
    const { tools, asked } = await catalogOf(() => list("a"));
    await Promise.all([tools.settle(), tools.settle(), tools.settle()]);
    expect(asked).toHaveLength(1);
  });

  test("of several pages is one, also where a cursor is empty", async () => {
    const { tools, asked } = await catalogOf((cursor) => {
      if (cursor === undefined)
        return { ...list("a"), nextCursor: "", ttlMs: 500, cacheScope: "public" };
      return cursor === "" ? { ...list("b"), nextCursor: "z", ttlMs: 100 } : list("c");
    });
    await tools.settle();
    expect(names(tools)).toEqual(["a", "b", "c"]);
    expect(asked).toHaveLength(3);
    expect(tools.view()).toMatchObject({ ttlMs: 100, cacheScope: "public" });
  });

  test("is empty without asking where the server does not offer the kind, or does not know it", async () => {
    const { catalog, asked } = await catalogOf(() => list("a"));
    const prompts = catalog.listing("prompts");
    await prompts.settle();
    expect([prompts.view().items, prompts.view().missing, asked]).toEqual([[], undefined, []]);
  });

  test("is fetched again after the time its server gave, else after the configured age", async () => {
    let ttlMs: number | undefined = 1_000;
    const { tools, asked, clock } = await catalogOf(
      (_cursor, count) => ({ ...list(`n${count}`), ...(ttlMs === undefined ? {} : { ttlMs }) }),
      { list_age_max: 60_000 },
    );
    await tools.settle();
    clock.advance(999);
    expect(tools.settle()).toBeUndefined();
    clock.advance(1);
    ttlMs = undefined;
    await tools.settle();
    expect([names(tools), asked.length]).toEqual([["n2"], 2]);
    clock.advance(59_999);
    expect(tools.settle()).toBeUndefined();
    clock.advance(1);
    await tools.settle();
    expect([names(tools), asked.length]).toEqual([["n3"], 3]);
  });

  test("that comes out different without a notice of the server is news", async () => {
    const { tools, clock, changes } = await catalogOf((_cursor, count) => list(`n${count}`));
    await tools.settle();
    clock.advance(10 * 60_000);
    await tools.settle();
    tools.invalidate();
    await tools.settle();
    expect(changes).toEqual([
      ["tools", false],
      ["tools", true],
      ["tools", false],
    ]);
  });

  test("is fetched at once when the server says that it changed", async () => {
    const { catalog, tools, asked } = await catalogOf((_cursor, count) => list(`n${count}`));
    await tools.settle();
    catalog.invalidate("prompts");
    expect(tools.settle()).toBeUndefined();
    catalog.invalidate("tools");
    await tools.settle();
    expect([names(tools), asked.length]).toEqual([["n2"], 2]);
  });

  test("that changes while it is fetched is fetched once more before a reader has it", async () => {
    const first = Promise.withResolvers<JsonObject>();
    const { tools, asked } = await catalogOf((_cursor, count) =>
      count === 1 ? first.promise : list("new"),
    );
    const reader = tools.settle();
    await until("the first fetch", () => asked.length === 1);
    tools.invalidate();
    first.resolve(list("old"));
    await reader;
    expect([names(tools), asked.length]).toEqual([["new"], 2]);
    expect(tools.settle()).toBeUndefined();
  });

  test("of a server that changes at every look is not looked at for ever", async () => {
    const held: { tools?: Listing } = {};
    const { tools, asked } = await catalogOf((_cursor, count) => {
      held.tools?.invalidate();
      return list(`n${count}`);
    });
    held.tools = tools;
    await tools.settle();
    expect(asked.length).toBeLessThanOrEqual(3);
    expect(tools.view().missing).toBeUndefined();
  });

  test("has a bound, also in its last page", async () => {
    const { tools } = await catalogOf(() => list("a", "b", "c"), { list_items_max: 2 });
    await tools.settle();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_TOO_LARGE" });
    expect(names(tools)).toEqual([]);
  });

  test("whose server never stops listing is given up", async () => {
    const { tools } = await catalogOf(() => ({ ...list("a"), nextCursor: "again" }), {
      list_items_max: 20,
    });
    await tools.settle();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_TOO_LARGE" });
  });
});

describe("a server that fails", () => {
  test("is named with the reason and since when, and left in peace for a while", async () => {
    const { tools, clock, asked } = await catalogOf(() => "refuse");
    await tools.settle();
    const since = new Date(clock.now()).toISOString();
    expect(tools.view().missing).toEqual({
      server: "peer",
      reason: "SERVER_REFUSED",
      message: 'Server "peer" refused tools/list: no (-32603).',
      since,
      stale: false,
    });
    clock.advance(1_999);
    expect(tools.settle()).toBeUndefined();
    expect(asked).toHaveLength(1);
    clock.advance(1);
    expect(tools.settle()).toBeUndefined();
    await until("another fetch", () => asked.length === 2);
    await until("its failure", () => {
      clock.advance(2_000);
      tools.refreshIfDue();
      return asked.length > 2;
    });
    expect(tools.view().missing).toMatchObject({ since });
  });

  test("serves its last good list, named as old", async () => {
    let down = false;
    const { tools, clock, changes } = await catalogOf(() => (down ? "refuse" : list("a")));
    await tools.settle();
    down = true;
    clock.advance(10 * 60_000);
    await tools.settle();
    expect(names(tools)).toEqual(["a"]);
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_REFUSED", stale: true });
    down = false;
    clock.advance(2_000);
    tools.refreshIfDue();
    await until("the server is back", () => tools.view().missing === undefined);
    expect(changes.map(([, news]) => news)).toEqual([false, false, false]);
  });

  test("is fetched without a pause when it says that it is back, and what is new is told", async () => {
    let down = true;
    const { tools, changes } = await catalogOf(() => (down ? "refuse" : list("a")));
    await tools.settle();
    expect(tools.view().missing).toBeDefined();
    down = false;
    tools.invalidate();
    await until("the server is back", () => tools.view().missing === undefined);
    expect(names(tools)).toEqual(["a"]);
    expect(changes.at(-1)).toEqual(["tools", true]);
  });

  test("with a list that is none is garbage", async () => {
    const { tools } = await catalogOf(() => ({ resultType: "complete", tools: "none" }));
    await tools.settle();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_GARBAGE" });
  });

  test("with items that are none has only the others", async () => {
    const { tools } = await catalogOf(() => ({ tools: [7, null, tool("a"), []] }));
    await tools.settle();
    expect(names(tools)).toEqual(["a"]);
  });
});

describe("a slow server", () => {
  test("is waited for once, as long as a list may take, and then served as it is", async () => {
    const late = Promise.withResolvers<JsonObject>();
    const { tools, clock, asked } = await catalogOf(() => late.promise, { list_timeout: 30 });
    await tools.settle();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_TIMEOUT", stale: false });
    expect(tools.settle()).toBeUndefined();
    clock.advance(60_000);
    expect(tools.settle()).toBeUndefined();
    await until("the fetch", () => asked.length > 0);
    expect(asked).toHaveLength(1);
    late.resolve(list("a"));
    await until("the list", () => tools.view().missing === undefined);
    expect(names(tools)).toEqual(["a"]);
  });

  test("that has had its time already holds no later reader up", async () => {
    const { tools, clock, asked } = await catalogOf(() => "never");
    const first = tools.settle();
    await until("the fetch", () => asked.length === 1);
    clock.advance(5_000);
    expect(tools.settle()).toBeUndefined();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_TIMEOUT" });
    expect(first).toBeInstanceOf(Promise);
  });

  test("has the time its own configuration gives it", async () => {
    const { tools, clock } = await catalogOf(
      () => "never",
      {},
      { tools: {} },
      { list_timeout: 100 },
    );
    void tools.settle();
    clock.advance(100);
    expect(tools.settle()).toBeUndefined();
    expect(tools.view().missing).toMatchObject({ reason: "SERVER_TIMEOUT" });
  });
});

describe("audiences", () => {
  const key = (id: string): LaneKey => ({
    kind: "session",
    id,
    clientInfo: {},
    capabilities: {},
    listener: { notification() {}, request() {}, closed() {} },
  });

  test("have listings of their own, read on the newest reader's lane", async () => {
    const { catalog } = await catalogOf(() => list("a"));
    const [one, two] = [key("one"), key("two")];
    const listing = catalog.listing("tools", "legacy", one);
    expect(catalog.listing("tools", "legacy", two)).toBe(listing);
    expect(listing.key).toBe(two);
    expect(catalog.listing("tools")).not.toBe(listing);
  });

  test("are not fetched for when nobody reads: the lane's session may be over", async () => {
    const { catalog, tools, asked } = await catalogOf(() => list("a"));
    const listing = catalog.listing("tools", "legacy", key("one"));
    catalog.invalidate("tools");
    await tools.settle();
    expect([asked.length, names(tools), names(listing)]).toEqual([1, ["a"], []]);
    await listing.settle();
    expect(names(listing)).toEqual(["a"]);
  });

  test("are bounded in number, and the shared listings stay", async () => {
    const { catalog, tools } = await catalogOf(() => list("a"));
    const first = catalog.listing("tools", "audience 0", key("0"));
    for (let count = 1; count < 300; count++)
      catalog.listing("tools", `audience ${count}`, key("0"));
    expect(catalog.listing("tools", "audience 0", key("0"))).not.toBe(first);
    expect(catalog.listing("tools")).toBe(tools);
  });
});

test("the status tells how many tools there are, or why there are none", async () => {
  const good = await catalogOf(() => list("a", "b"));
  await good.tools.settle();
  expect(good.catalog.status()).toMatchObject({ name: "peer", state: "connected", tools: 2 });
  expect(good.catalog.status()).not.toHaveProperty("missing");
  const bad = await catalogOf(() => "refuse");
  await bad.tools.settle();
  expect(bad.catalog.status()).toMatchObject({ tools: 0, missing: { reason: "SERVER_REFUSED" } });
});
