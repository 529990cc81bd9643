// A local server whose process ends again and again: it is left in peace, tried now and then, and served again once it is mended.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock, type Clock } from "../foundation/index.ts";
import { deliver, upstream } from "./fake-call.ts";
import type { UpstreamServer } from "./upstream-server.ts";

// Notes each start; ends at once while the file "broken" is there.
const program = `
const { appendFileSync, existsSync } = require("node:fs");
appendFileSync(process.argv[1] + "/starts", process.pid + "\\n");
if (existsSync(process.argv[1] + "/broken")) { console.error("out of tea"); process.exit(3); }
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (method === "initialize")
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "tea", version: "1" } });
  else if (method === "tools/call" && params.name === "end") process.exit(4);
  else if (id !== undefined) answer(id, { content: [] });
});`;

interface Scene {
  readonly server: UpstreamServer;
  readonly clock: { forwardMs: number };
  readonly starts: () => number;
  readonly broken: (is: boolean) => void;
  readonly open: () => Promise<unknown>;
}

function scene(): Scene {
  const folder = mkdtempSync(join(tmpdir(), "signalbox-crash-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const mark = join(folder, "broken");
  writeFileSync(mark, "");
  const clock: Clock & { forwardMs: number } = {
    forwardMs: 0,
    now: () => systemClock.now() + clock.forwardMs,
    monotonicMs: () => systemClock.monotonicMs() + clock.forwardMs,
  };
  const server = upstream(
    {
      command: process.execPath,
      args: ["-e", program, folder],
      protocol_era: "legacy",
      connection_pool: { reconnect_backoff: 1, max_reconnect_backoff: 1 },
      retry_policy: { max_attempts: 1 },
      circuit_breaker: { enabled: false },
    },
    { name: "tea", clock },
  );
  return {
    server,
    clock,
    starts: () => readFileSync(join(folder, "starts"), "utf8").trim().split("\n").length,
    broken: (is) => (is ? writeFileSync(mark, "") : rmSync(mark)),
    open: async () =>
      await server
        .lane({ kind: "shared" }, AbortSignal.timeout(10_000))
        .catch((error: unknown) => error),
  };
}

async function intoLoop({ open, clock, server }: Scene): Promise<void> {
  for (let count = 0; count < 5; count++) {
    expect(await open()).toMatchObject({ code: "SERVER_CRASHED" });
    clock.forwardMs += 100;
  }
  expect(server.crashLoop).toMatchObject({ looping: true, recentEnds: 5 });
}

test("after five ends within a minute nothing is started, and callers are told why and until when", async () => {
  const here = scene();
  const { open, starts, server, clock } = here;
  await intoLoop(here);
  expect(starts()).toBe(5);
  const error = await open();
  expect(error).toMatchObject({
    code: "SERVER_CRASH_LOOP",
    details: { retryAfterMs: expect.any(Number) },
  });
  expect(String(error)).toContain("ended 5 times within a minute");
  clock.forwardMs += 100;
  const outcome = await deliver(server, { key: { kind: "shared" }, safe: true });
  expect(outcome.error).toMatchObject({
    code: "SERVER_CRASH_LOOP",
    details: { outcome: "not_executed" },
  });
  expect(starts()).toBe(5);
  expect(server.status()).toMatchObject({ state: "error" });
  expect(server.stderr().join("\n")).toContain("out of tea");
});

test("in a crash loop one start is tried every half minute, for as long as it takes", async () => {
  const here = scene();
  const { open, starts, clock } = here;
  await intoLoop(here);
  for (let round = 1; round <= 3; round++) {
    clock.forwardMs += 31_000;
    expect(await open()).toMatchObject({ code: "SERVER_CRASHED" });
    clock.forwardMs += 100;
    const error = await open();
    expect(error).toMatchObject({ code: "SERVER_CRASH_LOOP" });
    expect(String(error).match(/is started again/g)).toHaveLength(1);
    expect(starts()).toBe(5 + round);
  }
});

test("a server that is mended is served at its next trial, and calm after a minute of life", async () => {
  const here = scene();
  const { open, clock, broken, server } = here;
  await intoLoop(here);
  broken(false);
  expect(await open()).toMatchObject({ code: "SERVER_CRASH_LOOP" });
  clock.forwardMs += 31_000;
  expect(await open()).toMatchObject({ era: "legacy" });
  expect((await deliver(server, { key: { kind: "shared" } })).error).toBeUndefined();
  expect(server.crashLoop?.looping).toBe(true);
  clock.forwardMs += 61_000;
  expect(server.crashLoop).toMatchObject({ looping: false, retryAfterMs: 0 });
});

test("a process that ends in the middle of its calls is in a crash loop as well, and a call says so", async () => {
  const { open, clock, broken, server } = scene();
  broken(false);
  for (let count = 0; count < 5; count++) {
    clock.forwardMs += 100;
    expect(await open()).toMatchObject({ era: "legacy" });
    const { error } = await deliver(server, { key: { kind: "shared" }, tool: "end" });
    expect(error).toMatchObject({ code: "SERVER_CRASHED", details: { outcome: "unknown" } });
  }
  expect(server.crashLoop?.looping).toBe(true);
  clock.forwardMs += 100;
  expect((await deliver(server, { key: { kind: "shared" } })).error).toMatchObject({
    code: "SERVER_CRASH_LOOP",
  });
});
