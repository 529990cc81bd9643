import fc from "fast-check";
import { expect, test } from "vitest";
import { allows, callsSeenBy, type Grant } from "./principal.ts";
import { builtinRoleNames, roleName, roleOptions } from "./role.ts";
import { Roles, anonymous } from "./roles.ts";
import { ruleOptions, type Rule } from "./rule.ts";
import { scopes } from "./scope.ts";

const grant: Grant = {
  id: "k",
  name: "k",
  kind: "key",
  role: "caller",
  project: "default",
  bundles: "all",
};
const files = { name: "files", project: "default" };

test("each built-in role has its scopes and no more", () => {
  const granted = (role: string): string[] => {
    const principal = new Roles().principal({ ...grant, role });
    return scopes.filter((scope) => allows(principal, scope));
  };
  expect(granted("caller")).toEqual(["own", "call"]);
  expect(granted("operator")).toEqual(["own", "call", "read", "operate"]);
  expect(granted("developer")).toEqual(["own", "call", "read", "operate", "manage"]);
  expect(granted("auditor")).toEqual(["own", "read", "audit", "payloads"]);
  expect(granted("admin")).toEqual(["own", "call", "read", "operate", "manage", "admin", "audit"]);
});

test("a role that is not there permits nothing", () => {
  const { permissions } = new Roles().principal({ ...grant, role: "gone" });
  expect(permissions.scopes.size).toBe(0);
  expect(permissions.sees(files)).toBe(false);
});

test("an own role cannot take the name of a built-in one, nor widen it", () => {
  for (const name of builtinRoleNames) expect(roleName.safeParse(name).success).toBe(false);
  const roles = new Roles(
    new Map([["caller", { scopes: ["admin"], rules: [{ effect: "allow" }] }]]),
  );
  expect(allows(roles.principal(grant), "admin")).toBe(false);
});

test("principals of the same role, project and rules share their permissions, others do not", () => {
  const roles = new Roles();
  const { permissions } = roles.principal(grant);
  expect(roles.principal({ ...grant, id: "other", bundles: [] }).permissions).toBe(permissions);
  for (const other of [
    { role: "operator" },
    { project: "payments" },
    { rules: [{ effect: "deny" as const }] },
  ]) {
    expect(roles.principal({ ...grant, ...other }).permissions).not.toBe(permissions);
  }
});

test("a principal that other roles made is made anew once, with what the role permits now", () => {
  const before = new Roles().principal({ ...grant, role: "reader" });
  const rules: Rule[] = [{ effect: "allow", actions: ["read"] }];
  const roles = new Roles(new Map([["reader", { scopes: ["call"], rules }]]));
  const now = roles.current(before);
  expect([allows(before, "call"), allows(now, "call")]).toEqual([false, true]);
  expect(now).toMatchObject({ id: "k", role: "reader" });
  expect(roles.current(before)).toBe(now);
  expect(roles.current(now)).toBe(now);
});

test("a principal of a project sees its servers and those of all projects, one of every project all", () => {
  const roles = new Roles();
  const seen = (project: string): string[] => {
    const { permissions } = roles.principal({ ...grant, project });
    return ["default", "payments", "*"].filter((owner) => permissions.inProject(owner));
  };
  expect(seen("default")).toEqual(["default", "*"]);
  expect(seen("payments")).toEqual(["payments", "*"]);
  expect(seen("*")).toEqual(["default", "payments", "*"]);
});

test("whoever may not read sees its own calls, whoever may its project's, and of every project all", () => {
  const roles = new Roles();
  const seen = (role: string, project: string): object =>
    callsSeenBy(roles.principal({ ...grant, role, project }));
  expect(seen("caller", "*")).toEqual({ principalId: "k" });
  expect(seen("operator", "payments")).toEqual({ project: "payments" });
  expect(seen("auditor", "*")).toEqual({});
});

test("the anonymous caller is a caller of the default project", () => {
  expect(anonymous).toMatchObject({ kind: "anonymous", role: "caller", project: "default" });
});

test("the rules of a key never give what the role does not", () => {
  const rule: fc.Arbitrary<Rule> = fc.record(
    {
      effect: fc.constantFrom("allow" as const, "deny" as const),
      servers: fc.subarray(["files", "f*", "other"], { minLength: 1 }),
      actions: fc.subarray(["read", "write", "call", "manage"] as const, { minLength: 1 }),
    },
    { requiredKeys: ["effect"] },
  );
  const rules = fc.array(rule, { maxLength: 4 });
  const action = fc.constantFrom("read" as const, "write" as const, "manage" as const);
  fc.assert(
    fc.property(rules, rules, action, (ofRole, ofKey, what) => {
      const roles = new Roles(new Map([["own", { scopes: ["call"], rules: ofRole }]]));
      const wide = roles.principal({ ...grant, role: "own" }).permissions;
      const narrow = roles.principal({ ...grant, role: "own", rules: ofKey }).permissions;
      const reached = [narrow.reaches(files, what), wide.reaches(files, what)];
      expect(reached).not.toEqual([true, false]);
    }),
  );
});

test("conditions that would hold for nothing, and unknown ones, are refused", () => {
  for (const rule of [
    { effect: "allow", servers: [] },
    { effect: "allow", actions: ["delete"] },
    { effect: "permit" },
    { effect: "deny", tool: ["x"] },
    { effect: "deny", tools: ["a b"] },
  ]) {
    expect([rule, ruleOptions.safeParse(rule).success]).toEqual([rule, false]);
  }
  expect(roleOptions.parse({})).toEqual({ scopes: ["call"], rules: [] });
});
