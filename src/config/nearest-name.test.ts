import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearestName } from "./nearest-name.ts";

test("the distance counts insertions, deletions, replacements and swaps of neighbours", () => {
  expect(editDistance("port", "port")).toBe(0);
  expect(editDistance("prot", "port")).toBe(1);
  expect(editDistance("pool_mn", "pool_min")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
});

test("the distance is the same both ways and none to itself", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});

test("a name too far away is no suggestion", () => {
  expect(nearestName("call_timout", ["call_timeout", "call_timeout_max"])).toBe("call_timeout");
  expect(nearestName("LEVEL", ["level"])).toBe("level");
  expect(nearestName("pol", ["url", "x"])).toBeUndefined();
  expect(nearestName("abcdefgh", ["hgfedcba"])).toBeUndefined();
  expect(nearestName("ab", ["xy", "zz"])).toBeUndefined();
});
