import { expect, test } from "vitest";
import { releaseStartMemory } from "./memory.ts";

test("memory that nothing refers to any more is given back at once", async () => {
  let held: Uint8Array[] | undefined = Array.from({ length: 64 }, () => new Uint8Array(1 << 20));
  expect(held).toHaveLength(64);
  const before = process.memoryUsage().arrayBuffers;
  held = undefined;
  await releaseStartMemory();
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(before - (32 << 20));
});
