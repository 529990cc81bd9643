import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { repeat } from "./repeat.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("work runs soon, then again and again, whether it fails or not, until the signal aborts", async () => {
  const stop = new AbortController();
  const failures: unknown[] = [];
  let runs = 0;
  const work = async (): Promise<void> => {
    runs++;
    if (runs === 1) throw new Error("not yet");
  };
  repeat(work, {
    firstMs: 10,
    everyMs: 1_000,
    signal: stop.signal,
    failed: (error) => failures.push(error),
  });
  expect(runs).toBe(0);
  await vi.advanceTimersByTimeAsync(10);
  expect(runs).toBe(1);
  expect(failures).toEqual([new Error("not yet")]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(runs).toBe(2);
  stop.abort();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(runs).toBe(2);
  expect(vi.getTimerCount()).toBe(0);
});

test("the next run waits for the one before", async () => {
  const first = Promise.withResolvers<void>();
  let runs = 0;
  const stop = new AbortController();
  const work = (): Promise<void> => (++runs === 1 ? first.promise : Promise.resolve());
  repeat(work, { firstMs: 1, everyMs: 10, signal: stop.signal, failed: () => {} });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(runs).toBe(1);
  first.resolve();
  await vi.advanceTimersByTimeAsync(10);
  expect(runs).toBe(2);
  stop.abort();
});
