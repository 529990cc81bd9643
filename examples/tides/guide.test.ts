import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const here = new URL("./", import.meta.url);
const guide = await readFile(new URL("../../docs/services/write-a-service.md", here), "utf8");
const blocks = [...guide.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)\n```/g)];

test("the guide shows every file of the example", () => {
  expect(new Set(blocks.map(([, name]) => name))).toEqual(
    new Set([
      "get-tides.ts",
      "index.ts",
      "list-stations.ts",
      "report-level.ts",
      "runtime.ts",
      "settings.ts",
      "tides.test.ts",
    ]),
  );
});

test.each(blocks.map(([, name = "", code = ""]) => [name, code] as const))(
  "what the guide shows of %s is what runs",
  async (name, code) => {
    const file = await readFile(new URL(name, here), "utf8");
    expect(file.startsWith(code)).toBe(true);
    expect(name.endsWith(".test.ts") || file.trimEnd() === code).toBe(true);
  },
);
