import fc from "fast-check";
import { expect, test } from "vitest";
import { RowQueue, SEGMENT_ROWS_MAX, type Batch } from "./row-queue.ts";

const rowsOf = (batch: Batch | undefined): unknown[] =>
  (batch?.lines().toString("utf8").split("\n").slice(0, -1) ?? []).map((line) => JSON.parse(line));

test("rows come out as they went in, oldest first, in batches of lines", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 1_500 }), (texts) => {
      const queue = new RowQueue();
      for (const text of texts) queue.add(JSON.stringify({ text }));
      expect(queue.depth).toBe(texts.length);
      const read: unknown[] = [];
      for (let batch = queue.take(); batch !== undefined; batch = queue.take()) {
        read.push(...rowsOf(batch));
        queue.done();
      }
      expect(read).toEqual(texts.map((text) => ({ text: text.toWellFormed() })));
      expect(queue.depth).toBe(0);
    }),
    { numRuns: 20 },
  );
});

test("a batch has at most five hundred rows, and its halves make it up", () => {
  const queue = new RowQueue();
  for (let n = 0; n < SEGMENT_ROWS_MAX + 1; n++) queue.add(String(n));
  expect(queue.hasFullBatch).toBe(true);
  const batch = queue.take();
  expect(batch?.count).toBe(SEGMENT_ROWS_MAX);
  const halves = batch?.halves().map(rowsOf).flat();
  expect(halves).toEqual(rowsOf(batch));
});

test("what is being written is not dropped, and takes no more", () => {
  const queue = new RowQueue();
  queue.add("0");
  const batch = queue.take();
  queue.add("1");
  queue.add("2");
  expect(queue.dropOldest()).toBe(true);
  expect(rowsOf(batch)).toEqual([0]);
  expect(queue.depth).toBe(2);
  queue.done();
  expect(rowsOf(queue.take())).toEqual([2]);
  expect(queue.dropOldest()).toBe(false);
});

test("what could not be written is taken again, with what came since", () => {
  const queue = new RowQueue();
  queue.add("0");
  queue.take();
  queue.putBack();
  queue.add("1");
  expect(rowsOf(queue.take())).toEqual([0, 1]);
});

test("a row larger than a segment has one of its own", () => {
  const queue = new RowQueue();
  const large = JSON.stringify("ü".repeat(400_000));
  queue.add("0");
  queue.add(large);
  expect(rowsOf(queue.take())).toEqual([0]);
  queue.done();
  expect(JSON.stringify(rowsOf(queue.take())[0])).toBe(large);
});
