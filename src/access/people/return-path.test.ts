import { expect, test } from "vitest";
import { returnPath } from "./return-path.ts";

test.each([
  ["/", "/"],
  ["/api/status", "/api/status"],
  ["/a/../b?c=d", "/b?c=d"],
  ["/a?next=https://other.example", "/a?next=https://other.example"],
])("a path of the gateway is kept: %s", (asked, kept) => {
  expect(returnPath(asked)).toBe(kept);
});

test.each([
  undefined,
  null,
  "",
  "https://other.example/",
  "//other.example",
  "/\\other.example",
  "\\\\other.example",
  "/a\\..\\b",
  "/\t/other.example",
  "/\n/other.example",
  "javascript:alert(1)",
  "a/b",
  `/${"x".repeat(500)}`,
])("anything else leads to the start page: %j", (asked) => {
  expect(returnPath(asked)).toBe("/");
});

test("a path that becomes another host once it is resolved leads to the start page", () => {
  for (const asked of ["/./%2e//other.example", "/..//other.example", "/.//other.example"])
    expect(returnPath(asked).startsWith("//")).toBe(false);
});
