import { EventEmitter, once } from "node:events";
import { expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { isSignalboxError } from "./errors.ts";
import { Lifecycle, stopOnSignals } from "./lifecycle.ts";
import type { Part } from "./lifecycle.ts";
import { silentLog } from "./log.ts";
import type { Log } from "./log.ts";

function recorder(stopWithinMs = 5000) {
  const happened: string[] = [];
  const errors: string[] = [];
  const log: Log = { ...silentLog, error: (_, message) => errors.push(message), child: () => log };
  const lifecycle = new Lifecycle({ log, stopWithinMs });
  const add = (name: string, part: Partial<Omit<Part, "name">> = {}): void =>
    lifecycle.add({
      name,
      start: async (signal) => {
        happened.push(`start ${name}`);
        await part.start?.(signal);
      },
      stop: async (signal) => {
        happened.push(`stop ${name}`);
        await part.stop?.(signal);
      },
    });
  return { lifecycle, add, happened, errors, log };
}

const hang = (): Promise<void> => new Promise(() => {});
const untilAborted = async (signal: AbortSignal): Promise<void> => {
  await once(signal, "abort");
  throw signal.reason;
};

test("parts start in order and stop in reverse", async () => {
  const { lifecycle, add, happened } = recorder();
  add("store");
  add("gateway");
  await lifecycle.start();
  expect(lifecycle.state).toBe("running");
  await lifecycle.stop("test");
  expect(happened).toEqual(["start store", "start gateway", "stop gateway", "stop store"]);
  expect(lifecycle.state).toBe("stopped");
});

test("a failed start stops what had started and gives the part's own error", async () => {
  const { lifecycle, add, happened } = recorder();
  const failure = new Error("port taken");
  add("store");
  add("listener", { start: () => Promise.reject(failure) });
  add("never");
  await expect(lifecycle.start()).rejects.toBe(failure);
  expect(happened).toEqual(["start store", "start listener", "stop store"]);
});

test("a start that failed is cleared away without a word above debug", async () => {
  const lines: string[] = [];
  const log: Log = { ...silentLog, info: (_, message) => lines.push(message), child: () => log };
  const failing = new Lifecycle({ log, stopWithinMs: 100 });
  failing.add({ name: "a", start: () => Promise.reject(new Error("no")), stop: async () => {} });
  await expect(failing.start()).rejects.toThrow("no");
  expect(lines).toEqual([]);

  const running = new Lifecycle({ log, stopWithinMs: 100 });
  await running.start();
  await running.stop("test");
  expect(lines).toEqual(["Stopping", "Stopped"]);
});

test("a stop during the start breaks it off", async () => {
  const { lifecycle, add, happened } = recorder();
  add("store");
  const slow = Promise.withResolvers<void>();
  add("slow", {
    start: (signal) => {
      slow.resolve();
      return untilAborted(signal);
    },
  });
  add("never");
  const starting = lifecycle.start();
  await slow.promise;
  await Promise.all([
    expect(starting).rejects.toSatisfy((e) => isSignalboxError(e) && e.code === "SHUTTING_DOWN"),
    lifecycle.stop("test"),
  ]);
  expect(happened).toEqual(["start store", "start slow", "stop store"]);
});

test("a part whose start is done although it was broken off is stopped too", async () => {
  const { lifecycle, add, happened } = recorder();
  add("deaf", { start: () => new Promise((resolve) => setImmediate(resolve)) });
  const starting = lifecycle.start();
  await Promise.all([expect(starting).rejects.toThrow("Stopped before"), lifecycle.stop("test")]);
  expect(happened).toEqual(["start deaf", "stop deaf"]);
});

test("a part that hangs or fails on stopping is left behind, and the others stop", async () => {
  const { lifecycle, add, happened, errors } = recorder(100);
  add("first");
  add("hanging", { stop: hang });
  add("failing", { stop: () => Promise.reject(new Error("no")) });
  await lifecycle.start();
  await lifecycle.stop("test");
  expect(happened.slice(3)).toEqual(["stop failing", "stop hanging", "stop first"]);
  expect(errors).toEqual([
    "failing failed while stopping",
    "hanging did not stop in time; left behind",
  ]);
});

test("a part that is told to hurry still gets to finish", async () => {
  const { lifecycle, add, errors } = recorder(100);
  add("draining", { stop: (signal) => untilAborted(signal).catch(() => {}) });
  await lifecycle.start();
  await lifecycle.stop("test");
  expect(errors).toEqual([]);
});

test("a start that never settles does not keep the process", async () => {
  const { lifecycle, add, errors } = recorder(100);
  add("hanging", { start: hang });
  void lifecycle.start();
  await lifecycle.stop("test");
  expect(errors).toEqual(["A part did not break off its start; left behind"]);
});

test("stopping twice is stopping once; a stopped lifecycle does not start", async () => {
  const { lifecycle, add, happened } = recorder();
  add("store");
  await lifecycle.start();
  await Promise.all([lifecycle.stop("a"), lifecycle.stop("b")]);
  expect(happened).toEqual(["start store", "stop store"]);
  await expect(lifecycle.start()).rejects.toThrow("Stopped");
});

test("SIGTERM stops and exits with 0 though a part hangs; a second signal exits with 1 at once", async () => {
  const { lifecycle, add, log } = recorder(200);
  add("hanging", { stop: hang });
  await lifecycle.start();
  const exits = new EventEmitter();
  const codes: number[] = [];
  const exit = (code: number): void => {
    codes.push(code);
    exits.emit("exit");
  };
  const clock = manualClock();
  const release = stopOnSignals(lifecycle, { log, exit, clock });
  const exited = once(exits, "exit");
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGTERM", "SIGTERM");
  expect(codes).toEqual([]);
  clock.advance(1_000);
  process.emit("SIGINT", "SIGINT");
  await exited;
  expect(codes).toEqual([1]);
  await once(exits, "exit");
  expect(codes).toEqual([1, 0]);
  release();
});
