import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LineWriter } from "./line-writer.ts";

let folder = "";
let fd = 0;
const text = (): string => readFileSync(join(folder, "out"), "utf8");
const writer = (bufferCharsMax: number): LineWriter =>
  new LineWriter({ fd, bufferCharsMax, droppedLine: (count) => `dropped ${count}\n` });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "line-writer-"));
  fd = openSync(join(folder, "out"), "w");
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("the lines of one turn are written in the next", async () => {
  const lines = writer(100);
  lines.write("a\n");
  lines.write("ü\n");
  expect(text()).toBe("");
  await new Promise(setImmediate);
  expect(text()).toBe("a\nü\n");
});

test("lines beyond the bound are dropped and counted in their place", () => {
  const lines = writer(4);
  for (const line of ["a\n", "b\n", "c\n", "d\n"]) lines.write(line);
  lines.flushSync(100);
  lines.write("e\n");
  lines.flushSync(100);
  expect(text()).toBe("a\nb\ndropped 2\ne\n");
});

test("a descriptor that cannot be written to any more is left alone", () => {
  const broken = new LineWriter({ fd: 99_999, bufferCharsMax: 100, droppedLine: () => "" });
  broken.write("a\n");
  broken.flushSync(100);
  broken.write("b\n");
  expect(() => broken.flushSync(100)).not.toThrow();
});
