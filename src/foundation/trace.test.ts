import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTraceparent } from "./trace.ts";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

test("a valid header is read", () => {
  const read = { traceId: trace, spanId: span };
  expect(parseTraceparent(`00-${trace}-${span}-01`)).toEqual({ ...read, sampled: true });
  expect(parseTraceparent(`00-${trace}-${span}-02`)).toEqual({ ...read, sampled: false });
  expect(parseTraceparent(`cc-${trace}-${span}-01-what-may-come`)).toEqual({
    ...read,
    sampled: true,
  });
});

test.each([
  undefined,
  5,
  "",
  "00",
  `ff-${trace}-${span}-01`,
  `00-${trace}-${span}-01-more`,
  `00-${trace}-${span}-01 `,
  `00-${"0".repeat(32)}-${span}-01`,
  `00-${trace}-${"0".repeat(16)}-01`,
  `00-${trace.toUpperCase()}-${span}-01`,
  `00-${trace}-${span}`,
  `cc-${trace}-${span}-01x`,
])("%o is ignored", (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test("any text at all is read or ignored, never thrown at", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseTraceparent(text)).toBeUndefined();
    }),
  );
});
