import fc from "fast-check";
import { expect, test } from "vitest";
import { byteSize, formatBytes } from "./byte-size.ts";

test.each([
  [65_536, 65_536],
  ["512MB", 512_000_000],
  ["64MiB", 64 * 1024 * 1024],
  ["1.5 GB", 1_500_000_000],
  ["100B", 100],
])("reads %s as %i bytes", (text, bytes) => {
  expect(byteSize.parse(text)).toBe(bytes);
});

test.each(["", "512", "512mb", "-1MB", "1TB", "MB", -1, 1.5, Number.NaN])("refuses %s", (text) => {
  expect(byteSize.safeParse(text).success).toBe(false);
});

test("says sizes in the largest unit that is not above them", () => {
  expect([0, 999, 64_000_000, 209_715_200, 3e9].map(formatBytes)).toEqual([
    "0 B",
    "999 B",
    "64 MB",
    "209.7 MB",
    "3 GB",
  ]);
});

test("never takes a whole number of bytes for anything else", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(byteSize.parse(bytes)).toBe(bytes);
    }),
  );
});
