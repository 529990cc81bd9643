import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeTerminal } from "../fake-terminal.ts";
import type { FakeTerminalOptions } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";
import { FakeMcpGateway } from "../stdio/fake-mcp-gateway.ts";

let gateway: FakeMcpGateway;
let folder: string;

beforeEach(async () => {
  gateway = await FakeMcpGateway.start();
  folder = await mkdtemp(join(tmpdir(), "signalbox-call-"));
});

afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function call(
  argv: readonly string[],
  options: FakeTerminalOptions & { signal?: AbortSignal } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { signal, ...rest } = options;
  const env = { SIGNALBOX_URL: gateway.url, SIGNALBOX_KEY: gateway.key };
  const terminal = fakeTerminal({ cwd: folder, ...rest, env });
  const io = signal === undefined ? terminal.io : { ...terminal.io, signal };
  const code = await runCli(["call", ...argv], io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("prints the texts of the result", async () => {
  expect(await call(["echo", "--args", '{"text":"hello"}'])).toEqual({
    code: 0,
    stdout: "hello\n",
    stderr: "",
  });
});

test("prints the raw result with --json", async () => {
  const { stdout } = await call(["echo", "--args", '{"text":"hello"}', "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    resultType: "complete",
    content: [{ type: "text", text: "hello" }],
  });
});

test("reads the arguments from a file or from stdin", async () => {
  await writeFile(join(folder, "args.json"), '{"text":"from a file"}');
  expect((await call(["echo", "--args", "@args.json"])).stdout).toBe("from a file\n");
  expect((await call(["echo", "-a", "-"], { input: '{"text":"from stdin"}' })).stdout).toBe(
    "from stdin\n",
  );
});

test("a result that says it is an error ends with 1", async () => {
  const ran = await call(["fails"]);
  expect(ran.code).toBe(1);
  expect(ran.stdout).toBe("it broke\n");
});

test("shows progress on a terminal", async () => {
  const ran = await call(["steps"], { tty: true });
  expect(ran.stdout).toBe("three steps\n");
  expect(ran.stderr).toContain("steps: 2/3 step 2");
  expect((await call(["steps"])).stderr).toBe("");
});

test("mirrors parameters in headers for a tool that asks for it", async () => {
  expect((await call(["region", "--args", '{"region":"Zürich"}'])).stdout).toBe("in Zürich\n");
});

test("an interrupt cancels the call and ends with 130", async () => {
  const interrupt = new AbortController();
  const ran = call(["wait"], { signal: interrupt.signal });
  await vi.waitUntil(() => gateway.waiting === 1, { timeout: 10_000 });
  interrupt.abort();
  expect((await ran).code).toBe(130);
  await vi.waitUntil(() => gateway.cancelled === 1, { timeout: 10_000 });
});

test("a timeout cancels the call and says so", async () => {
  const ran = await call(["wait", "-t", "50ms"]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain("did not answer within 50 ms");
  await vi.waitUntil(() => gateway.cancelled === gateway.waiting, { timeout: 10_000 });
});

test("an unknown tool is told with the protocol's sentence", async () => {
  const ran = await call(["nowhere__nothing"]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toMatch(/^error .*nowhere__nothing.* \(JSON_RPC_-32602\)/);
});

test.each([
  ["{", "not JSON"],
  ["[1]", "must be a JSON object"],
  ["@missing.json", "cannot be read"],
])("arguments %j are refused", async (args, sentence) => {
  const ran = await call(["echo", "--args", args]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(sentence);
});
