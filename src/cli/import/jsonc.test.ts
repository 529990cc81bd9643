import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonc } from "./jsonc.ts";

test("whatever is JSON reads as JSON does", () => {
  fc.assert(
    fc.property(fc.json({ noUnicodeString: false }), (text) => {
      expect(parseJsonc(text)).toEqual(withoutProto(JSON.parse(text)));
    }),
  );
});

test("comments and trailing commas are read over, and kept inside strings", () => {
  const text = `\uFEFF// head
  {
    /* block
       comment */
    "url": "https://a.example.com/x", // "not": "this"
    "list": [1, 2, /* last */ ],
    "text": "// stays, }",
  } // tail`;
  expect(parseJsonc(text)).toEqual({
    url: "https://a.example.com/x",
    list: [1, 2],
    text: "// stays, }",
  });
});

describe("a mistake is placed, without quoting the file", () => {
  test.each([
    ['{\n  "a": secret\n}', "A value is expected (line 2, column 8)"],
    ['{"a": 1 "b": 2}', 'A "," or "}" is expected (line 1, column 9)'],
    ["[,]", "A value is expected (line 1, column 2)"],
    ["{'a': 1}", "A name in double quotes is expected (line 1, column 2)"],
    ['{"a": "secret\n"}', "A string is not closed on its line (line 1, column 7)"],
    ["/* open", "A comment is not closed (line 1, column 1)"],
    ["{} {}", "There is text after the end of the value (line 1, column 4)"],
    ["", "A value is expected (line 1, column 1)"],
    ["[".repeat(200), "The values are nested too deeply (line 1, column 102)"],
  ])("%j", (text, sentence) => {
    expect(() => parseJsonc(text)).toThrow(new SyntaxError(sentence));
  });
});

test("__proto__ is harmless", () => {
  const value = parseJsonc('{"__proto__": {"polluted": true}, "a": 1}');
  expect(value).toEqual({ a: 1 });
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

function withoutProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProto);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "__proto__")
      .map(([name, field]) => [name, withoutProto(field)]),
  );
}
