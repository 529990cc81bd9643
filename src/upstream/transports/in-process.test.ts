import { ToolError, defineService, defineTool, text, toolResult, type Tool } from "@signalbox/kit";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { createLog, manualClock, silentLog, systemClock } from "../../foundation/index.ts";
import type { SignalboxError } from "../../foundation/index.ts";
import { META, type JsonObject, type RequestId } from "../../protocol/index.ts";
import type { ExchangeSink, LaneCaller, OutboundRequest, TransportDeps } from "../lane.ts";
import { open, type InProcessLane } from "./in-process.ts";

class Answer implements ExchangeSink {
  bodies: string[] = [];
  errors: SignalboxError[] = [];
  messages: unknown[] = [];
  answer(body: Buffer): void {
    this.bodies.push(body.toString());
  }
  fail(error: SignalboxError): void {
    this.errors.push(error);
  }
  message(message: unknown): void {
    this.messages.push(message);
  }
  begin(): void {}
  chunk(): boolean {
    return true;
  }
  end(): void {}
  get json(): unknown {
    if (this.bodies.length !== 1) throw new Error(`${this.bodies.length} answers`);
    return JSON.parse(this.bodies[0] ?? "");
  }
}

const echo = defineTool({
  name: "echo",
  description: "Echoes.",
  input: z.object({ text: z.string() }),
  handler: (input) => input.text,
});

function laneOf(tools: Tool[], deps: Partial<TransportDeps> = {}): Promise<InProcessLane> {
  const service = defineService({ name: "demo", version: "2.0.0", description: "Shows.", tools });
  return open(
    service,
    { clientInfo: {}, capabilities: {}, shared: true },
    { notification() {}, request() {}, closed() {} },
    {
      log: silentLog,
      clock: systemClock,
      responseBytesMax: 1_000_000,
      inspectBytesMax: 1_000_000,
      connectTimeoutMs: 1_000,
      ...deps,
    },
  );
}

function send(
  lane: InProcessLane,
  method: string,
  params: JsonObject = {},
  more: Partial<OutboundRequest> & { id?: RequestId } = {},
) {
  const { id = 1, ...outbound } = more;
  const sink = new Answer();
  const message = { jsonrpc: "2.0" as const, id, method, params };
  const handle = lane.send({ message, timeoutMs: 1_000, ...outbound }, sink);
  return { sink, handle };
}

const serverInfo = { [META.serverInfo]: { name: "demo", version: "2.0.0" } };
const stamp = { resultType: "complete", _meta: serverInfo };

test("is a modern server with tools", async () => {
  const lane = await laneOf([echo]);
  expect(lane).toMatchObject({
    era: "modern",
    revision: "2026-07-28",
    capabilities: { tools: {} },
    serverInfo: { name: "demo", version: "2.0.0" },
    instructions: "Shows.",
    closed: false,
  });
  expect(send(lane, "server/discover").sink.json).toMatchObject({
    result: { supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ...stamp },
  });
});

test("lists its tools with schemas, cacheable by all", async () => {
  const { sink } = send(await laneOf([echo]), "tools/list");
  expect(sink.json).toEqual({
    jsonrpc: "2.0",
    id: 1,
    result: {
      tools: [{ name: "echo", description: "Echoes.", inputSchema: echo.inputSchema }],
      ttlMs: 3_600_000,
      cacheScope: "public",
      ...stamp,
    },
  });
});

test.each([1, 0, "a", 'ä "q"'])(
  "answers a call before send returns, under the id %j",
  async (id) => {
    const params = { name: "echo", arguments: { text: "grüße" } };
    const { sink } = send(await laneOf([echo]), "tools/call", params, { id });
    expect(sink.json).toEqual({
      jsonrpc: "2.0",
      id,
      result: { content: [{ type: "text", text: "grüße" }], ...stamp },
    });
  },
);

test.each(["nope", "constructor", 7, undefined])("refuses the unknown tool %j", async (name) => {
  const { sink } = send(await laneOf([echo]), "tools/call", { name });
  expect(sink.json).toMatchObject({ id: 1, error: { code: -32602 } });
});

test("refuses a cursor it never gave, and methods it does not have", async () => {
  const lane = await laneOf([echo]);
  expect(send(lane, "tools/list", { cursor: "" }).sink.json).toMatchObject({
    error: { code: -32602 },
  });
  expect(send(lane, "prompts/list").sink.json).toMatchObject({ error: { code: -32601 } });
});

test("answers arguments that do not fit as a tool error that names the field", async () => {
  const { sink } = send(await laneOf([echo]), "tools/call", { name: "echo", arguments: {} });
  expect(sink.json).toMatchObject({
    result: { isError: true, resultType: "complete", content: [{ type: "text" }] },
  });
  expect(sink.bodies[0]).toContain("text: expected string");
});

test("keeps what goes wrong inside out of the answer, and in the log", async () => {
  const lines: string[] = [];
  const log = createLog({
    level: "error",
    format: "json",
    destination: { write: (line) => lines.push(line) },
  });
  const broken = (later: boolean) =>
    defineTool({
      name: later ? "later" : "now",
      description: "",
      input: z.object({}),
      handler: () => {
        const error = new Error("connection to 10.0.0.7 failed");
        if (later) return Promise.reject(error);
        throw error;
      },
    });
  const lane = await laneOf([broken(false), broken(true)], { log });
  const caller: LaneCaller = {
    principal: { id: "k", name: "k", role: "caller", bundles: [] },
    requestId: "req-7",
  };
  for (const name of ["now", "later"]) {
    const { sink } = send(lane, "tools/call", { name }, { caller });
    await vi.waitFor(() => expect(sink.json).toMatchObject({ result: { isError: true } }));
    expect(sink.bodies[0]).toContain("req-7");
    expect(sink.bodies[0]).not.toContain("10.0.0.7");
  }
  expect(lines.filter((line) => line.includes("10.0.0.7"))).toHaveLength(2);
});

test("passes on what a tool says of its own failure, and its own _meta beside the stamp", async () => {
  const lane = await laneOf([
    defineTool({
      name: "fails",
      description: "",
      input: z.object({}),
      handler: async () => {
        throw new ToolError("Try tomorrow.");
      },
    }),
    defineTool({
      name: "marked",
      description: "",
      input: z.object({}),
      handler: () => toolResult({ content: [], meta: { "example.com/n": 1 } }),
    }),
  ]);
  const failed = send(lane, "tools/call", { name: "fails" }).sink;
  await vi.waitFor(() => expect(failed.bodies[0]).toContain("Try tomorrow."));
  expect(send(lane, "tools/call", { name: "marked" }).sink.json).toMatchObject({
    result: { _meta: { "example.com/n": 1, ...serverInfo }, resultType: "complete" },
  });
});

test("tells the handler who calls; without a caller it is nobody with no rights", async () => {
  const whoami = defineTool({
    name: "whoami",
    description: "",
    input: z.object({}),
    handler: (_input, { principal, requestId }) =>
      text(`${principal.name} ${principal.role} ${String(principal.bundles)} ${requestId}`),
  });
  const lane = await laneOf([whoami]);
  const caller: LaneCaller = {
    principal: { id: "k1", name: "Ada", role: "operator", bundles: ["a", "b"] },
    requestId: "r1",
  };
  const said = (more?: { caller: LaneCaller }) =>
    send(lane, "tools/call", { name: "whoami" }, more).sink.bodies[0];
  expect(said({ caller })).toContain('"Ada operator a,b r1"');
  expect(said()).toContain('"gateway caller  internal"');
});

function waitingTool(): { tool: Tool; signals: AbortSignal[] } {
  const signals: AbortSignal[] = [];
  const tool = defineTool({
    name: "wait",
    description: "",
    input: z.object({}),
    handler: (_input, { signal }) => {
      signals.push(signal);
      return new Promise<string>((resolve) => {
        signal.addEventListener("abort", () => resolve("too late"));
      });
    },
  });
  return { tool, signals };
}

test("a call that runs out of time aborts its handler and fails once", async () => {
  const { tool, signals } = waitingTool();
  const clock = manualClock();
  const { sink } = send(await laneOf([tool], { clock }), "tools/call", { name: "wait" });
  clock.advance(1_001);
  await vi.waitFor(() => expect(sink.errors).toHaveLength(1));
  expect(sink.errors[0]?.code).toBe("SERVER_TIMEOUT");
  expect(signals[0]?.aborted).toBe(true);
  await new Promise(setImmediate);
  expect(sink.bodies).toEqual([]);
});

test("a cancelled call aborts its handler and says nothing more", async () => {
  const { tool, signals } = waitingTool();
  const { sink, handle } = send(await laneOf([tool]), "tools/call", { name: "wait" });
  handle.cancel("no longer needed");
  expect(signals[0]?.aborted).toBe(true);
  await new Promise(setImmediate);
  expect([sink.bodies, sink.errors]).toEqual([[], []]);
});

test("closing fails what runs and what comes after", async () => {
  const { tool } = waitingTool();
  const lane = await laneOf([tool]);
  const running = send(lane, "tools/call", { name: "wait" }).sink;
  await lane.close();
  const later = send(lane, "tools/list").sink;
  expect(running.errors.map((error) => error.code)).toEqual(["SERVER_CLOSED"]);
  expect(later.errors.map((error) => error.code)).toEqual(["SERVER_CLOSED"]);
  expect(lane.closed).toBe(true);
});

test("progress reaches the caller who asked for it, only forward and only while the call runs, and puts its end off", async () => {
  const clock = manualClock();
  let said: ((done: number, total?: number) => void) | undefined;
  const work = defineTool({
    name: "work",
    description: "",
    input: z.object({}),
    handler: (_input, context) => {
      said = (done, total) => context.progress(done, total, "still at it");
      return new Promise<string>(() => {});
    },
  });
  const lane = await laneOf([work], { clock });
  const params = { name: "work", _meta: { progressToken: "p1" } };
  const { sink } = send(lane, "tools/call", params, { timeoutMaxMs: 2_500 });
  said?.(1, 3);
  said?.(1, 3);
  expect(sink.messages).toEqual([
    {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken: "p1", progress: 1, total: 3, message: "still at it" },
    },
  ]);
  for (const done of [2, 3]) {
    clock.advance(900);
    said?.(done, 3);
  }
  clock.advance(900);
  await vi.waitFor(() => expect(sink.errors).toHaveLength(1));
  said?.(4);
  expect(sink.messages).toHaveLength(3);
  const silent = send(lane, "tools/call", { name: "work" });
  said?.(1);
  expect(silent.sink.messages).toEqual([]);
});

test("a call's key is the same for its attempts, or as the caller wants it, and never another caller's", async () => {
  const keys: string[] = [];
  const pay = (name: string) =>
    defineTool({
      name,
      description: "",
      input: z.object({ n: z.int().optional() }),
      handler: (_input, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        return "";
      },
    });
  const lane = await laneOf([pay("pay"), pay("refund")]);
  const callOf = (id: string, requestId: string, given?: string, tool = "pay", n = 1): void => {
    const principal = { id, name: id, role: "caller", bundles: [] };
    const meta = given === undefined ? {} : { _meta: { "signalbox/idempotencyKey": given } };
    const params = { name: tool, arguments: { n }, ...meta };
    send(lane, "tools/call", params, { caller: { principal, requestId } });
  };
  callOf("ada", "r1");
  callOf("ada", "r1");
  callOf("ada", "r2");
  callOf("ada", "r3", "k");
  callOf("ada", "r4", "k", "pay", 2);
  callOf("bob", "r5", "k");
  callOf("ada", "r6", "k", "refund");
  const [first, again, another, given, same, bobs, refund] = keys;
  expect(again).toBe(first);
  expect(same).toBe(given);
  expect(new Set([first, another, given, bobs, refund]).size).toBe(5);
  expect(keys.every((key) => /^[\w-]{43}$/.test(key))).toBe(true);
});

test("a handler's lines carry the service, the tool and the request", async () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  const log = createLog({ level: "info", format: "json", destination });
  const tool = defineTool({
    name: "says",
    description: "",
    input: z.object({}),
    handler: (_input, context) => {
      context.log.info({ rows: 3 }, "Looked");
      return "";
    },
  });
  const principal = { id: "k", name: "k", role: "caller", bundles: [] };
  send(
    await laneOf([tool], { log }),
    "tools/call",
    { name: "says" },
    { caller: { principal, requestId: "r9" } },
  );
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    serverId: "demo",
    tool: "says",
    requestId: "r9",
    rows: 3,
    message: "Looked",
  });
});
