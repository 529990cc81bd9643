import fc from "fast-check";
import { expect, test } from "vitest";
import { bodyDepthMax, parseJsonBody } from "./json-body.ts";
import { nearestName } from "./suggestion.ts";

test("any JSON within the bounds comes back as JSON.parse makes it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      fc.pre(!text.includes("__proto__"));
      expect(parseJsonBody(text)).toEqual(JSON.parse(text));
    }),
  );
});

test("a name that stands twice is found wherever it stands and however it is written", () => {
  const wrap = fc.constantFrom("%", "[1,%]", '{"a":{"b":[%]}}', '{"x":"{\\"y\\":1}","z":%}');
  const names = fc.string({ minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(wrap, names, (around, name) => {
      const escapedName = Array.from({ length: name.length }, (_, n) => name.charCodeAt(n))
        .map((code) => `\\u${code.toString(16).padStart(4, "0")}`)
        .join("");
      const twice = `{${JSON.stringify(name)}:1,"other of the two":{},"${escapedName}":2}`;
      expect(() => parseJsonBody(around.replace("%", () => twice))).toThrow(/twice|used/);
    }),
  );
});

test("the same name in different objects is no repetition, nor is a value that looks like a name", () => {
  const text = '[{"a":1},{"a":{"a":"a"}},{"b":["a","a"],"a":"b"}]';
  expect(parseJsonBody(text)).toEqual(JSON.parse(text));
});

test("nesting is refused from the first level too many", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(() => parseJsonBody(nested(bodyDepthMax))).not.toThrow();
  expect(() => parseJsonBody(nested(bodyDepthMax + 1))).toThrow(/deeper/);
});

test("the nearest name is offered, and none when nothing is near", () => {
  const known = ["command", "args", "env", "headers", "timeout"];
  expect(nearestName("comand", known)).toBe("command");
  expect(nearestName("HEADER", known)).toBe("headers");
  expect(nearestName("ragsa", known)).toBeUndefined();
  expect(nearestName("cmomand", known)).toBe("command");
  expect(nearestName("x".repeat(100_000), known)).toBeUndefined();
});
