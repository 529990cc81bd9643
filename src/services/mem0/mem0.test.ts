import {
  fakeClock,
  fakeFetch,
  hostService,
  jsonResponse,
  textOf,
  type FakeFetch,
  type SeenRequest,
} from "@signalbox/kit/testing";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import {
  contractFetch,
  openapiContract,
  withVendor,
  type OpenapiContract,
} from "../../../test/support/vendor-contracts.ts";
import { FakeMem0 } from "./fake-mem0.ts";
import { mem0 } from "./index.ts";

type Answer = (request: SeenRequest) => Response;

function opened(
  url: string,
  web: (answer: Answer) => FakeFetch,
  options: Record<string, unknown> = {},
) {
  const vendor = new FakeMem0();
  const { fetch, seen } = web(vendor.answer);
  const clock = fakeClock();
  const host = hostService(mem0, { api_key: vendor.key, url, ...options }, { fetch, clock });
  onTestFinished(() => host.service.close());
  const later = async (tool: string, args: unknown): Promise<unknown> => {
    const asked = host.ask(tool, args);
    asked.catch(() => {});
    await clock.advance(60_000);
    return await asked;
  };
  const said = async (tool: string, args: unknown = {}): Promise<string> => {
    const result = await host.call(tool, args);
    expect(result.isError).toBe(true);
    return textOf(result);
  };
  return { vendor, seen, clock, host, later, said };
}

const remembered = z.object({ memories: z.array(z.object({ id: z.string() })) });
const scope = { agentId: "concierge" };

/** What holds in both APIs. */
function facts(hosted: (options?: Record<string, unknown>) => ReturnType<typeof opened>): void {
  test("what is remembered is found by meaning, listed and read", async () => {
    const { later, host } = hosted();
    const told = await later("remember", {
      ...scope,
      text: "Flat 3 likes late check-out",
      metadata: { flat: 3 },
    });
    expect(told).toMatchObject({
      memories: [{ memory: "Flat 3 likes late check-out", event: "ADD" }],
      pending: false,
    });
    await later("remember", {
      userId: "ana",
      messages: [{ role: "user", content: "Ana drinks tea" }],
    });
    expect(await host.ask("search", { ...scope, query: "late check-out" })).toMatchObject({
      memories: [
        {
          memory: "Flat 3 likes late check-out",
          score: 1,
          agentId: "concierge",
          metadata: { flat: 3 },
        },
      ],
    });
    expect(await host.ask("search", { ...scope, query: "tea", threshold: 0.5 })).toEqual({
      memories: [],
    });
    expect(await host.ask("list", { userId: "ana" })).toMatchObject({
      memories: [{ memory: "Ana drinks tea" }],
      more: false,
    });
    const [{ id } = { id: "" }] = remembered.parse(told).memories;
    expect(await host.ask("get", { id })).toMatchObject({
      id,
      memory: "Flat 3 likes late check-out",
    });
  });

  test("words are stored as they are where nothing is to be inferred", async () => {
    const { host } = hosted();
    expect(await host.ask("remember", { ...scope, text: "verbatim", infer: false })).toMatchObject({
      memories: [{ memory: "verbatim" }],
      pending: false,
    });
  });

  test("get_context has an agent's memories in a text that is no longer than asked", async () => {
    const { later, host } = hosted();
    for (const text of ["one thing", "another\nthing", "x".repeat(190)])
      await later("remember", { ...scope, text });
    expect(await host.ask("get_context", { ...scope, query: "thing" })).toMatchObject({
      context: expect.stringContaining("- another thing"),
      more: false,
    });
    const short = await host.ask("get_context", { ...scope, maxTokens: 50 });
    expect(short).toMatchObject({ context: `- ${"x".repeat(190)}`, more: true });
    expect(z.object({ memories: z.array(z.string()) }).parse(short).memories).toHaveLength(1);
  });

  test("a memory is changed, its history told, and it is forgotten", async () => {
    const { later, host, said } = hosted();
    const told = remembered.parse(await later("remember", { ...scope, text: "old" }));
    const [{ id } = { id: "" }] = told.memories;
    expect(await host.ask("update", { id, text: "new" })).toEqual({ id, memory: "new" });
    expect(await host.ask("history", { id })).toMatchObject({
      changes: [
        { event: "ADD", after: "old" },
        { event: "UPDATE", before: "old", after: "new" },
      ],
    });
    expect(await host.ask("forget", { id })).toEqual({ forgotten: id });
    expect(await said("get", { id })).toContain(
      "there is no such memory; list names them (NOT_FOUND)",
    );
  });

  test("forget_all deletes those of its scope, and without one it deletes nothing", async () => {
    const { later, host, said, vendor } = hosted();
    await later("remember", { ...scope, text: "one" });
    await later("remember", { userId: "ana", text: "two" });
    expect(await said("forget_all")).toContain(
      "Give userId, agentId or runId. (ARGUMENTS_INVALID)",
    );
    expect(vendor.memories).toHaveLength(2);
    expect(await host.ask("forget_all", scope)).toEqual({ forgotten: true });
    expect(vendor.memories.map(({ memory }) => memory)).toEqual(["two"]);
  });

  test("either a text or messages are wanted", async () => {
    expect(await hosted().said("remember", scope)).toContain("give either text or messages");
  });

  test("a key that is refused is told without being shown", async () => {
    const sentence = await hosted({ api_key: "wrong-key" }).said("list", scope);
    expect(sentence).toContain("set another as MEM0_API_KEY (VENDOR_AUTH)");
    expect(sentence).not.toContain("wrong-key");
  });

  test("health tells that it answers", async () => {
    const { host } = hosted();
    expect(await host.ask("health")).toMatchObject({ healthy: true, dialect: expect.any(String) });
    expect(await host.service.health?.(AbortSignal.timeout(1_000))).toMatchObject({ status: "ok" });
  });
}

const platform = "https://api.mem0.ai";
const hostedPlatform = (options?: Record<string, unknown>) => opened(platform, fakeFetch, options);

describe("a server of one's own", () => {
  const hosted = (options?: Record<string, unknown>) =>
    opened("http://mem0.internal:8090", fakeFetch, options);

  facts(hosted);

  test("has no events", async () => {
    expect(await hosted().said("event_status", { eventId: "e1" })).toContain("(NOT_SUPPORTED)");
  });
});

describe("Mem0's platform", () => {
  facts(hostedPlatform);

  test("an event that takes too long is told as pending, and can be asked for later", async () => {
    const { later, host, vendor } = hostedPlatform({ events_timeout: 1_000 });
    vendor.looks = 3;
    const told = await later("remember", { ...scope, text: "slow" });
    expect(told).toMatchObject({ memories: [], pending: true });
    const { eventId } = z.object({ eventId: z.string() }).parse(told);
    expect(await host.ask("event_status", { eventId })).toMatchObject({
      status: "RUNNING",
      pending: true,
    });
    expect(await host.ask("event_status", { eventId })).toMatchObject({
      status: "SUCCEEDED",
      memories: [{ memory: "slow" }],
    });
  });

  test("an event that fails is told as a failure", async () => {
    const { later, vendor } = hostedPlatform();
    vendor.outcome = "FAILED";
    await expect(later("remember", { ...scope, text: "bad" })).rejects.toThrow("NOT_REMEMBERED");
  });

  test("list reads as many pages as it needs", async () => {
    const { host, seen } = hostedPlatform();
    const messages = Array.from({ length: 150 }, (_, n) => ({
      role: "user",
      content: `fact ${n}`,
    }));
    await host.ask("remember", { ...scope, messages, infer: false });
    const told = z.object({ memories: z.array(z.unknown()), more: z.boolean() });
    const { memories, more } = told.parse(await host.ask("list", { ...scope, limit: 120 }));
    expect([memories.length, more, seen.at(-1)?.url.searchParams.get("page")]).toEqual([
      120,
      true,
      "2",
    ]);
  });

  test("what was perhaps remembered is not sent again, and a request for patience is obeyed", async () => {
    const { host, said, seen, vendor, clock } = hostedPlatform();
    vendor.next.push(jsonResponse({}, { status: 502 }));
    await said("remember", { ...scope, text: "once" });
    expect(seen).toHaveLength(1);
    vendor.next.push(
      jsonResponse({ detail: "slow down" }, { status: 429, headers: { "retry-after": "4" } }),
    );
    const asked = host.ask("list", scope);
    await clock.advance(3_900);
    expect(seen).toHaveLength(2);
    await clock.advance(200);
    expect(await asked).toEqual({ memories: [], more: false });
  });
});

withVendor("openapi/mem0-platform.json")("Mem0's platform, by its own schema", () => {
  let contract: OpenapiContract;
  beforeAll(async () => {
    contract = await openapiContract("openapi/mem0-platform.json", { slashAtEnd: true });
  });

  facts((options) => opened(platform, (answer) => contractFetch(contract, answer), options));
});

test("settings say what to set, and a server of one's own needs no key", () => {
  const { settings } = mem0;
  expect(settings.missing(settings.options.parse({}))).toEqual([
    "MEM0_API_KEY, or MEM0_API_URL with the address of a server of your own",
  ]);
  expect(settings.missing(settings.options.parse({ url: "http://mem0:8090" }))).toEqual([]);
});
