import { describe, expect, onTestFinished, test } from "vitest";
import { Metrics, manualClock, silentLog, systemClock } from "../foundation/index.ts";
import { META, isJsonObject, type JsonObject } from "../protocol/index.ts";
import { UpstreamServer, type ServerOptions } from "../upstream/index.ts";
import { discovery, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import { CallMeters } from "./call-meters.ts";
import { bundleOptions, limitOptions } from "./options.ts";
import { bundle, each, inside, until } from "./running-gateway.ts";
import { ServerCatalog } from "./server-catalog.ts";
import { MODERN_AUDIENCE, View, matchesTemplate, refuseCollisions, type Audience } from "./view.ts";

const legacy: Audience = {
  era: "legacy",
  idFor: () => "",
  keyFor: () => ({ kind: "shared" }),
};

let epoch = 0;
const clock = manualClock();

/** What a server lists; a list that is absent fails. */
interface Lists {
  tools?: JsonObject[];
  prompts?: JsonObject[];
  resources?: JsonObject[];
  resourceTemplates?: JsonObject[];
  more?: JsonObject;
  /** Nothing is listed before. */
  after?: Promise<void>;
}

const MEMBERS: Record<string, keyof Omit<Lists, "more" | "after">> = {
  "tools/list": "tools",
  "prompts/list": "prompts",
  "resources/list": "resources",
  "resources/templates/list": "resourceTemplates",
};

async function catalog(
  name: string,
  lists: Lists,
  options: ServerOptions = {},
): Promise<ServerCatalog> {
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response, { tools: {}, prompts: {}, resources: {} })) return;
    const member = MEMBERS[String(request.message["method"])] ?? "tools";
    const { id } = request.message;
    const items = lists[member];
    if (lists.after !== undefined) void lists.after.then(answer);
    else answer();
    function answer(): void {
      if (items === undefined)
        json(response, { jsonrpc: "2.0", id, error: { code: -32603, message: "down" } });
      else
        json(response, {
          jsonrpc: "2.0",
          id,
          result: { resultType: "complete", [member]: items, ...lists.more },
        });
    }
  });
  const server = new UpstreamServer(
    { name, options: { url: peer.url, protocol_era: "modern", ...options }, origin: "config" },
    { log: silentLog, clock: systemClock, options: { clientInfo: {} } },
  );
  onTestFinished(() => peer.close());
  onTestFinished(() => server.close());
  return new ServerCatalog(server, {
    clock,
    log: silentLog,
    limits: limitOptions.parse({}),
    envelope: { clientInfo: {}, capabilities: {} },
    changed: () => epoch++,
  });
}

function viewOf(options: object | undefined, ...catalogs: ServerCatalog[]): View {
  const deps = {
    log: silentLog,
    meters: new CallMeters(new Metrics()),
    pageSize: 2,
    epoch: () => epoch,
  };
  return new View(options === undefined ? undefined : bundle("b", options), catalogs, deps);
}

async function page(
  view: View,
  kind: "tools" | "prompts" | "resources" | "templates" = "tools",
  audience: Audience = MODERN_AUDIENCE,
  cursor?: unknown,
): Promise<JsonObject> {
  const found = await view.page(kind, audience, cursor);
  const value: unknown = JSON.parse(found?.resultText ?? "null");
  return isJsonObject(value) ? value : { refused: true };
}

async function names(view: View): Promise<unknown[]> {
  return (await view.items("tools", MODERN_AUDIENCE)).routes.map(({ publicName }) => publicName);
}

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  inputSchema: { type: "object" },
  ...more,
});
const empty = { prompts: [], resources: [], resourceTemplates: [] };

describe("a page", () => {
  test("has its items, its age and its scope", async () => {
    const a = await catalog("a", {
      tools: [tool("x")],
      more: { ttlMs: 300_000, cacheScope: "public" },
    });
    const b = await catalog("b", {
      tools: [tool("y")],
      more: { ttlMs: 100_000, cacheScope: "public" },
    });
    const view = viewOf(undefined, a, b);
    const first = await page(view);
    expect(first).toMatchObject({ resultType: "complete", ttlMs: 100_000, cacheScope: "public" });
    clock.advance(40_000);
    expect(await page(view)).toEqual({ ...first, ttlMs: 60_000 });
    const c = await catalog("c", { tools: [tool("z")] });
    expect(await page(viewOf(undefined, a, c))).toMatchObject({ ttlMs: 0, cacheScope: "private" });
    expect(Object.keys(await page(viewOf(undefined, a), "tools", legacy))).toEqual(["tools"]);
  });

  test("follows another by a cursor, and no other cursor is one", async () => {
    const a = await catalog("a", { tools: ["1", "2", "3", "4", "5"].map((name) => tool(name)) });
    const view = viewOf(undefined, a);
    const seen: unknown[] = [];
    let cursor: unknown;
    do {
      const result = await page(view, "tools", MODERN_AUDIENCE, cursor);
      seen.push(...each(result["tools"], "name"));
      cursor = result["nextCursor"];
    } while (cursor !== undefined);
    expect(seen).toEqual(["a__1", "a__2", "a__3", "a__4", "a__5"]);
    const cursors = [
      "",
      "x",
      7,
      null,
      {},
      "page:2",
      ...[1, 3, 6, 99].map((n) => Buffer.from(`page:${n}`).toString("base64url")),
    ];
    for (const other of cursors) {
      expect(await view.page("tools", MODERN_AUDIENCE, other)).toBeUndefined();
    }
  });

  test("is made anew when a catalog changes", async () => {
    const lists: Lists = { tools: [tool("x")] };
    const a = await catalog("a", lists);
    const view = viewOf(undefined, a);
    expect(await view.page("tools", MODERN_AUDIENCE, undefined)).toBe(
      await view.page("tools", MODERN_AUDIENCE, undefined),
    );
    lists.tools = [tool("y")];
    a.invalidate("tools");
    expect(each((await page(view))["tools"], "name")).toEqual(["a__y"]);
  });

  test("is in the words of its client's era", async () => {
    const more = { execution: { taskSupport: "optional" }, outputSchema: { type: "array" } };
    const view = viewOf(undefined, await catalog("a", { tools: [tool("x", more)] }));
    expect(inside(await page(view), "tools", 0)).toEqual({
      ...tool("a__x"),
      outputSchema: { type: "array" },
    });
    expect(inside(await page(view, "tools", legacy), "tools", 0)).toMatchObject({
      execution: { taskSupport: "optional" },
      outputSchema: { type: "object", properties: { result: { type: "array" } } },
    });
  });

  test("names who is missing, in both eras, and is not to be kept", async () => {
    const a = await catalog("a", { tools: [tool("x")], more: { ttlMs: 300 } });
    const view = viewOf(undefined, a, await catalog("down", {}));
    for (const audience of [MODERN_AUDIENCE, legacy]) {
      const result = await page(view, "tools", audience);
      expect(each(result["tools"], "name")).toEqual(["a__x"]);
      expect(result["_meta"]).toMatchObject({
        "signalbox/missing": [
          {
            server: "down",
            reason: "SERVER_REFUSED",
            message: expect.stringContaining("down"),
            since: expect.stringMatching(/^20/),
          },
        ],
      });
    }
    expect(await page(view)).toMatchObject({ ttlMs: 0 });
  });

  test("says to a modern client who answers", async () => {
    const a = await catalog("a", { tools: [tool("x")] });
    const serverInfo = { name: "gateway", version: "1" };
    const view = new View(undefined, [a], {
      log: silentLog,
      meters: new CallMeters(new Metrics()),
      pageSize: 2,
      serverInfo,
      epoch: () => epoch,
    });
    expect((await page(view))["_meta"]).toEqual({ [META.serverInfo]: serverInfo });
    expect(await page(view, "tools", legacy)).not.toHaveProperty("_meta");
  });

  test("says which part is of an earlier time", async () => {
    const lists: Lists = { tools: [tool("x")] };
    const a = await catalog("a", lists);
    const view = viewOf(undefined, a);
    await page(view);
    delete lists.tools;
    a.invalidate("tools");
    const result = await page(view);
    expect(each(result["tools"], "name")).toEqual(["a__x"]);
    expect(inside(result, "_meta", "signalbox/missing", 0)).toMatchObject({ served: "last known" });
  });
});

describe("a bundle", () => {
  test("takes what its patterns include and none exclude", async () => {
    const a = await catalog("a", { tools: [tool("read"), tool("write"), tool("drop")] });
    const b = await catalog("b", { tools: [tool("read")] });
    expect(await names(viewOf({ include: ["a__*"], exclude: ["*drop"] }, a, b))).toEqual([
      "a__read",
      "a__write",
    ]);
    expect(await names(viewOf({ include: ["*__read"] }, a, b))).toEqual(["a__read", "b__read"]);
    const none = viewOf({ include: ["c__*"] }, a, b);
    expect([none.catalogs, await names(none)]).toEqual([[], []]);
    expect(viewOf({ include: ["a__read"] }, a, b).has("b")).toBe(false);
  });

  test("renames and describes tools anew, and only under the new name are they found", async () => {
    const a = await catalog(
      "a",
      { tools: [tool("x", { annotations: { title: "own", readOnlyHint: false }, future: 1 })] },
      { annotations: { x: { readOnlyHint: true, openWorldHint: true } } },
    );
    const tools = {
      a__x: { name: "lookup", title: "T", description: "D", annotations: { openWorldHint: false } },
    };
    const view = viewOf({ tools }, a);
    expect(inside(await page(view), "tools", 0)).toEqual({
      ...tool("lookup"),
      future: 1,
      title: "T",
      description: "D",
      annotations: { title: "own", readOnlyHint: true, openWorldHint: false },
    });
    expect(await view.resolve("tools", "lookup", MODERN_AUDIENCE)).toMatchObject({
      ok: true,
      route: { original: "x" },
    });
    expect(await view.resolve("tools", "a__x", MODERN_AUDIENCE)).toEqual({
      ok: false,
      reason: "unknown",
    });
  });

  test("leaves tools alone whose names are those of an object's own members", async () => {
    const plain = ["constructor", "__proto__", "toString"].map((name) => tool(name));
    const view = viewOf(
      undefined,
      await catalog("a", { tools: plain.slice(0, 2) }, { annotations: {} }),
    );
    expect((await page(view))["tools"]).toEqual([tool("a__constructor"), tool("a____proto__")]);
  });

  test("leaves out a tool whose schema mirrors its arguments wrongly", async () => {
    const bad = tool("bad", {
      inputSchema: { properties: { a: { type: "array", "x-mcp-header": "A" } } },
    });
    expect(await names(viewOf(undefined, await catalog("a", { tools: [bad, tool("x")] })))).toEqual(
      ["a__x"],
    );
  });

  test("has one of two things of one server that have one name", async () => {
    const view = viewOf(
      undefined,
      await catalog("a", { tools: [tool("x", { v: 1 }), tool("x", { v: 2 })] }),
    );
    expect((await page(view))["tools"]).toEqual([tool("a__x", { v: 1 })]);
  });
});

describe("bare names", () => {
  test("are the servers' own", async () => {
    const view = viewOf(
      { names: "bare" },
      await catalog("a", {
        ...empty,
        tools: [tool("x")],
        resources: [{ uri: "file:///a", name: "r" }],
      }),
    );
    expect(each((await page(view))["tools"], "name")).toEqual(["x"]);
    expect(each((await page(view, "resources"))["resources"], "uri")).toEqual(["file:///a"]);
    expect(await view.resolveUri("file:///unlisted", MODERN_AUDIENCE)).toMatchObject({
      ok: true,
      route: { original: "file:///unlisted" },
    });
  });

  test("that two servers have are refused with both owners, and served by neither", async () => {
    const a = await catalog("a", { ...empty, tools: [tool("x"), tool("y")] });
    const b = await catalog("b", { ...empty, tools: [tool("x"), tool("z")] });
    const view = viewOf({ names: "bare" }, a, b);
    await view.settle("prompts", MODERN_AUDIENCE);
    expect(await names(view)).toEqual(["y", "z"]);
    expect(await view.resolve("tools", "x", MODERN_AUDIENCE)).toEqual({
      ok: false,
      reason: "collision",
      owners: ["a", "b"],
    });
    expect(inside(await page(view), "_meta", "signalbox/missing")).toMatchObject([
      { server: "a", reason: "BUNDLE_COLLISION" },
      { server: "b", reason: "BUNDLE_COLLISION" },
    ]);
    const since = inside(await page(view), "_meta", "signalbox/missing", 0, "since");
    epoch++;
    await until("time has passed", () => new Date().toISOString() !== since);
    expect(inside(await page(view), "_meta", "signalbox/missing", 0, "since")).toBe(since);
    expect(() => refuseCollisions(view, MODERN_AUDIENCE)).toThrow('"x" is offered by "a" and "b"');
    expect(await view.resolve("tools", "none", MODERN_AUDIENCE)).toEqual({
      ok: false,
      reason: "unknown",
    });
  });

  test("do not collide once one is left out or renamed", async () => {
    const a = await catalog("a", { ...empty, tools: [tool("x")] });
    const b = await catalog("b", { ...empty, tools: [tool("x")] });
    for (const options of [{ exclude: ["b__x"] }, { tools: { b__x: { name: "x2" } } }]) {
      const view = viewOf({ names: "bare", ...options }, a, b);
      await page(view);
      await page(view, "prompts");
      expect(() => refuseCollisions(view, MODERN_AUDIENCE)).not.toThrow();
    }
  });

  test("also collide where a tool is renamed to another's name, prefixed or not", async () => {
    const a = await catalog("a", { ...empty, tools: [tool("x"), tool("y")] });
    const view = viewOf({ tools: { a__x: { name: "a__y" } } }, a);
    expect(await names(view)).toEqual([]);
    expect(() => refuseCollisions(view, MODERN_AUDIENCE)).toThrow('"a__y"');
    const same = { tools: { a__x: { name: "z" }, a__y: { name: "z" } } };
    expect(bundleOptions.safeParse(same).error?.message).toContain("the same name");
  });
});

describe("a name", () => {
  test("is found, unknown, or its server is away", async () => {
    const view = viewOf(
      undefined,
      await catalog("a", { tools: [tool("x")] }),
      await catalog("down", {}),
    );
    const reasonOf = async (name: string): Promise<unknown> => {
      const resolution = await view.resolve("tools", name, MODERN_AUDIENCE);
      return resolution.ok || resolution.reason;
    };
    expect(view.known("tools", "a__x", MODERN_AUDIENCE)).toBeUndefined();
    expect(await reasonOf("a__x")).toBe(true);
    expect(view.known("tools", "a__x", MODERN_AUDIENCE)).toMatchObject({ original: "x" });
    expect(await reasonOf("a__none")).toBe("unknown");
    expect(await reasonOf("none__x")).toBe("unknown");
    expect(await reasonOf("down__x")).toBe("unavailable");
  });

  test("of one server waits for no list of another", async () => {
    const later = Promise.withResolvers<void>();
    const slow = await catalog("slow", { tools: [tool("y")], after: later.promise });
    const view = viewOf(undefined, await catalog("a", { tools: [tool("x")] }), slow);
    for (const [name, expected] of [
      ["a__x", { ok: true }],
      ["a__none", { ok: false, reason: "unknown" }],
    ] as const) {
      expect(await view.resolve("tools", name, MODERN_AUDIENCE)).toMatchObject(expected);
    }
    expect(slow.listing("tools").view()).toMatchObject({ items: [], missing: undefined });
    later.resolve();
    expect(await view.resolve("tools", "slow__y", MODERN_AUDIENCE)).toMatchObject({ ok: true });
  });
});

describe("a URI", () => {
  test("is found in its public form, or as the server's own where one server owns it", async () => {
    const a = await catalog("a", {
      ...empty,
      resources: [{ uri: "file:///a" }, { uri: "file:///both" }],
    });
    const b = await catalog("b", {
      ...empty,
      resources: [{ uri: "file:///both" }],
      resourceTemplates: [{ uriTemplate: "db://{t}/rows" }],
    });
    const view = viewOf(undefined, a, b);
    const found = async (uri: string): Promise<unknown> => {
      const resolution = await view.resolveUri(uri, MODERN_AUDIENCE);
      return resolution.ok
        ? [resolution.route.server.name, resolution.route.original]
        : resolution.reason;
    };
    expect(await found("signalbox://a/file:///a")).toEqual(["a", "file:///a"]);
    expect(await found("signalbox://b/anything")).toEqual(["b", "anything"]);
    expect(await found("file:///a")).toEqual(["a", "file:///a"]);
    expect(await found("db://t/rows")).toEqual(["b", "db://t/rows"]);
    expect(await found("file:///both")).toBe("collision");
    expect(await found("file:///none")).toBe("unknown");
    expect(await found("signalbox://none/file:///a")).toBe("unknown");
  });

  test("that a bundle leaves out is not found by any of its forms", async () => {
    const a = await catalog("a", {
      ...empty,
      resources: [{ uri: "file:///open" }, { uri: "file:///secret" }],
    });
    const hidden = ["file:///secret", "file:///secret/x", "signalbox://a/file:///secret"];
    for (const style of ["bare", "prefixed"]) {
      const options = { include: ["a__*"], exclude: ["a__file:///secret*"], names: style };
      const view = viewOf(options, a);
      for (const uri of style === "bare" ? hidden.slice(0, 2) : hidden) {
        const resolution = await view.resolveUri(uri, MODERN_AUDIENCE);
        expect(resolution).toEqual({ ok: false, reason: "unknown" });
      }
      expect(await view.resolveUri("file:///open", MODERN_AUDIENCE)).toMatchObject({ ok: true });
    }
  });
});

test("an audience of its own has lists of its own", async () => {
  const a = await catalog("a", { tools: [tool("x")] });
  const own: Audience = {
    era: "legacy",
    idFor: () => "legacy elicitation",
    keyFor: () => ({ kind: "shared" }),
  };
  const view = viewOf(undefined, a);
  await page(view, "tools", own);
  expect(view.known("tools", "a__x", own)).toBeDefined();
  expect(view.known("tools", "a__x", MODERN_AUDIENCE)).toBeUndefined();
});

test("a URI matches a template whose fixed parts it has in order", () => {
  const matching: [string, string, boolean][] = [
    ["db://{table}", "db://x", true],
    ["db://{table}/rows", "db://x/rows", true],
    ["db://{table}/rows", "db://x/cols", false],
    ["db://{table}/rows", "xdb://x/rows", false],
    ["{+path}", "anything", true],
    ["a{x}b{y}c", "a-b-c", true],
    ["a{x}b{y}c", "a-c-b", false],
    ["exact", "exact", true],
  ];
  for (const [template, uri, expected] of matching) {
    expect([template, uri, matchesTemplate(template, uri)]).toEqual([template, uri, expected]);
  }
});
