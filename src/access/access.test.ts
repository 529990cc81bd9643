import { expect, test } from "vitest";
import { authOptions } from "./auth-options.ts";
import { prefixOf } from "./key.ts";
import { mayUseBundle } from "./principal.ts";

test("a principal limited to bundles may use these and not the whole", () => {
  expect(mayUseBundle({ bundles: ["coding"] }, "coding")).toBe(true);
  expect(mayUseBundle({ bundles: ["coding"] }, "other")).toBe(false);
  expect(mayUseBundle({ bundles: ["coding"] }, undefined)).toBe(false);
  expect(mayUseBundle({ bundles: [] }, "coding")).toBe(false);
  expect(mayUseBundle({ bundles: "all" }, "anything")).toBe(true);
  expect(mayUseBundle({ bundles: "all" }, undefined)).toBe(true);
});

test("a chosen admin key is never shown in part, and one that no header can carry is refused", () => {
  expect(prefixOf("correct-horse-battery")).toBe("(chosen)");
  for (const admin_key of ["short", "has spaces in the middle", "has\u00A0odd-characters"])
    expect([admin_key, authOptions.safeParse({ admin_key }).success]).toEqual([admin_key, false]);
  expect(authOptions.parse({ admin_key: "k3y-of-the-test-suite" }).required).toBe(true);
});
