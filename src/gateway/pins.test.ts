// What is held back is neither listed nor called, and comes back when it is approved; who decides is a stand-in here.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../protocol/index.ts";
import { discovery, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import type { PinGuard, Sight } from "./pins.ts";
import {
  LegacyClient,
  bundle,
  each,
  inside,
  modern,
  remote,
  start,
  until,
  type RunningGateway,
  principalNamed,
} from "./running-gateway.ts";

/** Holds back what is named, by `server name`. */
class HoldingGuard implements PinGuard {
  readonly held = new Set<string>();
  readonly sights: Sight[] = [];
  readonly left: string[] = [];
  examined = 0;

  examine(): Promise<void> {
    this.examined++;
    return Promise.resolve();
  }

  admit(sight: Sight) {
    this.sights.push(sight);
    const isHeld = (item: JsonObject): boolean =>
      this.held.has(`${sight.server.name} ${String(item["name"])}`);
    return {
      served: sight.items.filter((item) => !isHeld(item)),
      held: sight.items.filter(isHeld).map(({ name }) => ({
        name: String(name),
        reason: "it waits.",
        since: Date.UTC(2026, 0, 1),
      })),
    };
  }

  gone(server: string): void {
    this.left.push(server);
  }
}

async function peer(tools: string[], prompts: string[] = []): Promise<{ url: string }> {
  const server = await fakeHttpServer((request, response) => {
    const instructions = "Say please.";
    if (discovery(request, response, { tools: {}, prompts: {} }, { instructions })) return;
    const { id, method } = request.message;
    const named = (names: string[]) =>
      names.map((name) => ({ name, inputSchema: { type: "object" } }));
    const results: Record<string, JsonObject> = {
      "tools/list": { tools: named(tools), ttlMs: 60_000 },
      "prompts/list": { prompts: named(prompts), ttlMs: 60_000 },
      "tools/call": { content: [{ type: "text", text: "called" }] },
      "prompts/get": { messages: [] },
    };
    const result = { resultType: "complete", ...results[String(method)] };
    json(response, { jsonrpc: "2.0", id, result });
  });
  return { url: server.url };
}

async function held(
  names: string[],
  more: { bundles?: object[]; tools?: string[] } = {},
): Promise<{ running: RunningGateway; guard: HoldingGuard; url: string }> {
  const guard = new HoldingGuard();
  for (const name of names) guard.held.add(name);
  const { url } = await peer(more.tools ?? ["a", "b"], ["p"]);
  const running = await start(
    {
      servers: [remote("one", url)],
      bundles: (more.bundles ?? []).map((given) => bundle("b", given)),
    },
    { pins: guard },
  );
  return { running, guard, url: `${running.url}/mcp` };
}

async function list(url: string, method = "tools/list"): Promise<JsonObject> {
  return (await (await modern(url, method)).whole()).result;
}

async function call(url: string, name: string): Promise<JsonObject> {
  const answer = await (await modern(url, "tools/call", { name, arguments: {} })).whole();
  return answer.response;
}

const MISSING = ["_meta", "signalbox/missing"] as const;

describe("what is held back", () => {
  test("is not listed, and the list says so and is as good for as long", async () => {
    const { url } = await held(["one a"]);
    const result = await list(url);
    expect(each(result["tools"], "name")).toEqual(["one__b"]);
    expect(inside(result, ...MISSING)).toEqual([
      {
        server: "one",
        reason: "TOOL_QUARANTINED",
        message: "Held back until approved, of its tools: one__a.",
        since: "2026-01-01T00:00:00.000Z",
      },
    ]);
    expect(result["ttlMs"]).toBeGreaterThan(50_000);
  });

  test("is not called, and the refusal names it and says why", async () => {
    const { url, running } = await held(["one a"]);
    expect(await call(url, "one__a")).toMatchObject({
      error: {
        code: -32602,
        message: "The tool one__a is quarantined: it waits.",
        data: { code: "TOOL_QUARANTINED", server: "one" },
      },
    });
    expect(inside(await call(url, "one__b"), "result", "content", 0, "text")).toBe("called");
    expect(running.calls.map(({ tool }) => tool)).toEqual(["b"]);
  });

  test("is refused to clients of earlier protocols as well", async () => {
    const { url } = await held(["one a"]);
    const client = await LegacyClient.open(url);
    const listed = await (await client.request("tools/list")).whole();
    expect(each(listed.result["tools"], "name")).toEqual(["one__b"]);
    const refused = await client.request("tools/call", { name: "one__a", arguments: {} });
    expect((await refused.whole()).error["data"]).toMatchObject({ code: "TOOL_QUARANTINED" });
  });

  test("is refused as a prompt and for completion, too", async () => {
    const { url } = await held(["one p"]);
    expect(each((await list(url, "prompts/list"))["prompts"], "name")).toEqual([]);
    const get = await (await modern(url, "prompts/get", { name: "one__p" })).whole();
    expect(get.error["message"]).toBe("The prompt one__p is quarantined: it waits.");
    const complete = await modern(url, "completion/complete", {
      ref: { type: "ref/prompt", name: "one__p" },
      argument: { name: "x", value: "" },
    });
    expect((await complete.whole()).error["data"]).toMatchObject({ code: "TOOL_QUARANTINED" });
  });

  test("is found under the name that a bundle gives it, and not mentioned where the bundle leaves it out", async () => {
    const renamed = { tools: { one__a: { name: "alpha" } } };
    const { url } = await held(["one a"], { bundles: [renamed] });
    expect(await call(`${url}/b`, "alpha")).toMatchObject({
      error: { data: { code: "TOOL_QUARANTINED" } },
    });
    const without = await held(["one a"], { bundles: [{ exclude: ["one__a"] }] });
    const result = await list(`${without.url}/b`);
    expect(inside(result, ...MISSING)).toBeUndefined();
    expect(await call(`${without.url}/b`, "one__a")).toMatchObject({
      error: { data: { code: "TOOL_NOT_FOUND" } },
    });
  });

  test("keeps its name: another server's thing of that name is not offered in its place", async () => {
    const guard = new HoldingGuard();
    guard.held.add("one a");
    const servers = [
      remote("one", (await peer(["a"])).url),
      remote("two", (await peer(["a", "c"])).url),
    ];
    const running = await start({ servers }, { pins: guard });
    const url = `${running.url}/mcp`;
    await list(url);
    await expect(
      running.apply({ servers, bundles: [bundle("bare", { names: "bare" })] }),
    ).rejects.toMatchObject({ code: "BUNDLE_COLLISION" });
    guard.held.clear();
    running.gateway.reconsiderPins();
    const bare = bundle("bare", { names: "bare", exclude: ["one__a"] });
    await running.apply({ servers, bundles: [bare] });
    expect(each((await list(`${url}/bare`))["tools"], "name")).toEqual(["a", "c"]);
  });

  test("are a server's instructions, too: they are not passed on until they are approved", async () => {
    const guard = new HoldingGuard();
    guard.held.add("one instructions");
    const { url } = await peer(["a"]);
    const bare = bundle("bare", { names: "bare" });
    const running = await start(
      { servers: [remote("one", url)], bundles: [bare] },
      { pins: guard },
    );
    await list(`${running.url}/mcp`);
    const greeting = async (): Promise<unknown> => {
      const answer = await (await modern(`${running.url}/mcp/bare`, "server/discover")).whole();
      return answer.result["instructions"];
    };
    expect(await greeting()).toBeUndefined();
    guard.held.clear();
    running.gateway.reconsiderPins("one");
    expect(await greeting()).toBe("Say please.");
    await greeting();
    expect(guard.sights.filter(({ kind }) => kind === "instructions")).toMatchObject([
      { fresh: true, items: [{ name: "instructions", description: "Say please." }] },
      { fresh: false },
    ]);
  });

  test("of many things is told by ten of their names", async () => {
    const tools = Array.from({ length: 13 }, (_, at) => `t${at}`);
    const { url } = await held(
      tools.map((name) => `one ${name}`),
      { tools },
    );
    expect(String(inside(await list(url), ...MISSING, 0, "message"))).toMatch(
      /one__t9 and 3 more\.$/,
    );
  });

  test("is named in the catalog of the API for each kind, beside what else is missing", async () => {
    const { running } = await held(["one a", "one p"]);
    const catalog = await running.gateway.catalog(principalNamed("x"));
    expect(catalog?.missing.map(({ message }) => message)).toEqual([
      "Held back until approved, of its tools: one__a.",
      "Held back until approved, of its prompts: one__p.",
    ]);
    expect(catalog?.tools.map(({ name }) => name)).toEqual(["one__b"]);
  });
});

test("what is approved is served at once, and those who listen are told", async () => {
  const { url, guard, running } = await held(["one a"]);
  await list(url);
  const client = await LegacyClient.open(url);
  const stream = await client.stream();
  guard.held.clear();
  running.gateway.reconsiderPins("another");
  expect(each((await list(url))["tools"], "name")).toEqual(["one__b"]);
  running.gateway.reconsiderPins("one");
  expect(each((await list(url))["tools"], "name")).toEqual(["one__a", "one__b"]);
  expect(inside(await call(url, "one__a"), "result", "content", 0, "text")).toBe("called");
  await stream.until((answer) =>
    answer.messages.some(({ method }) => method === "notifications/tools/list_changed"),
  );
  stream.leave();
});

test("a list is compared when it comes in and when decisions change, never at a call", async () => {
  const { url, guard, running } = await held([]);
  await list(url);
  await until("prompts are known", () => guard.sights.length === 2);
  for (let times = 0; times < 20; times++) await call(url, "one__a");
  expect([guard.sights.length, guard.examined]).toEqual([2, 2]);
  expect(guard.sights.map(({ kind, fresh, shared }) => [kind, fresh, shared])).toEqual(
    expect.arrayContaining([
      ["tools", true, true],
      ["prompts", true, true],
    ]),
  );
  running.gateway.reconsiderPins();
  expect(guard.sights.slice(2).map(({ fresh }) => fresh)).toEqual([false, false]);
});

test("a server that is removed or defined anew is told to be gone", async () => {
  const { running, guard, url } = await held([]);
  await list(url);
  await running.apply({ servers: [] });
  expect(guard.left).toEqual(["one"]);
});

test("list and call agree, whatever is held back", async () => {
  const tools = ["a", "b", "c", "d", "e"];
  const { url, guard, running } = await held([], { tools });
  await list(url);
  await fc.assert(
    fc.asyncProperty(fc.subarray(tools), async (names) => {
      guard.held.clear();
      for (const name of names) guard.held.add(`one ${name}`);
      running.gateway.reconsiderPins();
      const listed = each((await list(url))["tools"], "name");
      for (const name of tools) {
        const answer = await call(url, `one__${name}`);
        expect("result" in answer).toBe(listed.includes(`one__${name}`));
        expect(listed.includes(`one__${name}`)).toBe(!names.includes(name));
      }
    }),
    { numRuns: 15 },
  );
});
