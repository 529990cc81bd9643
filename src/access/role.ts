import { z } from "zod";
import { rulesOptions, type Rule } from "./rule.ts";
import { scopes, type Scope } from "./scope.ts";

export const builtinRoleNames = ["admin", "operator", "developer", "caller", "auditor"] as const;
export type BuiltinRole = (typeof builtinRoleNames)[number];

/** `[roles.<name>]`: which routes it opens, and what may be done with which servers. */
export const roleOptions = z.strictObject({
  title: z.string().max(200).optional(),
  scopes: z.array(z.enum(scopes)).max(scopes.length).default(["call"]),
  rules: rulesOptions.default([]),
});

export type RoleOptions = z.output<typeof roleOptions>;

/** Any role, whether built in or not. */
export const anyRoleName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    'a role\'s name has 1 to 32 characters of "a-z", "0-9", "-" and "_", and starts with a letter or digit',
  );

export const roleName = anyRoleName.refine(
  (name) => !isBuiltin(name),
  "this role is part of the gateway: choose another name",
);

const everything: readonly Rule[] = [{ effect: "allow" }];
const everyUse: readonly Rule[] = [{ effect: "allow", actions: ["call"] }];

/** The roles that are always there. What calls carried is for the auditor alone. */
export const builtinRoles: Readonly<
  Record<BuiltinRole, { readonly scopes: readonly Scope[]; readonly rules: readonly Rule[] }>
> = {
  admin: {
    scopes: ["own", "call", "read", "operate", "manage", "admin", "audit"],
    rules: everything,
  },
  operator: { scopes: ["own", "call", "read", "operate"], rules: everyUse },
  developer: { scopes: ["own", "call", "read", "operate", "manage"], rules: everything },
  caller: { scopes: ["own", "call"], rules: everyUse },
  auditor: {
    scopes: ["own", "read", "audit", "payloads"],
    rules: [{ effect: "allow", actions: ["read"] }],
  },
};

function isBuiltin(name: string): boolean {
  return Object.hasOwn(builtinRoles, name);
}
