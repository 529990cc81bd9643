import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../protocol/index.ts";
import { cacheKey, canonicalJson, type CacheKeyParts } from "./cache-key.ts";

const parts: CacheKeyParts = {
  server: "files",
  method: "tools/call",
  name: "read",
  arguments: { path: "/a" },
  principalId: "p1",
  form: "modern",
};

test("a key begins with what a person looks for", () => {
  expect(cacheKey(parts).text).toMatch(/^files\|tools\/call\|read\|[\w-]{43}$/);
});

test("a long URI is cut in the text and counts whole in the hash", () => {
  const uri = `file:///${"x".repeat(500)}`;
  const one = cacheKey({ ...parts, name: `${uri}1` });
  const other = cacheKey({ ...parts, name: `${uri}2` });
  expect(one.text.length).toBeLessThan(250);
  expect(one.text).not.toBe(other.text);
});

test.each([
  { server: "other" },
  { method: "resources/read" },
  { name: "write" },
  { arguments: { path: "/b" } },
  { arguments: undefined },
  { arguments: {} },
  { principalId: "p2" },
  { principalId: undefined },
  { form: "legacy" },
])("another %j is another key", (change) => {
  expect(cacheKey({ ...parts, ...change }).text).not.toBe(cacheKey(parts).text);
});

test("an answer for all is not the one of a principal of any name", () => {
  const shared = cacheKey({ ...parts, principalId: undefined });
  expect(shared.shared).toBe(true);
  for (const principalId of ["", "null", "undefined"]) {
    expect(cacheKey({ ...parts, principalId }).text).not.toBe(shared.text);
  }
});

test("numbers that a double cannot hold stay apart", () => {
  const keys = ["12345678901234567890", "12345678901234567891", "1e400", "1e401"].map((number) => {
    return cacheKey({ ...parts, arguments: parseJson(`{"n":${number}}`) }).text;
  });
  expect(new Set(keys).size).toBe(4);
});

test("members may come in any order, at any depth", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(canonicalJson(reordered(value))).toBe(canonicalJson(value));
    }),
  );
});

test("canonical JSON is JSON of the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(text));
    }),
  );
});

test("arguments have the same key exactly when they are the same", () => {
  const small = fc.jsonValue({ maxDepth: 2 });
  fc.assert(
    fc.property(small, small, (one, other) => {
      const same = isSame(one, other);
      const keyOf = (value: unknown): string => cacheKey({ ...parts, arguments: value }).text;
      expect(keyOf(one) === keyOf(other)).toBe(same);
    }),
  );
});

function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => reordered(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, member]) => [name, reordered(member)]),
  );
}

// As JSON says it: 0 and -0 are written alike.
function isSame(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => isSame(item, other[at]));
  }
  if (Array.isArray(one) || Array.isArray(other)) return false;
  if (isRecord(one) && isRecord(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
    );
  }
  return one === other;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
