import { expect, test } from "vitest";
import { StderrRing } from "./stderr-ring.ts";

test("keeps the last 200 lines", () => {
  const ring = new StderrRing();
  for (let n = 1; n <= 250; n += 1) ring.push(Buffer.from(`line ${n}\n`));
  expect(ring.lines()).toHaveLength(200);
  expect(ring.lines()[0]).toBe("line 51");
  expect(ring.last()).toBe("line 250");
});

test("keeps at most 64 KiB, and 4 KiB of a line", () => {
  const ring = new StderrRing();
  for (let n = 0; n < 50; n += 1) ring.push(Buffer.from(`${"x".repeat(10_000)}\n`));
  const bytes = ring.lines().join("").length;
  expect(bytes).toBeLessThanOrEqual(64 * 1024);
  expect(ring.lines()[0]).toHaveLength(4097);
});

test("joins what arrives in pieces, characters included", () => {
  const ring = new StderrRing();
  const bytes = Buffer.from("grüße\r\nnext");
  for (const byte of bytes) ring.push(Buffer.from([byte]));
  expect(ring.lines()).toEqual(["grüße", "next"]);
});

test("does not count an endless line as memory", () => {
  const ring = new StderrRing();
  for (let n = 0; n < 100; n += 1) ring.push(Buffer.from("y".repeat(10_000)));
  expect(ring.lines().join("").length).toBeLessThanOrEqual(4097);
});
