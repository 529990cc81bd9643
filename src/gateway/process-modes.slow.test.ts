// Who shares a local process, by `process.mode`, with real processes behind a real gateway.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { hashKey } from "../access/index.ts";
import { systemClock, type Clock } from "../foundation/index.ts";
import { isRunning } from "../upstream/transports/running.ts";
import { serverOptions } from "../upstream/index.ts";
import {
  inside,
  keyRecord,
  modern,
  remote,
  runGateway,
  until,
  LegacyClient,
  type RunningGateway,
} from "./running-gateway.ts";

// A server of one tool, `who`, that tells its process id, once the file `hold` is gone where it is given one.
const program = `
const { existsSync } = require("node:fs");
const modern = process.argv[1] === "modern";
const who = (id, hold) => {
  if (hold !== undefined && existsSync(hold)) setTimeout(who, 5, id, hold);
  else answer(id, { content: [{ type: "text", text: String(process.pid) }] });
};
const answer = (id, result) =>
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } }) + "\\n");
const refuse = (id) =>
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32601, message: "no" } }) + "\\n");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  const capabilities = { tools: {} };
  const serverInfo = { name: "who", version: "1" };
  if (method === "server/discover" && modern)
    answer(id, { supportedVersions: ["2026-07-28"], capabilities, serverInfo });
  else if (method === "initialize" && !modern)
    answer(id, { protocolVersion: params.protocolVersion, capabilities, serverInfo });
  else if (method === "tools/list")
    answer(id, { tools: [{ name: "who", inputSchema: { type: "object" } }] });
  else if (method === "tools/call") who(id, params.arguments.hold);
  else if (method === "ping") answer(id, {});
  else if (id !== undefined) refuse(id);
});`;

interface Scene extends RunningGateway {
  /** Calls `who` as the holder of this key, and gives the process id; a call with `hold` ends when that does. */
  who: (key: string, more?: { hold?: Hold; headers?: Record<string, string> }) => Promise<number>;
  /** The process that serves the lists. */
  shared: () => number | undefined;
}

async function scene(era: string, process_: object, clock: Clock = systemClock): Promise<Scene> {
  const options = serverOptions.parse({
    command: process.execPath,
    args: ["-e", program, era],
    process: process_,
    connection_pool: { health_check_interval: "20ms" },
  });
  const definition = { ...remote("who", ""), options };
  const keys = ["ada", "bob"].map((key) => keyRecord(key, hashKey(key)));
  const running = await runGateway({ servers: [definition], keys }, { authRequired: true, clock });
  onTestFinished(() => running.close());
  return {
    ...running,
    who: async (key, { hold, headers = {} } = {}) => {
      const params = { name: "who__who", arguments: { ...(hold && { hold: hold.path }) } };
      const asked = await modern(`${running.url}/mcp`, "tools/call", params, { key, headers });
      const { result, text } = await asked.whole();
      const pid = Number(inside(result, "content", 0, "text"));
      if (!(pid > 0)) throw new Error(`no process id in ${text}`);
      return pid;
    },
    shared: () => running.gateway.serverStatus()[0]?.pid,
  };
}

/** Keeps calls running until it is let go. */
interface Hold {
  readonly path: string;
  end: () => void;
}

function newHold(): Hold {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-hold-"));
  const end = (): void => rmSync(folder, { recursive: true, force: true });
  onTestFinished(end);
  return { path: folder, end };
}

const ended = (pid: number): Promise<void> => until(`${pid} is gone`, () => !isRunning(pid));

/** A real clock that can be put forward. */
function movableClock(): Clock & { forwardMs: number } {
  const clock = {
    forwardMs: 0,
    now: () => systemClock.now() + clock.forwardMs,
    monotonicMs: () => systemClock.monotonicMs() + clock.forwardMs,
  };
  return clock;
}

describe.each(["legacy", "modern"])("a local server of the %s era", (era) => {
  test("is one process for all where nothing else is said", async () => {
    const { who, shared } = await scene(era, {});
    const pids = [await who("ada"), await who("bob"), await who("ada")];
    expect(new Set(pids).size).toBe(1);
    expect(shared()).toBe(pids[0]);
  });

  test('with mode "call" has a process for each call, which ends with it', async () => {
    const { who, shared } = await scene(era, { mode: "call" });
    const pids = await Promise.all([who("ada"), who("ada"), who("bob")]);
    pids.push(await who("ada"));
    expect(new Set(pids).size).toBe(4);
    await Promise.all(pids.map(ended));
    const lists = shared();
    expect(pids).not.toContain(lists);
    expect(lists !== undefined && isRunning(lists)).toBe(true);
  });

  test('with mode "call" keeps calls apart that give themselves the same request id', async () => {
    const { who } = await scene(era, { mode: "call" });
    const headers = { "x-request-id": "the-same" };
    const held = newHold();
    const slow = who("ada", { hold: held, headers });
    const quick = await who("bob", { headers });
    await ended(quick);
    held.end();
    const pids = [await slow, quick];
    expect(new Set(pids).size).toBe(2);
    await Promise.all(pids.map(ended));
  });

  test('with mode "principal" has one process for each principal', async () => {
    const { who, shared } = await scene(era, { mode: "principal" });
    const [ada, bob, again] = [await who("ada"), await who("bob"), await who("ada")];
    expect(again).toBe(ada);
    expect(new Set([ada, bob, shared()]).size).toBe(3);
  });

  test("ends a principal's process that is not used for idle_timeout, and starts it again when it is", async () => {
    const clock = movableClock();
    const { who } = await scene(era, { mode: "principal", idle_timeout: "5m" }, clock);
    const [ada, bob] = [await who("ada"), await who("bob")];
    clock.forwardMs += 4 * 60_000;
    expect(await who("bob")).toBe(bob);
    clock.forwardMs += 2 * 60_000;
    await ended(ada);
    expect(isRunning(bob)).toBe(true);
    const again = await who("ada");
    expect(again).not.toBe(ada);
    expect(await who("bob")).toBe(bob);
  });

  test("does not end a process in the middle of a call, however long that takes", async () => {
    const clock = movableClock();
    const { who, gateway } = await scene(era, { mode: "principal", idle_timeout: "1s" }, clock);
    const [pid, idle] = [await who("ada"), await who("bob")];
    const held = newHold();
    const slow = who("ada", { hold: held });
    await until("the call runs", () => gateway.serverFacts("who")?.bulkhead.running === 1);
    clock.forwardMs += 10_000;
    await ended(idle);
    expect(isRunning(pid)).toBe(true);
    held.end();
    expect(await slow).toBe(pid);
  });

  test("ends the shared process too where idle_timeout says so, and the next call starts it", async () => {
    const clock = movableClock();
    const { who, gateway } = await scene(era, { mode: "shared", idle_timeout: "5m" }, clock);
    const pid = await who("ada");
    clock.forwardMs += 6 * 60_000;
    await ended(pid);
    await until("it is idle", () => gateway.serverStatus()[0]?.state === "idle");
    expect(await who("ada")).not.toBe(pid);
  });

  test("never has more processes than processes_max", async () => {
    const { gateway, url, who } = await scene(era, { mode: "call", processes_max: 2 });
    const held = newHold();
    const running = who("ada", { hold: held });
    await until("the call runs", () => gateway.serverFacts("who")?.bulkhead.running === 1);
    await until("its process runs", () => lanesOf(gateway) === 2);
    const params = { name: "who__who", arguments: {} };
    const refused = await modern(`${url}/mcp`, "tools/call", params, { key: "bob" });
    expect((await refused.whole()).text).toContain("PROCESS_LIMIT");
    held.end();
    await running;
  });
});

const lanesOf = (gateway: RunningGateway["gateway"]): number | undefined =>
  gateway.serverFacts("who")?.endpoints[0]?.lanes;

test('a legacy client has a process for each call too, where the mode is "call"', async () => {
  const { url, shared } = await scene("legacy", { mode: "call" });
  const client = await LegacyClient.open(`${url}/mcp`, { key: "ada" });
  const who = async (): Promise<number> => {
    const asked = await client.request("tools/call", { name: "who__who", arguments: {} });
    return Number(inside((await asked.whole()).result, "content", 0, "text"));
  };
  const pids = [await who(), await who()];
  expect(new Set([...pids, shared()]).size).toBe(3);
  await Promise.all(pids.map(ended));
});
