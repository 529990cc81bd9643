import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SignalboxError } from "../../foundation/index.ts";
import type { CliIo, StartedGateway } from "../cli-io.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";
import { FakeMcpGateway } from "../stdio/fake-mcp-gateway.ts";

let gateway: FakeMcpGateway;
let home: string;

beforeEach(async () => {
  gateway = await FakeMcpGateway.start();
  home = await mkdtemp(join(tmpdir(), "signalbox-stdio-"));
});

afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const call = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: {
    name: "echo",
    arguments: { text: "hello" },
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
});

async function stdio(
  startGateway: CliIo["startGateway"],
  argv: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home, ...env }, input: `${call}\n` });
  const io = startGateway === undefined ? terminal.io : { ...terminal.io, startGateway };
  const code = await runCli(["stdio", ...argv], io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("starts a gateway where none runs, says so on stderr, and stops it at the end", async () => {
  const events: string[] = [];
  const ran = await stdio((wanted) => {
    events.push(`started for ${wanted}`);
    const stop = (): Promise<void> => {
      events.push("stopped");
      return Promise.resolve();
    };
    return Promise.resolve({ url: gateway.url, key: gateway.key, stop });
  });
  expect(ran.code).toBe(0);
  expect(events).toEqual([`started for ${home}`, "stopped"]);
  expect(ran.stderr).toContain("starting one for as long as this client is connected");
  expect(
    ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toMatchObject([{ id: 1, result: { content: [{ text: "hello" }] } }]);
});

test("starts none where one runs, and takes the home's key", async () => {
  await writeFile(join(home, "gateway.json"), JSON.stringify({ url: gateway.url, pid: 1 }));
  await writeFile(join(home, "admin.key"), gateway.key);
  const ran = await stdio(() => Promise.reject(new Error("not to be called")));
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("hello");
});

test("starts none for an address that was given", async () => {
  for (const argv of [["--url", "http://127.0.0.1:1"], []]) {
    const env = argv.length === 0 ? { SIGNALBOX_URL: "http://127.0.0.1:1" } : {};
    const ran = await stdio(() => Promise.reject(new Error("not to be called")), argv, env);
    expect(ran).toMatchObject({ code: 3, stdout: "" });
  }
});

test("uses the gateway that another process started for the home at the same moment", async () => {
  const ran = await stdio(async () => {
    await writeFile(join(home, "admin.key"), gateway.key);
    await writeFile(join(home, "gateway.json"), JSON.stringify({ url: gateway.url, pid: 1 }));
    throw new SignalboxError("HOME_LOCKED", "Another gateway uses this home.");
  });
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("hello");
});

test("says why a gateway could not be started", async () => {
  const ran = await stdio(() => Promise.reject(new Error("no room on the disk")));
  expect(ran).toMatchObject({ code: 3, stdout: "" });
  expect(ran.stderr).toContain("no room on the disk");
});

test("starts one of its own where the one it used is gone, and stops it at the end", async () => {
  const other = await FakeMcpGateway.start();
  await writeFile(join(home, "gateway.json"), JSON.stringify({ url: other.url, pid: 1 }));
  await writeFile(join(home, "admin.key"), other.key);
  const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home } });
  const stdin = new PassThrough();
  const events: string[] = [];
  const startGateway = (): Promise<StartedGateway> => {
    events.push("started");
    const stop = (): Promise<void> => {
      events.push("stopped");
      return Promise.resolve();
    };
    return Promise.resolve({ url: gateway.url, key: gateway.key, stop });
  };
  const answers = (): string[] => terminal.stdout().split("\n").slice(0, -1);
  const running = runCli(["stdio"], { ...terminal.io, stdin, startGateway });
  stdin.write(`${call}\n`);
  await vi.waitUntil(() => answers().length === 1, { timeout: 10_000 });
  await other[Symbol.asyncDispose]();
  // The one that finds the connection broken may have been carried out, and is not sent again.
  for (let said = 2; events.length === 0; said++) {
    stdin.write(`${call}\n`);
    await vi.waitUntil(() => answers().length === said, { timeout: 15_000 });
  }
  stdin.end();
  expect(await running).toBe(0);
  expect(answers().at(-1)).toContain("hello");
  expect(events).toEqual(["started", "stopped"]);
});
