// How long a call may last: the tool's own time before the server's, the server's before that of all.
import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { serverOptions } from "../upstream/index.ts";
import { discovery, fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import { inside, modern, remote, runGateway, type Answer } from "./running-gateway.ts";

interface Scene {
  readonly call: (tool: string) => Promise<Answer>;
  /** Answers the held calls of a tool. */
  readonly release: (tool: string) => void;
  readonly held: (tool: string) => number;
  readonly outcomes: () => unknown[];
}

/** A server that holds every call until it is let. */
async function scene(options: object, limits: object = {}): Promise<Scene> {
  const held: { tool: string; response: ServerResponse; id: unknown }[] = [];
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response)) return;
    const { id, method } = request.message;
    const tool = String(inside(request.message, "params", "name"));
    if (method === "tools/call") held.push({ tool, response, id });
    else {
      const tools = ["slow_report", "quick"].map((name) => ({ name, inputSchema: {} }));
      json(response, { jsonrpc: "2.0", id, result: { resultType: "complete", tools } });
    }
  });
  onTestFinished(() => peer.close());
  const parsed = serverOptions.parse({ url: peer.url, ...options });
  const running = await runGateway({ servers: [remote("peer", peer.url, parsed)] }, { limits });
  onTestFinished(() => running.close());
  await (await modern(`${running.url}/mcp`, "tools/list")).whole();
  return {
    call: async (tool) =>
      await (
        await modern(`${running.url}/mcp`, "tools/call", { name: `peer__${tool}`, arguments: {} })
      ).whole(),
    release: (tool) => {
      for (const one of held.filter((each) => each.tool === tool))
        json(one.response, {
          jsonrpc: "2.0",
          id: one.id,
          result: { resultType: "complete", content: [] },
        });
    },
    held: (tool) => held.filter((each) => each.tool === tool).length,
    outcomes: () => running.calls.map(({ tool, outcome }) => [tool, outcome]),
  };
}

const once = { max_attempts: 1 };

test("a tool may have less time than its server's others", async () => {
  const { call, release, held, outcomes } = await scene({
    timeout: "1h",
    retry_policy: { ...once, tools: { "slow_*": { timeout: "300ms" } } },
  });
  const other = call("quick");
  await expect.poll(() => held("quick")).toBe(1);
  const late = await call("slow_report");
  expect(late.text).toContain("SERVER_TIMEOUT");
  release("quick");
  expect((await other).error).toEqual({});
  expect(outcomes()).toEqual([
    ["slow_report", "unknown"],
    ["quick", "ok"],
  ]);
});

test("a tool may have more time than its server's others", async () => {
  const { call, release, held, outcomes } = await scene({
    timeout: "300ms",
    retry_policy: { ...once, tools: { "slow_*": { timeout: "1h" } } },
  });
  const slow = call("slow_report");
  await expect.poll(() => held("slow_report")).toBe(1);
  expect((await call("quick")).text).toContain("SERVER_TIMEOUT");
  release("slow_report");
  expect((await slow).error).toEqual({});
  expect(outcomes()).toEqual([
    ["quick", "unknown"],
    ["slow_report", "ok"],
  ]);
});

test("without a word of the tool or the server the limit for all holds", async () => {
  const { call } = await scene({ retry_policy: once }, { call_timeout: "300ms" });
  expect((await call("quick")).text).toContain("SERVER_TIMEOUT");
});

test("the time of a tool covers all its attempts together", async () => {
  const { call, held, outcomes } = await scene({
    retry_policy: {
      base_delay: 1,
      max_delay: 5,
      tools: { quick: { timeout: "300ms", idempotent: true, max_attempts: 5 } },
    },
  });
  expect((await call("quick")).text).toContain("SERVER_TIMEOUT");
  expect(held("quick")).toBe(1);
  expect(outcomes()).toEqual([["quick", "timeout"]]);
});
