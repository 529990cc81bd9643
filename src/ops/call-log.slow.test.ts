import fc from "fast-check";
import { expect, test } from "vitest";
import { Metrics, SignalboxError, silentLog, systemClock } from "../foundation/index.ts";
import type { CallRow } from "../store/index.ts";
import { openTestStore } from "../store/test-database.ts";
import { CallLog } from "./call-log.ts";
import { SEGMENT_ROWS_MAX } from "./row-queue.ts";

test("rows arrive in the database in few batches", async () => {
  await using store = await openTestStore();
  let batches = 0;
  const { callLog } = makeLog(async (_rows, lines) => {
    batches += 1;
    await store.calls.append(lines);
  });
  callLog.start();
  for (let n = 0; n < 2.5 * SEGMENT_ROWS_MAX; n += 1) callLog.record(row(n));
  await callLog.flush();
  expect(batches).toBe(3);
  expect(await store.calls.prune(10_000_000)).toBe(2.5 * SEGMENT_ROWS_MAX);
  await callLog.stop(AbortSignal.timeout(5000));
  expect(callLog.dropped).toBe(0);
});

test("rows recorded before the start, and a few alone, are written without being asked for", async () => {
  const written: string[] = [];
  const { callLog } = makeLog(async (rows) => {
    written.push(...rows.map(({ id }) => id));
  });
  callLog.record(row(1));
  callLog.start();
  callLog.record(row(2));
  await expect.poll(() => written).toEqual(["1", "2"]);
  callLog.record(row(3));
  await expect.poll(() => written).toEqual(["1", "2", "3"]);
  await callLog.stop(AbortSignal.timeout(5000));
});

test("an outage loses nothing that fits the queue, and nothing is written twice over", async () => {
  let away = true;
  const written: string[] = [];
  const { callLog } = makeLog(async (rows) => {
    if (away) throw outage();
    written.push(...rows.map(({ id }) => id));
  });
  callLog.start();
  for (let n = 0; n < 50; n += 1) callLog.record(row(n));
  const flushed = callLog.flush();
  away = false;
  await flushed;
  expect(written).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
  expect(callLog.dropped).toBe(0);
});

test("a full queue loses its oldest rows and counts them", async () => {
  const gate = Promise.withResolvers<undefined>();
  const written: string[] = [];
  const { callLog, metrics } = makeLog(async (rows) => {
    await gate.promise;
    written.push(...rows.map(({ id }) => id));
  }, 3);
  for (let n = 0; n < 5; n += 1) callLog.record(row(n));
  gate.resolve(undefined);
  await callLog.flush();
  expect(written).toEqual(["2", "3", "4"]);
  expect(callLog.dropped).toBe(2);
  expect(await metrics.render()).toContain('mcp_queue_dropped_total{queue="call_log"} 2');
});

test("rows that are being written are not dropped, newer ones are", async () => {
  const gate = Promise.withResolvers<undefined>();
  const written: string[] = [];
  const { callLog } = makeLog(async (rows) => {
    await gate.promise;
    written.push(...rows.map(({ id }) => id));
  }, 2);
  callLog.record(row(0));
  const flushed = callLog.flush();
  for (let n = 1; n < 4; n += 1) callLog.record(row(n));
  gate.resolve(undefined);
  await flushed;
  expect(written).toEqual(["0", "3"]);
  expect(callLog.dropped).toBe(2);
});

test("a row the database refuses takes no other with it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(40), { maxLength: 5 }), async (refused) => {
      const written: string[] = [];
      const { callLog } = makeLog(async (rows) => {
        if (rows.some(({ id }) => refused.includes(Number(id)))) throw new Error("refused");
        written.push(...rows.map(({ id }) => id));
      });
      for (let n = 0; n <= 40; n += 1) callLog.record(row(n));
      await callLog.flush();
      expect(callLog.dropped).toBe(refused.length);
      expect(written).toHaveLength(41 - refused.length);
    }),
    { numRuns: 25 },
  );
});

test("a stop during an outage ends by its signal and counts what was lost", async () => {
  const { callLog } = makeLog(async () => {
    throw outage();
  });
  callLog.start();
  for (let n = 0; n < 7; n += 1) callLog.record(row(n));
  await callLog.stop(AbortSignal.timeout(50));
  expect(callLog.dropped).toBe(7);
  callLog.record(row(8));
  expect(callLog.dropped).toBe(8);
});

test("a stop while the database hangs ends by its signal", async () => {
  const { callLog } = makeLog(() => Promise.withResolvers<void>().promise);
  callLog.start();
  callLog.record(row(1));
  await callLog.stop(AbortSignal.timeout(50));
  expect(callLog.dropped).toBe(1);
});

function makeLog(
  write: (rows: { id: string }[], lines: Buffer) => Promise<void>,
  queueMax = 10_000,
): { callLog: CallLog; metrics: Metrics } {
  const metrics = new Metrics();
  const append = (lines: Buffer): Promise<void> => {
    const rows = lines.toString("utf8").split("\n").slice(0, -1);
    return write(
      rows.map((line) => ({ id: line.split("\t")[0] ?? "" })),
      lines,
    );
  };
  const callLog = new CallLog({ append, log: silentLog, metrics, queueMax, clock: systemClock });
  return { callLog, metrics };
}

function outage(): SignalboxError {
  return new SignalboxError("STORE_UNAVAILABLE", "away");
}

function row(n: number): CallRow {
  return {
    id: String(n),
    at: n,
    principalId: "p",
    project: "default",
    principalName: "somebody",
    method: "tools/call",
    outcome: "ok",
    durationMs: 1,
    upstreamMs: 1,
    ownMs: 0,
    requestBytes: 1,
    responseBytes: 1,
    requestId: "1",
    era: "modern",
  };
}
