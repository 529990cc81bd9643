import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../protocol/index.ts";
import {
  canonicalText,
  definitionOf,
  hashOf,
  isPlainObject,
  keptText,
  pinName,
} from "./definition.ts";

const tool = {
  name: "read",
  title: "Read",
  description: "Reads.",
  inputSchema: { type: "object", properties: { path: { type: "string" }, limit: {} } },
  annotations: { readOnlyHint: true },
  icons: [{ src: "data:," }],
  _meta: { ui: { resourceUri: "ui://view" }, traffic: 7 },
};

test("what tells a model or a person what a tool does is pinned, and nothing else", () => {
  expect(definitionOf("tools", tool)).toEqual({
    name: "read",
    title: "Read",
    description: "Reads.",
    inputSchema: tool.inputSchema,
    annotations: { readOnlyHint: true },
    _meta: { ui: { resourceUri: "ui://view" } },
  });
  const prompt = { name: "p", description: "d", arguments: [{ name: "a" }], _meta: { ui: 1 } };
  expect(definitionOf("prompts", prompt)).toEqual({
    name: "p",
    description: "d",
    arguments: [{ name: "a" }],
  });
});

test("the order of members does not change the hash, that of elements does", () => {
  const one = { b: [1, 2], a: { d: 1, c: 2 } };
  const other = { a: { c: 2, d: 1 }, b: [1, 2] };
  expect(canonicalText(one)).toBe('{"a":{"c":2,"d":1},"b":[1,2]}');
  expect(canonicalText(other)).toBe(canonicalText(one));
  expect(canonicalText({ ...one, b: [2, 1] })).not.toBe(canonicalText(one));
});

test("however an object is written, its canonical text is the same JSON", () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    return isPlainObject(value) ? shuffledMembers(value) : value;
  };
  const shuffledMembers = (value: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([name, member]) => [name, shuffled(member)]),
    );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const text = canonicalText(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalText(shuffledMembers(value))).toBe(text);
    }),
  );
});

test("numbers that a double cannot hold stay apart", () => {
  const of = (number: string): string => {
    const inputSchema = parseJson(`{"maximum":${number}}`);
    return hashOf(canonicalText({ inputSchema }));
  };
  expect(of("12345678901234567890")).not.toBe(of("12345678901234567891"));
  expect(of("12345678901234567890")).toBe(of("12345678901234567890"));
});

test("a name that fits is kept as it is, any other shortened so that none falls on another", () => {
  expect(pinName("read_file")).toBe("read_file");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 250 }), (name) => {
      const kept = pinName(name);
      expect(kept.length).toBeLessThanOrEqual(200);
      expect(kept.isWellFormed() && !kept.includes("\0")).toBe(true);
      expect(pinName(kept)).toBe(kept);
    }),
    { numRuns: 50 },
  );
  const long = "x".repeat(300);
  expect(pinName(`${long}a`)).not.toBe(pinName(`${long}b`));
});

test("of a definition that is too large only the size is kept", () => {
  expect(keptText("{}")).toBe("{}");
  const text = JSON.stringify({ description: "x".repeat(300_000) });
  expect(JSON.parse(keptText(text))).toEqual({ tooLargeToKeep: text.length });
});
