import fc from "fast-check";
import { expect, test } from "vitest";
import { ToolPattern } from "./tool-pattern.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "_"), maxLength: 8 });
const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 6 });

test("matches what the regular expression of the same meaning matches", () => {
  fc.assert(
    fc.property(pattern, text, (written, name) => {
      const meaning = new RegExp(`^${written.replaceAll("*", ".*")}$`);
      expect(new ToolPattern(written).matches(name)).toBe(meaning.test(name));
    }),
    { numRuns: 2000 },
  );
});

test("a name without a star matches itself alone", () => {
  expect(new ToolPattern("search").matches("search")).toBe(true);
  expect(new ToolPattern("search").matches("search_all")).toBe(false);
});

test("weighs what is written out", () => {
  const { weight, stars } = new ToolPattern("a*bc*");
  expect([weight, stars]).toEqual([3, 2]);
});
