import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { inRoot } from "../support/root.ts";
import { modernMeta } from "../support/wire.ts";
import { LedgerServer } from "./ledger-server.ts";
import { ledgerSchema, readLedgerFile } from "./ledger.ts";

const listSchema = z.object({
  result: z.object({
    tools: z.array(z.object({ name: z.string(), annotations: z.record(z.string(), z.boolean()) })),
  }),
});

describe("over HTTP", () => {
  test("answers a call with its text and notes one execution", async () => {
    await using server = await LedgerServer.start();
    const answer = await post(server, callOf("write", { id: "a" }));
    expect(await answer.json()).toMatchObject({
      id: 1,
      result: { content: [{ type: "text", text: "write a" }] },
    });
    const told = await fetch(new URL("/ledger", server.url));
    expect(ledgerSchema.parse(await told.json()).entries).toEqual([
      { server: "ledger", tool: "write", id: "a", what: "executed" },
    ]);
  });

  test("executes before it fails, as often as it is asked, and fails as often as it should", async () => {
    await using server = await LedgerServer.start();
    const call = callOf("put", { id: "a", fail: "status500", failTimes: 2 });
    const statuses: number[] = [];
    for (let round = 0; round < 3; round++) statuses.push((await post(server, call)).status);
    expect(statuses).toEqual([500, 500, 200]);
    expect(server.ledger.executions("a")).toBe(3);
  });

  test("a throttled call is turned away without being executed", async () => {
    await using server = await LedgerServer.start();
    const call = callOf("write", { id: "a", fail: "throttle429", failTimes: 1 });
    const refused = await post(server, call);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(server.ledger.executions("a")).toBe(0);
    expect((await post(server, call)).status).toBe(200);
    expect(server.ledger.executions("a")).toBe(1);
  });

  test("resets and crashes break the connection, garbage is no JSON", async () => {
    await using server = await LedgerServer.start();
    for (const fail of ["reset", "crash"])
      await expect(post(server, callOf("write", { id: fail, fail }))).rejects.toThrow(
        "fetch failed",
      );
    const garbage = await post(server, callOf("write", { id: "garbage", fail: "garbage" }));
    expect(await garbage.text()).toContain("not JSON");
    expect(server.ledger.entries.map(({ id }) => id)).toEqual(["reset", "crash", "garbage"]);
  });

  test("what hangs is executed and never answered", async () => {
    await using server = await LedgerServer.start();
    const left = new AbortController();
    const answer = post(server, callOf("write", { id: "a", fail: "hang" }), left.signal);
    await expect.poll(() => server.ledger.executions("a")).toBe(1);
    left.abort();
    await expect(answer).rejects.toThrow("aborted");
  });

  test("says in its annotations what may be repeated", async () => {
    await using server = await LedgerServer.start();
    const list = await post(server, { jsonrpc: "2.0", id: 1, method: "tools/list" });
    const { tools } = listSchema.parse(await list.json()).result;
    expect(tools.map(({ name }) => name)).toEqual(["write", "read", "put"]);
    expect(tools.map(({ annotations }) => annotations["readOnlyHint"])).toEqual([
      false,
      true,
      false,
    ]);
    expect(tools[2]?.annotations["idempotentHint"]).toBe(true);
  });

  test.each([
    ["legacy", [true, false]],
    ["modern", [false, true]],
    ["both", [true, true]],
  ] as const)("speaks the era %s", async (era, expected) => {
    await using server = await LedgerServer.start({ era });
    const spoken: boolean[] = [];
    for (const method of ["initialize", "server/discover"]) {
      const answer = await post(server, { jsonrpc: "2.0", id: 1, method });
      spoken.push(JSON.stringify(await answer.json()).includes('"result"'));
    }
    expect(spoken).toEqual(expected);
  });

  test("in a bad mood it fails its share of the calls, the same for the same seed", async () => {
    const statuses = async (seed: number): Promise<number[]> => {
      await using server = await LedgerServer.start({ seed });
      server.setMood({ failShare: 0.5 });
      const seen: number[] = [];
      for (let id = 0; id < 40; id++)
        seen.push((await post(server, callOf("read", { id: String(id) }))).status);
      return seen;
    };
    const first = await statuses(1);
    expect(new Set(first)).toEqual(new Set([200, 500]));
    expect(await statuses(1)).toEqual(first);
  });
});

describe("over stdio", () => {
  test("answers, crashes after its execution, and knows it when it runs again", async () => {
    const folder = await newFolder();
    const ledger = join(folder, "ledger");
    const call = callOf("write", { id: "a", fail: "crash", failTimes: 1 });
    const first = startStdio(["--ledger", ledger]);
    first.stdin?.write(`${JSON.stringify(call)}\n`);
    expect(await once(first, "exit")).toEqual([9, null]);
    const second = startStdio(["--ledger", ledger]);
    second.stdin?.write(`${JSON.stringify(call)}\n`);
    expect(await lineOf(second)).toContain("write a");
    expect(readLedgerFile(ledger)).toHaveLength(2);
  });

  test("ends by itself as long as it is broken", async () => {
    const folder = await newFolder();
    const [starts, broken] = [join(folder, "starts"), join(folder, "broken")];
    await writeFile(broken, "");
    const args = ["--starts", starts, "--crash-while", broken];
    expect(await once(startStdio(args), "exit")).toEqual([1, null]);
    await rm(broken);
    const mended = startStdio(args);
    mended.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })}\n`);
    expect(await lineOf(mended)).toContain('"result"');
    expect((await readFile(starts, "utf8")).trim().split("\n")).toHaveLength(2);
  });
});

function callOf(name: string, args: Record<string, unknown>): object {
  const params = { name, arguments: args, _meta: modernMeta };
  return { jsonrpc: "2.0", id: 1, method: "tools/call", params };
}

async function post(server: LedgerServer, body: object, signal?: AbortSignal): Promise<Response> {
  return await fetch(server.url, {
    method: "POST",
    body: JSON.stringify(body),
    ...(signal !== undefined && { signal }),
  });
}

function startStdio(args: string[]): ChildProcess {
  const child = spawn(process.execPath, [inRoot("test/faults/ledger-stdio.ts"), ...args], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function lineOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error("the program has no output");
  const [line] = await once(createInterface({ input: stdout }), "line");
  return String(line);
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ledger-"));
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}
