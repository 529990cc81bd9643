import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import {
  manualClock,
  silentLog,
  systemClock,
  type SignalboxError,
} from "../../foundation/index.ts";
import { META, parseJson, type JsonObject } from "../../protocol/index.ts";
import type { ExchangeSink, LaneContext, LaneListener } from "../lane.ts";
import type { ServerOptions } from "../server-options.ts";
import { EraVerdicts } from "./era-verdicts.ts";
import { isRunning } from "./running.ts";
import { open, type StdioDeps, type StdioLane } from "./stdio.ts";

const fake = fileURLToPath(new URL("./fake-stdio-server.ts", import.meta.url));
const packages = fileURLToPath(
  new URL("../../../node_modules/@modelcontextprotocol/", import.meta.url),
);

class Heard implements LaneListener {
  readonly notifications: unknown[] = [];
  readonly requests: unknown[] = [];
  readonly ends: SignalboxError[] = [];
  notification(message: unknown): void {
    this.notifications.push(message);
  }
  request(message: unknown): void {
    this.requests.push(message);
  }
  closed(error: SignalboxError): void {
    this.ends.push(error);
  }
}

/** What the fake server's tools answer, as far as the tests look at it. */
const message = z.looseObject({
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
});
const result = z.looseObject({
  text: z.string().optional(),
  content: z.array(z.looseObject({ text: z.string() })).optional(),
  seen: z.array(message).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  cwd: z.string().optional(),
  grandchild: z.number().optional(),
});

class Answer implements ExchangeSink {
  readonly messages: JsonObject[] = [];
  readonly #settled = Promise.withResolvers<Buffer>();
  readonly body = this.#settled.promise;
  endings = 0;
  onMessage: ((heard: JsonObject) => void) | undefined;

  constructor() {
    this.body.catch(() => {});
  }
  get result(): Promise<z.output<typeof result>> {
    return this.json.then((answer) => result.parse(answer["result"]));
  }
  get json(): Promise<JsonObject> {
    return this.body.then((body) => message.parse(parseJson(body.toString())));
  }
  message(heard: object): void {
    const copy = message.parse(heard);
    this.messages.push(copy);
    this.onMessage?.(copy);
  }
  answer(body: Buffer): void {
    this.endings += 1;
    this.#settled.resolve(body);
  }
  fail(error: SignalboxError): void {
    this.endings += 1;
    this.#settled.reject(error);
  }
  begin(): void {}
  chunk(): boolean {
    return true;
  }
  end(): void {}
}

const lanes: StdioLane[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(lanes.splice(0).map((opened) => opened.close()));
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

function folder(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), "signalbox-stdio-")));
  folders.push(made);
  return made;
}

function depsWith(more: Partial<StdioDeps> = {}): StdioDeps {
  return {
    serverName: "fake",
    log: silentLog,
    clock: systemClock,
    responseBytesMax: 8 * 1024 * 1024,
    inspectBytesMax: 1024 * 1024,
    connectTimeoutMs: 20_000,
    verdicts: new EraVerdicts(),
    closeGraceMs: 300,
    ...more,
  };
}

const context: LaneContext = {
  clientInfo: { name: "test", version: "1" },
  capabilities: {},
  shared: true,
};

async function lane(
  options: ServerOptions,
  more: { deps?: Partial<StdioDeps>; heard?: Heard; context?: Partial<LaneContext> } = {},
): Promise<StdioLane> {
  const opened = await open(
    options,
    { ...context, ...more.context },
    more.heard ?? new Heard(),
    depsWith(more.deps),
  );
  lanes.push(opened);
  return opened;
}

function habits(...names: string[]): ServerOptions {
  return { command: process.execPath, args: [fake, ...names] };
}

function legacyLane(heard?: Heard, deps?: Partial<StdioDeps>): Promise<StdioLane> {
  const options: ServerOptions = { ...habits("legacy"), protocol_era: "legacy" };
  return lane(options, { ...(heard && { heard }), ...(deps && { deps }) });
}

interface CallOptions {
  id?: string | number;
  args?: JsonObject;
  meta?: JsonObject;
  timeoutMs?: number;
  timeoutMaxMs?: number;
}

function call(on: StdioLane, name: string, options: CallOptions = {}): Answer {
  return exchange(on, name, options).sink;
}

function exchange(on: StdioLane, name: string, options: CallOptions = {}) {
  const sink = new Answer();
  const { id = 1, args = {}, meta, timeoutMs = 10_000, timeoutMaxMs } = options;
  const params = { name, arguments: args, ...(meta && { _meta: meta }) };
  const handle = on.send(
    {
      message: { jsonrpc: "2.0", id, method: "tools/call", params },
      timeoutMs,
      ...(timeoutMaxMs !== undefined && { timeoutMaxMs }),
    },
    sink,
  );
  return { sink, handle };
}

async function errorOf(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const error = await promise.then(
    () => ({ code: "NONE", message: "it did not fail" }),
    (reason: SignalboxError) => reason,
  );
  return { code: error.code, message: error.message };
}

async function untilGone(pid: number): Promise<void> {
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000, interval: 20 });
}

const readLines = (path: string): string[] => readFileSync(path, "utf8").trim().split("\n");

describe("the era of a server", () => {
  test("is modern where server/discover is answered, in one process", async () => {
    const starts = join(folder(), "starts");
    const opened = await lane(habits("modern", `starts=${starts}`));
    expect(opened).toMatchObject({
      era: "modern",
      revision: "2026-07-28",
      serverInfo: { name: "fake" },
      instructions: "Be kind.",
    });
    expect(opened.eraProbedAt).toBeTypeOf("number");
    expect(readLines(starts)).toHaveLength(1);
  });

  test("is modern where both are spoken", async () => {
    expect((await lane(habits("dual"))).era).toBe("modern");
  });

  test("is legacy where server/discover is refused, in the same process", async () => {
    const starts = join(folder(), "starts");
    const opened = await lane(habits("legacy", `starts=${starts}`));
    expect(opened).toMatchObject({ era: "legacy", revision: "2025-11-25" });
    expect(readLines(starts)).toHaveLength(1);
    const { seen } = await call(opened, "seen").result;
    expect(seen?.map((one) => one.method)).toEqual([
      "server/discover",
      "initialize",
      "notifications/initialized",
      "tools/call",
    ]);
  });

  test("is found in a second process where the probe ends the first, and once only", async () => {
    const starts = join(folder(), "starts");
    const verdicts = new EraVerdicts();
    const options = habits("legacy", "exits-on-probe", `starts=${starts}`);
    expect((await lane(options, { deps: { verdicts } })).era).toBe("legacy");
    expect(readLines(starts)).toHaveLength(2);
    expect((await lane(options, { deps: { verdicts } })).era).toBe("legacy");
    expect(readLines(starts)).toHaveLength(3);
  });

  test("is legacy where the probe is met with silence", async () => {
    const deps = { probeSilenceMs: 300 };
    expect((await lane(habits("legacy", "silent-on-meta"), { deps })).era).toBe("legacy");
  });

  test("is modern where both are spoken but slowly", async () => {
    const deps = { probeSilenceMs: 300 };
    const opened = await lane(habits("dual", "late=700"), { deps });
    expect(opened.era).toBe("modern");
  });

  test("is found again when a legacy server became modern only", async () => {
    const verdicts = new EraVerdicts();
    const options = habits("modern");
    verdicts.set(JSON.stringify([options.command, options.args, ""]), "legacy", systemClock);
    expect((await lane(options, { deps: { verdicts } })).era).toBe("modern");
  });

  test("is found again when a modern server became legacy", async () => {
    const verdicts = new EraVerdicts();
    const options = habits("legacy", "exits-on-probe");
    verdicts.set(JSON.stringify([options.command, options.args, ""]), "modern", systemClock);
    expect((await lane(options, { deps: { verdicts } })).era).toBe("legacy");
  });

  test("is not asked for where it is pinned", async () => {
    const legacy = await lane({ ...habits("dual"), protocol_era: "legacy" });
    expect(legacy.era).toBe("legacy");
    expect(legacy.eraProbedAt).toBeUndefined();
    expect((await lane({ ...habits("dual"), protocol_era: "modern" })).era).toBe("modern");
  });

  test("pinned to what the server does not speak is refused with its words", async () => {
    const error = await errorOf(lane({ ...habits("modern"), protocol_era: "legacy" }));
    expect(error).toEqual({
      code: "SERVER_REFUSED",
      message:
        'The server "fake" did not open a session: it answered with error -32022: Unsupported protocol version.',
    });
  });
});

describe("a server that cannot be opened", () => {
  test("is named with its command when that is not found", async () => {
    expect(await errorOf(lane({ command: "no-such-program-here" }))).toEqual({
      code: "SERVER_UNREACHABLE",
      message:
        'The server "fake" cannot start: command not found: no-such-program-here. Install it, or give its full path.',
    });
  });

  test("is named with its folder when that is missing", async () => {
    const error = await errorOf(lane({ ...habits("legacy"), cwd: "/no/such/folder" }));
    expect(error.code).toBe("SERVER_UNREACHABLE");
    expect(error.message).toContain("/no/such/folder is not a folder");
  });

  test("is reported with its last words, secrets masked", async () => {
    const program = "console.error('no database: password=hunter22222');process.exit(3)";
    const error = await errorOf(lane({ command: process.execPath, args: ["-e", program] }));
    expect(error.code).toBe("SERVER_CRASHED");
    expect(error.message).toContain("exit code 3");
    expect(error.message).toContain("no database: password=[redacted]");
  });

  test("that says nothing is given up in time, and its process ends", async () => {
    const starts = join(folder(), "starts");
    const options = habits("modern", "late=60000", "ignores-eof", `starts=${starts}`);
    const error = await errorOf(lane(options, { deps: { connectTimeoutMs: 2_500 } }));
    expect(error.code).toBe("SERVER_TIMEOUT");
    for (const pid of readLines(starts)) await untilGone(Number(pid));
  });

  test("is given up when the caller is", async () => {
    const controller = new AbortController();
    const opening = errorOf(
      lane(habits("modern", "late=60000"), { context: { signal: controller.signal } }),
    );
    controller.abort();
    expect((await opening).code).toBe("SERVER_CLOSED");
  });
});

describe("a child's environment", () => {
  test("holds what programs need and what the options name, and nothing of ours", async () => {
    vi.stubEnv("SIGNALBOX_ADMIN_KEY", "sbx_secret");
    vi.stubEnv("DATABASE_URL", "postgres://secret");
    vi.stubEnv("LC_TIME", "C");
    vi.stubEnv("WANTED", "yes");
    const cwd = folder();
    const opened = await lane({
      ...habits("legacy"),
      env: { GIVEN: "1" },
      env_allow: ["WANTED"],
      cwd,
    });
    vi.unstubAllEnvs();
    const { environment, cwd: where } = await call(opened, "environment").result;
    expect(environment).toMatchObject({ GIVEN: "1", WANTED: "yes", LC_TIME: "C" });
    expect(environment).toHaveProperty("PATH");
    expect(environment).not.toHaveProperty("SIGNALBOX_ADMIN_KEY");
    expect(environment).not.toHaveProperty("DATABASE_URL");
    expect(where).toBe(cwd);
  });
});

describe("an answer", () => {
  test.each(["echo", "at-the-end", "as-text", "in-batch", "noise"])(
    "comes back under the caller's id, whatever it is (%s)",
    async (tool) => {
      const opened = await legacyLane();
      for (const id of [
        7,
        0,
        123_456_789,
        "7",
        'ä "quoted" id that is longer than the minted one',
      ]) {
        const answer = await call(opened, tool, { id, args: { text: "grüße" } }).json;
        expect(answer["id"]).toBe(id);
        expect(answer).toMatchObject({ result: { content: [{ text: "grüße" }] } });
      }
    },
  );

  test.each(["head", "tail"])("of several chunks keeps its bytes (%s)", async (where) => {
    const opened = await legacyLane();
    const size = 300_000;
    for (const id of [1, 999_999, "x".repeat(20), "y".repeat(200)]) {
      const answer = call(opened, "blob", { id, args: { size, where } });
      expect((await answer.json)["id"]).toBe(id);
      expect((await answer.result).text).toBe("x".repeat(size));
    }
  });

  test("keeps numbers that a double cannot hold", async () => {
    const body = await call(await legacyLane(), "spaced").body;
    expect(body.toString()).toContain("12345678901234567890");
  });

  test("reaches its own caller among many at once", async () => {
    const opened = await legacyLane();
    const answers = await Promise.all(
      Array.from(
        { length: 200 },
        (_, n) =>
          call(opened, n % 2 === 0 ? "echo" : "at-the-end", {
            id: n % 3 === 0 ? `s${n}` : 1,
            args: { text: `t${n}` },
          }).json,
      ),
    );
    for (const [n, answer] of answers.entries()) {
      expect(answer["id"]).toBe(n % 3 === 0 ? `s${n}` : 1);
      expect(answer).toMatchObject({ result: { content: [{ text: `t${n}` }] } });
    }
  });

  test("leaves the caller's message as it was", async () => {
    const opened = await legacyLane();
    const mine = Object.freeze({
      jsonrpc: "2.0" as const,
      id: "mine",
      method: "tools/call",
      params: Object.freeze({ name: "progress", _meta: Object.freeze({ progressToken: "t" }) }),
    });
    const sink = new Answer();
    opened.send({ message: mine, timeoutMs: 10_000 }, sink);
    expect((await sink.json)["id"]).toBe("mine");
  });

  test("given twice counts once", async () => {
    const opened = await legacyLane();
    const first = call(opened, "twice");
    await first.body;
    await call(opened, "echo").body;
    expect(first.endings).toBe(1);
    expect(opened.counts.lateAnswers).toBe(1);
  });

  test("to someone else's id is ignored and counted", async () => {
    const opened = await legacyLane();
    const waiting = call(opened, "foreign");
    await vi.waitFor(() => expect(opened.counts.unknownIds).toBe(2), { timeout: 10_000 });
    expect(waiting.endings).toBe(0);
  });

  test("without an id fails the one call in flight", async () => {
    expect(await call(await legacyLane(), "null-id", { id: 5 }).json).toMatchObject({
      id: 5,
      error: { code: -32700 },
    });
  });

  test("without an id is nobody's among several calls", async () => {
    const opened = await legacyLane();
    const calls = [call(opened, "never"), call(opened, "null-id")];
    await vi.waitFor(() => expect(opened.counts.unknownIds).toBe(1), { timeout: 10_000 });
    expect(calls.map((one) => one.endings)).toEqual([0, 0]);
  });

  test("that is none fails the call and names the server", async () => {
    const error = await errorOf(call(await legacyLane(), "no-answer-at-all").body);
    expect(error.code).toBe("SERVER_GARBAGE");
    expect(error.message).toContain('The server "fake" answered "tools/call"');
  });
});

describe("what is not JSON-RPC", () => {
  test("is skipped and counted", async () => {
    const opened = await lane(habits("legacy", "noisy"));
    await call(opened, "noise").body;
    expect(opened.skippedLines).toBe(6);
  });
});

describe("a line over the bound", () => {
  test.each(["head", "tail"])("fails its own call only (%s)", async (where) => {
    const opened = await legacyLane(undefined, { responseBytesMax: 100_000 });
    const other = call(opened, "echo", { id: "other" });
    const large = call(opened, "blob", { args: { size: 300_000, where } });
    const error = await errorOf(large.body);
    expect(error.code).toBe("SERVER_TOO_LARGE");
    expect(error.message).toContain("more than 100000 bytes");
    expect((await other.json)["id"]).toBe("other");
    expect((await call(opened, "echo").json)["id"]).toBe(1);
    expect(opened.counts.overlongLines).toBe(1);
  });

  test("that never ends stops the server", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard, { responseBytesMax: 100_000 });
    const waiting = call(opened, "endless");
    expect((await errorOf(waiting.body)).code).toBe("SERVER_TOO_LARGE");
    expect(heard.ends.map((error) => error.code)).toEqual(["SERVER_TOO_LARGE"]);
    await untilGone(opened.pid);
  });
});

describe("progress", () => {
  test("comes back under the caller's token, its type kept", async () => {
    const opened = await legacyLane();
    for (const token of ["tok", 0, 17]) {
      const answer = call(opened, "progress", { meta: { progressToken: token } });
      await answer.body;
      expect(answer.messages).toHaveLength(3);
      for (const heard of answer.messages)
        expect(heard).toMatchObject({ params: { progressToken: token } });
    }
  });

  test.each([
    ["grants the timeout anew", 10_000, "answered"],
    ["does not grant more than the longest time allowed", 1_000, "SERVER_TIMEOUT"],
  ])("%s", async (_fact, timeoutMaxMs, outcome) => {
    const clock = manualClock();
    const answer = call(await legacyLane(undefined, { clock }), "steady-progress", {
      args: { everyMs: 120, steps: 8 },
      meta: { progressToken: 1 },
      timeoutMs: 400,
      timeoutMaxMs,
    });
    answer.onMessage = () => clock.advance(300);
    const ended = await answer.body.then(
      () => "answered",
      (error: SignalboxError) => error.code,
    );
    expect(ended).toBe(outcome);
  });

  test("for a caller that did not ask is ignored", async () => {
    const answer = call(await legacyLane(), "progress");
    await answer.body;
    expect(answer.messages).toEqual([]);
  });
});

describe("giving up", () => {
  test("in time tells the server which request", async () => {
    const opened = await legacyLane();
    const error = await errorOf(call(opened, "never", { timeoutMs: 100 }).body);
    expect(error).toEqual({
      code: "SERVER_TIMEOUT",
      message: 'The server "fake" did not answer "tools/call" within 100 ms.',
    });
    expect(await cancellations(opened)).toEqual([
      { requestId: expect.any(Number), reason: "timeout" },
    ]);
  });

  test("by the caller tells the server, and the caller hears nothing more", async () => {
    const opened = await legacyLane();
    const { sink, handle } = exchange(opened, "never");
    handle.cancel("no longer needed");
    handle.cancel("twice");
    expect(await cancellations(opened)).toEqual([
      { requestId: expect.any(Number), reason: "no longer needed" },
    ]);
    expect(sink.endings).toBe(0);
  });

  async function cancellations(opened: StdioLane): Promise<unknown[]> {
    const { seen = [] } = await call(opened, "seen").result;
    return seen.filter((one) => one.method === "notifications/cancelled").map((one) => one.params);
  }
});

describe("what the server says unasked", () => {
  test("belongs to the call in flight, list changes to the listener", async () => {
    const heard = new Heard();
    const answer = call(await legacyLane(heard), "log");
    await answer.body;
    expect(answer.messages).toMatchObject([{ method: "notifications/message" }]);
    expect(heard.notifications).toMatchObject([{ method: "notifications/tools/list_changed" }]);
  });

  test("goes to the listener where several calls are in flight", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard);
    const { handle } = exchange(opened, "never");
    await call(opened, "log").body;
    handle.cancel("done");
    expect(heard.notifications).toMatchObject([
      { method: "notifications/message" },
      { method: "notifications/tools/list_changed" },
    ]);
  });

  test("and asks is answered under the server's id", async () => {
    const opened = await legacyLane();
    const sink = call(opened, "ask");
    sink.onMessage = (heard) =>
      opened.respond({ jsonrpc: "2.0", id: String(heard["id"]), result: { said: "yes" } });
    const { content } = await sink.result;
    expect(JSON.parse(content?.[0]?.text ?? "")).toEqual({
      jsonrpc: "2.0",
      id: "q1",
      result: { said: "yes" },
    });
  });

  test("and asks during a list, which asks nobody, goes to the listener", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard);
    const sink = new Answer();
    const list = { jsonrpc: "2.0" as const, id: 1, method: "tools/list" };
    opened.send({ message: list, timeoutMs: 10_000 }, sink);
    await vi.waitFor(() => expect(heard.requests).toMatchObject([{ method: "roots/list" }]));
    opened.respond({ jsonrpc: "2.0", id: "q2", result: { roots: [] } });
    await sink.body;
    expect(sink.messages).toEqual([]);
  });

  test("with ping is answered at once", async () => {
    const answer = call(await legacyLane(), "ping");
    expect((await answer.body).toString()).toContain('\\"id\\":\\"p1\\"');
    expect(answer.messages).toEqual([]);
  });
});

describe("a subscription", () => {
  test("carries the caller's id wherever the server names its own", async () => {
    const opened = await lane({ ...habits("modern"), protocol_era: "modern" });
    const sink = new Answer();
    opened.send(
      {
        message: { jsonrpc: "2.0", id: "listen-1", method: "subscriptions/listen", params: {} },
        timeoutMs: 10_000,
      },
      sink,
    );
    const answer = await sink.json;
    expect(answer).toMatchObject({
      id: "listen-1",
      result: { _meta: { [META.subscriptionId]: "listen-1" } },
    });
    expect(sink.messages).toMatchObject([
      {
        method: "notifications/subscriptions/acknowledged",
        params: { _meta: { [META.subscriptionId]: "listen-1" } },
      },
      {
        method: "notifications/tools/list_changed",
        params: { _meta: { [META.subscriptionId]: "listen-1" } },
      },
    ]);
  });
});

describe("a crash", () => {
  test("fails every call with how and the last words, and tells the listener", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard);
    const other = call(opened, "never");
    const error = await errorOf(call(opened, "crash").body);
    expect(error).toEqual({
      code: "SERVER_CRASHED",
      message:
        'The server "fake" ended unexpectedly (exit code 7); it last wrote: out of cheese, password=[redacted].',
    });
    expect((await errorOf(other.body)).code).toBe("SERVER_CRASHED");
    expect((await errorOf(call(opened, "echo").body)).code).toBe("SERVER_CRASHED");
    expect(opened.closed).toBe(true);
    expect(heard.ends).toHaveLength(1);
  });

  test("is what closing its output amounts to", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard);
    expect((await errorOf(call(opened, "mute").body)).code).toBe("SERVER_CLOSED");
    await untilGone(opened.pid);
  });
});

describe("closing", () => {
  test("ends the child, fails what is in flight and does not call it a crash", async () => {
    const heard = new Heard();
    const opened = await legacyLane(heard);
    const waiting = call(opened, "never");
    await opened.close();
    expect((await errorOf(waiting.body)).code).toBe("SERVER_CLOSED");
    expect(isRunning(opened.pid)).toBe(false);
    expect(heard.ends).toEqual([]);
  });

  test("ends a child that ignores the end of its input and SIGTERM, and its grandchild", async () => {
    const opened = await lane({
      ...habits("legacy", "ignores-eof", "ignores-term", "grandchild"),
      protocol_era: "legacy",
    });
    const { grandchild = 0 } = await call(opened, "environment").result;
    expect(isRunning(grandchild)).toBe(true);
    await opened.close();
    expect(isRunning(opened.pid)).toBe(false);
    expect(isRunning(grandchild)).toBe(false);
  });
});

describe("standard error", () => {
  test("is kept in lines", async () => {
    const opened = await legacyLane();
    await call(opened, "complain").body;
    await vi.waitFor(() => expect(opened.stderr()).toEqual(["line one", "line two"]));
  });
});

describe("too much at once", () => {
  test("is refused as busy, not queued without bound", async () => {
    const stuck = await lane({ ...habits("legacy"), protocol_era: "legacy" });
    process.kill(stuck.pid, "SIGSTOP");
    const text = "x".repeat(4 * 1024 * 1024);
    const calls = Array.from({ length: 8 }, () => call(stuck, "echo", { args: { text } }));
    const last = calls.at(-1);
    const error = await errorOf(last?.body ?? Promise.resolve());
    process.kill(stuck.pid, "SIGCONT");
    expect(error.code).toBe("SERVER_REFUSED");
    expect(error.message).toContain("busy");
  });
});

describe("real servers", () => {
  test("everything answers, asks and reports progress", async () => {
    const heard = new Heard();
    const opened = await lane(
      {
        command: process.execPath,
        args: [join(packages, "server-everything/dist/index.js"), "stdio"],
      },
      { heard },
    );
    expect(opened.era).toBe("legacy");
    const echo = await call(opened, "echo", { id: "e", args: { message: "hi" } }).json;
    expect(echo).toMatchObject({ id: "e", result: { content: [{ text: "Echo: hi" }] } });
    const long = call(opened, "trigger-long-running-operation", {
      args: { duration: 0.3, steps: 3 },
      meta: { progressToken: "p" },
    });
    await long.body;
    expect(long.messages.length).toBeGreaterThan(0);
    expect(long.messages[0]).toMatchObject({ params: { progressToken: "p" } });
  });

  test("memory remembers", async () => {
    const opened = await lane({
      command: process.execPath,
      args: [join(packages, "server-memory/dist/index.js")],
      env: { MEMORY_FILE_PATH: join(folder(), "memory.jsonl") },
    });
    const entities = [{ name: "Ada", entityType: "person", observations: ["counts"] }];
    await call(opened, "create_entities", { args: { entities } }).body;
    const graph = await call(opened, "read_graph").json;
    expect(JSON.stringify(graph)).toContain("Ada");
  });
});
