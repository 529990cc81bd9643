import { glob, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { errorTable } from "../foundation/index.ts";

test("every code that a service or the kit gives has its page", async () => {
  const codes = new Set<string>();
  const files = ["src/services/**/*.ts", "kit/src/**/*.ts"];
  for await (const file of glob(files)) {
    if (file.endsWith(".test.ts") || basename(file).startsWith("fake-")) continue;
    const text = await readFile(file, "utf8");
    for (const [, code = ""] of text.matchAll(/"((?:VENDOR|SQL|OUTBOUND|CONFIG)_[A-Z_]+)"/g))
      codes.add(code);
    for (const [, code = ""] of text.matchAll(/\bcode: "([A-Z][A-Z0-9_]+)"/g)) codes.add(code);
  }
  expect(codes.size).toBeGreaterThan(10);
  expect([...codes].filter((code) => !(code in errorTable)).toSorted()).toEqual([]);
});
