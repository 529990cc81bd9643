import { expect, test } from "vitest";
import { plain } from "./output.ts";

test("text from elsewhere can neither drive the terminal nor show itself in another order", () => {
  expect(plain("red \u001B[31m \u009B0m \u0007")).toBe("red \uFFFD[31m \uFFFD0m \uFFFD");
  const reordering = "\u202A\u202B\u202C\u202D\u202E\u2066\u2067\u2068\u2069\u200E\u200F\u061C";
  expect(plain(`a${reordering}b`)).toBe(`a${"\uFFFD".repeat(12)}b`);
  expect(plain("hidden \u{E0041}\u{E0042} lines \u2028\u2029")).toBe(
    "hidden \uFFFD\uFFFD lines \uFFFD\uFFFD",
  );
});

test("text of people is left as it is", () => {
  const text = "Grüße,\tעברית\n日本語 👩‍👩‍👧 naïve";
  expect(plain(text)).toBe(text);
});
