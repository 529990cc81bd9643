import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { until } from "../../../test/support/until.ts";
import { isRunning } from "./running.ts";

const gateway = fileURLToPath(new URL("./fake-gateway.ts", import.meta.url));
const pids = z.object({ child: z.number(), grandchild: z.number(), reaper: z.number() });

async function startGateway() {
  const process = spawn(globalThis.process.execPath, [gateway], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: process.stdout });
  for await (const line of lines) {
    const started = { process, ...pids.parse(JSON.parse(line)) };
    await vi.waitFor(() => expect(nameOf(started.reaper)).toBe("signalbox-reaper"));
    return started;
  }
  throw new Error("the gateway said nothing");
}

/** Processes are told apart by what they call themselves. */
function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] ?? "";
}

/** Those that are still there when the wait is over: none, if all is well. */
async function left(started: { child: number; grandchild: number; reaper: number }) {
  const of = [started.child, started.grandchild, started.reaper];
  await until("they are gone", () => !of.some(isRunning), 15_000).catch(() => {});
  return of.filter(isRunning);
}

test("ends the children of a gateway that was killed, those that ignore all else included", async () => {
  const started = await startGateway();
  expect([started.child, started.grandchild, started.reaper].every(isRunning)).toBe(true);
  started.process.kill("SIGKILL");
  expect(await left(started)).toEqual([]);
});

test("outlives a signal to itself and still does its work", async () => {
  const started = await startGateway();
  process.kill(started.reaper, "SIGTERM");
  process.kill(started.reaper, "SIGINT");
  started.process.kill("SIGKILL");
  expect(await left(started)).toEqual([]);
});

test("goes when a gateway has closed its children and ended", async () => {
  const started = await startGateway();
  started.process.stdin.end();
  expect(await left(started)).toEqual([]);
});
