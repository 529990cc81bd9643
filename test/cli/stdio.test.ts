// The official clients over stdio, against the command as a real process, against official servers over HTTP.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as LegacyStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeMcpGateway } from "../../src/cli/stdio/fake-mcp-gateway.ts";

const program = `
const { runCli } = await import(${JSON.stringify(new URL("../../src/cli/index.ts", import.meta.url).href)});
const { env, stdin, stdout, stderr } = process;
process.exitCode = await runCli(process.argv.slice(1), { env, stdin, stdout, stderr });
`;

let gateway: FakeMcpGateway;
let home: string;
const children: ChildProcess[] = [];
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  gateway = await FakeMcpGateway.start();
  home = await mkdtemp(join(tmpdir(), "signalbox-stdio-"));
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await gateway[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function command(key = gateway.key): {
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
} {
  return {
    command: process.execPath,
    args: ["--input-type=module", "-e", program, "--", "stdio", "--url", gateway.url],
    env: { SIGNALBOX_KEY: key, PATH: process.env["PATH"] ?? "" },
    cwd: home,
  };
}

async function modernClient(): Promise<Client> {
  const client = new Client(
    { name: "test", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(new StdioClientTransport({ ...command(), stderr: "ignore" }));
  closers.push(() => client.close());
  return client;
}

async function legacyClient(): Promise<LegacyClient> {
  const client = new LegacyClient(
    { name: "test", version: "1" },
    { capabilities: { elicitation: {} } },
  );
  await client.connect(new LegacyStdio({ ...command(), stderr: "ignore" }));
  closers.push(() => client.close());
  return client;
}

/** The command as a process whose lines are written and read by hand. */
function raw(key?: string): {
  child: ChildProcess;
  lines: unknown[];
  say: (line: unknown) => void;
} {
  const { command: file, args, env, cwd } = command(key);
  const child = spawn(file, args, { env, cwd, stdio: ["pipe", "pipe", "ignore"] });
  children.push(child);
  const lines: unknown[] = [];
  if (child.stdout === null) throw new Error("no stdout");
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
  const say = (line: unknown): void => {
    child.stdin?.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
  };
  return { child, lines, say };
}

const patience = { timeout: 10_000, interval: 20 };
const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

function modernCall(id: number | string, name: string, args: unknown = {}): unknown {
  return {
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name, arguments: args, _meta: meta },
  };
}

describe("a modern client", () => {
  test("lists and calls tools, with the headers the revision asks for", async () => {
    const client = await modernClient();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain("echo");
    const result = await client.callTool({ name: "echo", arguments: { text: "grüß dich" } });
    expect(result.content).toEqual([{ type: "text", text: "grüß dich" }]);
    const call = gateway.seen.at(-1);
    expect(call?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "echo",
    });
  });

  test("sees progress before the answer", async () => {
    const { lines, say } = raw();
    const params = { name: "steps", _meta: { ...meta, progressToken: "p" } };
    say({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    await vi.waitUntil(() => lines.length === 4, patience);
    expect(lines).toMatchObject([
      { method: "notifications/progress", params: { progress: 1 } },
      { method: "notifications/progress", params: { progress: 2 } },
      { method: "notifications/progress", params: { progress: 3 } },
      { id: 1, result: { content: [{ text: "three steps" }] } },
    ]);
  });

  test("cancels a call by closing its stream, and hears nothing more of it", async () => {
    const { lines, say } = raw();
    say(modernCall(1, "wait"));
    await vi.waitUntil(() => gateway.waiting === 1, patience);
    say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
    await vi.waitUntil(() => gateway.cancelled === 1, patience);
    say(modernCall(2, "echo", { text: "next" }));
    await vi.waitUntil(() => lines.length > 0, patience);
    expect(lines).toMatchObject([{ id: 2 }]);
    expect(
      gateway.seen.filter(({ headers }) => headers["mcp-method"] === "notifications/cancelled"),
    ).toEqual([]);
  });

  test("has parameters mirrored in headers for a tool that asks for it", async () => {
    const { lines, say } = raw();
    say(modernCall(1, "region", { region: "Zürich" }));
    say(modernCall("two", "region", { region: "us-west1" }));
    await vi.waitUntil(() => lines.length === 2, patience);
    expect(lines).toContainEqual(
      expect.objectContaining({
        id: 1,
        result: expect.objectContaining({ content: [{ type: "text", text: "in Zürich" }] }),
      }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({
        id: "two",
        result: expect.objectContaining({ content: [{ type: "text", text: "in us-west1" }] }),
      }),
    );
  });

  test("calls many tools at once", async () => {
    const client = await modernClient();
    const texts = Array.from({ length: 60 }, (_, n) => `text ${String(n)}`);
    const results = await Promise.all(
      texts.map((text) => client.callTool({ name: "echo", arguments: { text } })),
    );
    expect(results.map(({ content }) => content)).toEqual(
      texts.map((text) => [{ type: "text", text }]),
    );
  });
});

describe("a legacy client", () => {
  test("works in one session, listens, and ends it", async () => {
    const client = await legacyClient();
    const result = await client.callTool({ name: "echo", arguments: { text: "hello" } });
    expect(result["content"]).toEqual([{ type: "text", text: "hello" }]);
    await vi.waitUntil(() => gateway.seen.some(({ method }) => method === "GET"), patience);
    const sessions = new Set(
      gateway.seen.map(({ headers }) => headers["mcp-session-id"]).filter((id) => id !== undefined),
    );
    expect(sessions.size).toBe(1);
    await client.close();
    await vi.waitUntil(() => gateway.sessionCount === 0, patience);
  });

  test("is asked by the server while a call runs, and answers", async () => {
    const client = await legacyClient();
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: "accept",
      content: { name: "Ada" },
    }));
    const result = await client.callTool({ name: "ask" });
    expect(JSON.stringify(result["content"])).toContain("Ada");
  });

  test("hears what belongs to no request", async () => {
    const client = await legacyClient();
    await vi.waitUntil(() => gateway.seen.some(({ method }) => method === "GET"), patience);
    const heard = new Set<string>();
    client.fallbackNotificationHandler = ({ method }) => {
      heard.add(method);
      return Promise.resolve();
    };
    let added = 0;
    await vi.waitFor(() => {
      gateway.addLegacyTool(`added-${String((added += 1))}`);
      expect(heard).toContain("notifications/tools/list_changed");
    }, patience);
  });

  test("cancels with a notification", async () => {
    const client = await legacyClient();
    const stop = new AbortController();
    const call = client.callTool({ name: "wait" }, undefined, { signal: stop.signal });
    await vi.waitUntil(() => gateway.waiting === 1, patience);
    stop.abort();
    await expect(call).rejects.toThrow("abort");
    await vi.waitUntil(() => gateway.cancelled === 1, patience);
  });

  test("keeps working when the gateway forgot the session", async () => {
    const client = await legacyClient();
    gateway.forgetSessions();
    const result = await client.callTool({ name: "echo", arguments: { text: "still here" } });
    expect(result["content"]).toEqual([{ type: "text", text: "still here" }]);
  });

  test("keeps working after the gateway was restarted; what was in flight fails with a sentence", async () => {
    const client = await legacyClient();
    const lost = client.callTool({ name: "wait" });
    const sentence = lost.then(
      () => "it was answered",
      (error: unknown) => String(error),
    );
    await vi.waitUntil(() => gateway.waiting === 1, patience);
    await gateway.kill();
    expect(await sentence).toContain("gateway");
    const meanwhile = client.callTool({ name: "echo", arguments: { text: "back" } });
    await gateway.listen();
    expect((await meanwhile)["content"]).toEqual([{ type: "text", text: "back" }]);
  });
});

describe("lines that are no calls", () => {
  test("text that is not JSON is answered with -32700 and no id", async () => {
    const { lines, say } = raw();
    say("{ not json");
    await vi.waitUntil(() => lines.length === 1, patience);
    expect(lines).toMatchObject([{ id: null, error: { code: -32700 } }]);
  });

  test("JSON that is no message is answered with -32600, with its id where it has one", async () => {
    const { lines, say } = raw();
    say({ id: 7, hello: true });
    say("[]");
    await vi.waitUntil(() => lines.length === 2, patience);
    expect(lines).toMatchObject([
      { id: 7, error: { code: -32600 } },
      { id: null, error: { code: -32600 } },
    ]);
  });

  test("an id that is in flight is refused", async () => {
    const { lines, say } = raw();
    say(modernCall(1, "wait"));
    await vi.waitUntil(() => gateway.waiting === 1, patience);
    say(modernCall(1, "echo", { text: "again" }));
    await vi.waitUntil(() => lines.length === 1, patience);
    expect(lines).toMatchObject([{ id: 1, error: { code: -32600 } }]);
  });

  test("a wrong key is told as an error of each request", async () => {
    const { lines, say } = raw("sbx_wrong");
    say(modernCall(1, "echo", { text: "x" }));
    say({ jsonrpc: "2.0", id: 2, method: "initialize", params: {} });
    await vi.waitUntil(() => lines.length === 2, patience);
    expect(lines).toContainEqual(
      expect.objectContaining({ id: 1, error: expect.objectContaining({ code: -32603 }) }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({ id: 2, error: expect.objectContaining({ code: -32603 }) }),
    );
  });
});

describe("the end of the input", () => {
  test("lets what is in flight finish, then ends with 0", async () => {
    const { child, lines, say } = raw();
    say(modernCall(1, "steps"));
    child.stdin?.end();
    await once(child, "exit");
    expect(child.exitCode).toBe(0);
    expect(lines.at(-1)).toMatchObject({ id: 1, result: { content: [{ text: "three steps" }] } });
  });

  test("a gateway that never ran ends the command with 3 and nothing on stdout", async () => {
    await gateway.kill();
    const { child, lines } = raw();
    await once(child, "exit");
    expect(child.exitCode).toBe(3);
    expect(lines).toEqual([]);
    await gateway.listen();
  });
});
