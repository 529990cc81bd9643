import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonBoundsError, isJsonObject, parseJson, stringify } from "./json.ts";

const bounds = { depthMax: 4, elementsMax: 5 };

describe("numbers", () => {
  test.each([
    '{"a":12345678901234567890}',
    '{"a":-98765432109876543210}',
    "[0.1234567890123456789]",
    "[1e400,1E5,-1.5e-400]",
    '{"deep":[{"x": 9007199254740993}]}',
    "[1,  9007199254740993]",
  ])("come out of %s as they went in", (text) => {
    expect(stringify(parseJson(text))).toBe(text.replaceAll(" ", ""));
  });

  test("of any length survive in any place", () => {
    const digits = fc.stringMatching(/^[1-9][0-9]{0,40}$/);
    fc.assert(
      fc.property(digits, digits, (whole, fraction) => {
        const text = `{"a":[${whole},-${whole}],"b":{"c":${whole}.${fraction}1}}`;
        expect(stringify(parseJson(text))).toBe(text);
      }),
    );
  });

  test("that a double holds are numbers, others are kept as text and are no objects", () => {
    expect(parseJson("[1.5,7]")).toEqual([1.5, 7]);
    const value = parseJson("[12345678901234567890]");
    expect(Array.isArray(value) && isJsonObject(value[0])).toBe(false);
  });

  test("inside strings are left alone", () => {
    const text = '{"a":":12345678901234567890,1e9"}';
    expect(parseJson(text)).toEqual({ a: ":12345678901234567890,1e9" });
  });
});

test("any JSON value survives a round trip", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      expect(stringify(parseJson(text))).toBe(text);
      expect(stringify(parseJson(text, { depthMax: 100, elementsMax: 10_000 }))).toBe(text);
    }),
  );
});

describe("a hostile document", () => {
  test("cannot reach a prototype", () => {
    for (const number of ["1", "12345678901234567890"]) {
      const value = parseJson(`{"__proto__":{"polluted":${number}},"constructor":{"x":1}}`);
      expect(isJsonObject(value) && Object.hasOwn(value, "__proto__")).toBe(true);
      expect({ ...(isJsonObject(value) ? value : {}) }).not.toHaveProperty("polluted");
      expect(Object.prototype).not.toHaveProperty("polluted");
    }
  });

  test("with a key twice means the last one, also when it is sent on", () => {
    expect(stringify(parseJson('{"a":1,"a":2}'))).toBe('{"a":2}');
    expect(stringify(parseJson('{"a":1,"a":12345678901234567890}'))).toBe(
      '{"a":12345678901234567890}',
    );
  });

  test("is refused when it is nested too deeply", () => {
    expect(parseJson("[[[[]]]]", bounds)).toEqual([[[[]]]]);
    expect(() => parseJson("[[[[[]]]]]", bounds)).toThrow(JsonBoundsError);
    expect(() => parseJson('{"a":{"a":{"a":{"a":{}}}}}', bounds)).toThrow("4 levels");
  });

  test("is refused when it has too many members", () => {
    expect(parseJson("[1,2,3,4,5,6]", bounds)).toHaveLength(6);
    expect(() => parseJson("[1,2,3,4,5,6,7]", bounds)).toThrow(JsonBoundsError);
    expect(() => parseJson("[[1,2,3],[1,2],[1,2,3]]", bounds)).toThrow("5 members");
  });

  test.each(['"[[[[[[,,,,,,,,"', '"a\\"[[[[[[,,,,,,,"', '"\\\\",1'.slice(0, 4)])(
    "is not mistaken for one by what its strings hold: %s",
    (text) => {
      expect(parseJson(text, bounds)).toBe(JSON.parse(text));
    },
  );

  test("that is no JSON is a SyntaxError, whatever its bounds", () => {
    for (const text of ["", "{", '"', '"\\', "[1,]", "nul"]) {
      expect(() => parseJson(text, bounds)).toThrow(SyntaxError);
    }
  });
});

test("what nests too deeply to be written again is not parsed either", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  expect(stringify(parseJson(nested(1_000)))).toBe(nested(1_000));
  for (const levels of [1_001, 200_000]) {
    expect(() => parseJson(nested(levels))).toThrow(JsonBoundsError);
  }
  expect(parseJson(`"${nested(5_000)}"`)).toBe(nested(5_000));
});
