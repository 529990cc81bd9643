import { expect, test } from "vitest";
import type { Principal } from "../../access/index.ts";
import { principalNamed } from "../running-gateway.ts";
import { authorize } from "./authorize.ts";

const principal = (bundles: readonly string[] | "all"): Principal =>
  principalNamed("p", { bundles });

test("a principal of all bundles may use every endpoint", () => {
  expect(authorize(principal("all"), undefined)).toBeUndefined();
  expect(authorize(principal("all"), "any")).toBeUndefined();
});

test("a principal of some bundles may use those, and not the endpoint of everything", () => {
  const some = principal(["a", "b"]);
  expect(authorize(some, "a")).toBeUndefined();
  for (const bundle of ["c", undefined, "A"]) {
    expect(authorize(some, bundle)).toMatchObject({ code: "FORBIDDEN", status: 403 });
  }
  expect(authorize(some, "c")?.message).toContain("/mcp/a, /mcp/b");
  expect(authorize(principal([]), "c")?.message).toContain("no bundle");
});

test("a role without the scope to call may use no endpoint", () => {
  for (const role of ["auditor", "removed-since"]) {
    const refusal = authorize(principalNamed("p", { role }), undefined);
    expect(refusal).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining(role) });
  }
});
