import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { duration, DURATION_MAX_MS, formatDuration, isDuration } from "./durations.ts";

test.each<[number | string, number]>([
  [0, 0],
  [1500, 1500],
  ["1500", 1500],
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5s", 1500],
  ["10m", 600_000],
  ["1h", 3_600_000],
  ["30d", 2_592_000_000],
])("%o is %d ms", (written, ms) => {
  expect(duration.parse(written)).toBe(ms);
});

test.each([
  "",
  "s",
  "-1s",
  "1 s",
  "1y",
  "1h30m",
  "1e3",
  -1,
  1.5,
  NaN,
  Infinity,
  true,
  null,
  "9999999d",
])("%o is refused with the forms that are accepted", (written) => {
  const outcome = duration.safeParse(written);
  expect(outcome.error?.issues).toHaveLength(1);
  expect(outcome.error?.issues[0]?.message).toMatch(/^must be a duration such as "250ms"/);
});

test("what formatDuration writes, duration reads back exactly", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: DURATION_MAX_MS }),
      fc.constantFrom(1, 1000, 60_000),
      (n, step) => {
        const ms = n - (n % step);
        expect(duration.parse(formatDuration(ms))).toBe(ms);
      },
    ),
  );
});

test("formatDuration prefers the largest unit that is exact", () => {
  expect([0, 90_000, 3_600_000, 86_400_000, 1001].map(formatDuration)).toEqual([
    "0ms",
    "90s",
    "1h",
    "1d",
    "1001ms",
  ]);
});

test("a duration is known as one also where it is narrowed, or may be a word instead", () => {
  const narrowed = duration.refine((ms) => ms > 0).refine((ms) => ms < 9);
  for (const schema of [duration, narrowed, z.union([z.literal("never"), narrowed])])
    expect(isDuration(schema)).toBe(true);
  for (const schema of [z.number(), z.int().min(1), z.union([z.string(), z.number()])])
    expect(isDuration(schema)).toBe(false);
});
