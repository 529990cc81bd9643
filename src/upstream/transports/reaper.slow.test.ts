import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { z } from "zod";
import { until } from "../../../test/support/until.ts";
import { Reaper } from "./reaper.ts";
import { isRunning } from "./running.ts";

const gateway = fileURLToPath(new URL("./fake-gateway.ts", import.meta.url));
const pids = z.object({ child: z.number(), grandchild: z.number(), reaper: z.number() });
type Pids = z.output<typeof pids>;

async function startGateway() {
  const started = spawn(process.execPath, [gateway], { stdio: ["pipe", "pipe", "inherit"] });
  for await (const line of createInterface({ input: started.stdout })) {
    const said = pids.parse(JSON.parse(line));
    await until("the reaper ignores signals", () => ignoresSigterm(said.reaper));
    return { process: started, ...said };
  }
  throw new Error("the gateway said nothing");
}

function ignoresSigterm(pid: number): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return ((BigInt(`0x${mask ?? "0"}`) >> 14n) & 1n) === 1n;
}

/** Those that are still there when the wait is over: none, if all is well. */
async function left(started: Pids): Promise<number[]> {
  const all = [started.child, started.grandchild, started.reaper];
  await until("they are gone", () => !all.some(isRunning), 15_000).catch(() => {});
  return all.filter(isRunning);
}

test("ends the children of a gateway that was killed, those that ignore all else included", async () => {
  const started = await startGateway();
  expect([started.child, started.grandchild, started.reaper].every(isRunning)).toBe(true);
  started.process.kill("SIGKILL");
  expect(await left(started)).toEqual([]);
});

test("outlives signals to itself and still does its work", async () => {
  const started = await startGateway();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.kill(started.reaper, signal);
  started.process.kill("SIGKILL");
  expect(await left(started)).toEqual([]);
});

test("goes when a gateway has closed its children and ended", async () => {
  const started = await startGateway();
  started.process.stdin.end();
  expect(await left(started)).toEqual([]);
});

test("is replaced when it is killed, and the new one knows the groups", async () => {
  const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  const reaper = new Reaper();
  reaper.prepare();
  reaper.watch(child.pid ?? 0);
  const first = reaper.pid ?? 0;
  process.kill(first, "SIGKILL");
  const second = await until("a new reaper", () => reaper.pid !== first && reaper.pid);
  expect(second).not.toBe(first);
  reaper.prepare();
  expect(reaper.pid).toBe(second);
  reaper.forget(child.pid ?? 0);
  child.kill("SIGKILL");
});
