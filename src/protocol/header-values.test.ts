import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeHeaderValue, encodeHeaderValue } from "./header-values.ts";

// A lone surrogate has no UTF-8 form and so cannot be in a JSON document's bytes.
const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
  fc.string({ unit: "binary-ascii" }),
  fc.string().map((text) => `=?base64?${text}?=`),
  fc.string().map((text) => ` ${text}\t`),
);

test("any text survives its header form", () => {
  fc.assert(
    fc.property(anyText, (value) => {
      expect(decodeHeaderValue(encodeHeaderValue(value))).toBe(value);
    }),
  );
});

test("the header form is always fit for a header", () => {
  fc.assert(
    fc.property(anyText, (value) => {
      expect(encodeHeaderValue(value)).toMatch(/^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/);
    }),
  );
});

test("safe values travel as they are, others between markers", () => {
  expect(encodeHeaderValue("us-west1 / b?")).toBe("us-west1 / b?");
  expect(encodeHeaderValue("é")).toBe("=?base64?w6k=?=");
  expect(encodeHeaderValue("a\r\nx: y")).not.toMatch(/[\r\n]/);
});

test("blanks around a header do not count, and broken markers stand for themselves", () => {
  expect(decodeHeaderValue(" \ta b\t ")).toBe("a b");
  for (const header of ["=?base64?a?=", "=?BASE64?YQ==?=", "=?base64?YQ==", "=?base64?Y Q=?="]) {
    expect(decodeHeaderValue(header)).toBe(header);
  }
});
