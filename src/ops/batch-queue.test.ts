import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { Metrics, SignalboxError, createLog } from "../foundation/index.ts";
import { BATCH_MAX, BatchQueue, QUEUE_MAX } from "./batch-queue.ts";

const away = new SignalboxError("STORE_UNAVAILABLE", "The database does not answer.");
const refused = new SignalboxError("BODY_INVALID", "A value cannot be held.");

interface Scene {
  readonly queue: BatchQueue<number>;
  /** What was written, batch by batch. */
  readonly written: number[][];
  /** What a write does. */
  readonly database: { write: (entries: readonly number[]) => Promise<void> };
  readonly dropped: () => number;
  readonly lines: Record<string, unknown>[];
  readonly pass: (ms: number) => Promise<unknown>;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
});

function scene(): Scene {
  const written: number[][] = [];
  const lines: Record<string, unknown>[] = [];
  const metrics = new Metrics();
  const database: Scene["database"] = { write: async () => await Promise.resolve() };
  const queue = new BatchQueue<number>({
    name: "links",
    write: async (entries) => {
      await database.write(entries);
      written.push([...entries]);
    },
    log: createLog({
      level: "debug",
      format: "json",
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    }),
    metrics,
  });
  const dropped = metrics.counter("mcp_queue_dropped_total", "", ["queue"]).slot("links");
  return {
    queue,
    written,
    database,
    lines,
    dropped: () => dropped.value,
    pass: (ms) => vi.advanceTimersByTimeAsync(ms),
  };
}

const upTo = (end: number, from = 0): number[] =>
  Array.from({ length: end - from }, (_, index) => from + index);

test("entries that come close together are written together, and none twice", async () => {
  const { queue, written, pass } = scene();
  for (const entry of [1, 2, 3]) queue.add(entry);
  await pass(499);
  expect(written).toEqual([]);
  await pass(1);
  expect(written).toEqual([[1, 2, 3]]);
  queue.add(4);
  await pass(10_000);
  expect(written).toEqual([[1, 2, 3], [4]]);
});

test("many entries are written in batches, oldest first", async () => {
  const { queue, written, pass } = scene();
  for (const entry of upTo(2 * BATCH_MAX + 1)) queue.add(entry);
  await pass(1_000);
  expect(written.map((batch) => batch.length)).toEqual([BATCH_MAX, BATCH_MAX, 1]);
  expect(written.flat()).toEqual(upTo(2 * BATCH_MAX + 1));
});

test("while the database is away entries wait, and are written in order when it is back", async () => {
  const { queue, written, database, dropped, pass, lines } = scene();
  const { write } = database;
  let tries = 0;
  database.write = async () => {
    tries++;
    await Promise.reject(away);
  };
  queue.add(1);
  await pass(500);
  queue.add(2);
  await pass(60_000);
  expect([written, dropped(), lines]).toEqual([[], 0, []]);
  expect(tries).toBeLessThanOrEqual(32);
  database.write = write;
  await pass(2_000);
  expect(written).toEqual([[1, 2]]);
});

test("what the database refuses is dropped, counted and told, and what comes after it is written", async () => {
  const { queue, written, database, dropped, pass, lines } = scene();
  const { write } = database;
  database.write = async () => await Promise.reject(refused);
  for (const entry of [1, 2, 3]) queue.add(entry);
  await pass(500);
  expect(dropped()).toBe(3);
  expect(lines).toMatchObject([{ queue: "links", entries: 3, error: refused.message }]);
  database.write = write;
  queue.add(4);
  await pass(500);
  expect([written, dropped()]).toEqual([[[4]], 3]);
});

test("beyond its bound the oldest make room, and are counted", async () => {
  const { queue, written, database, dropped, pass } = scene();
  const { write } = database;
  database.write = async () => await Promise.reject(away);
  for (const entry of upTo(QUEUE_MAX + 7)) queue.add(entry);
  expect(dropped()).toBe(7);
  database.write = write;
  await pass(10_000);
  expect(written.flat()).toEqual(upTo(QUEUE_MAX + 7, 7));
});

test("a slow write is the only one, and what is added meanwhile comes after it, once", async () => {
  const { queue, written, database, dropped, pass } = scene();
  const { write } = database;
  const gates: (() => void)[] = [];
  database.write = async () => {
    await new Promise<void>((resolve) => gates.push(resolve));
  };
  queue.add(1);
  await pass(500);
  for (const entry of [2, 3]) queue.add(entry);
  await pass(60_000);
  expect(gates).toHaveLength(1);
  database.write = write;
  gates[0]?.();
  await pass(1_000);
  expect(written).toEqual([[1], [2, 3]]);
  expect(dropped()).toBe(0);
});

test("what is being written does not make room: that would cost an entry that waits", async () => {
  const { queue, written, database, dropped, pass } = scene();
  const { write } = database;
  const gates: (() => void)[] = [];
  database.write = async () => {
    await new Promise<void>((resolve) => gates.push(resolve));
  };
  for (const entry of upTo(BATCH_MAX)) queue.add(entry);
  await pass(500);
  for (const entry of upTo(QUEUE_MAX + 3, BATCH_MAX)) queue.add(entry);
  expect(dropped()).toBe(3);
  database.write = write;
  gates[0]?.();
  await pass(10_000);
  expect(written.flat()).toEqual([...upTo(BATCH_MAX), ...upTo(QUEUE_MAX + 3, BATCH_MAX + 3)]);
});

test("stopping writes all that waits, at once and in batches", async () => {
  const { queue, written, dropped } = scene();
  for (const entry of upTo(3 * BATCH_MAX)) queue.add(entry);
  await queue.stop();
  expect(written.flat()).toEqual(upTo(3 * BATCH_MAX));
  expect(dropped()).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("stopping waits for the write under way, and writes what came after it", async () => {
  const { queue, written, database, pass } = scene();
  const { write } = database;
  const gates: (() => void)[] = [];
  database.write = async () => {
    await new Promise<void>((resolve) => gates.push(resolve));
  };
  queue.add(1);
  await pass(500);
  queue.add(2);
  const stopped = queue.stop();
  database.write = write;
  gates[0]?.();
  await stopped;
  expect(written).toEqual([[1], [2]]);
});

test("what cannot be written when it stops is lost and counted, with one try, and so is what comes later", async () => {
  const { queue, written, database, dropped, pass } = scene();
  let tries = 0;
  database.write = async () => {
    tries++;
    await Promise.reject(away);
  };
  for (const entry of upTo(BATCH_MAX + 1)) queue.add(entry);
  await queue.stop();
  expect([tries, dropped()]).toEqual([1, BATCH_MAX + 1]);
  queue.add(0);
  await pass(60_000);
  expect([tries, written, dropped()]).toEqual([1, [], BATCH_MAX + 2]);
});

test("stopping with nothing to write writes nothing", async () => {
  const { queue, database, lines, written } = scene();
  database.write = async () => await Promise.reject(refused);
  await queue.stop();
  expect([lines, written]).toEqual([[], []]);
});
