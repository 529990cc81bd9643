/** The roles of one configuration, built-in and own, and the principals that hold them. */
import { Permissions } from "./permissions.ts";
import type { Grant, Principal } from "./principal.ts";
import { defaultProject } from "./project.ts";
import { builtinRoles, type RoleOptions } from "./role.ts";
import { RuleEngine } from "./rule-engine.ts";
import type { Rule } from "./rule.ts";
import type { Scope } from "./scope.ts";

interface Role {
  readonly scopes: ReadonlySet<Scope>;
  readonly rules: readonly Rule[];
  readonly engine: RuleEngine;
}

/** Combinations of role, project and rules that are kept compiled. */
const COMPILED_MAX = 10_000;

export class Roles {
  readonly #roles = new Map<string, Role>();
  readonly #compiled = new Map<string, Permissions>();
  readonly #remade = new WeakMap<Principal, Principal>();

  constructor(own: ReadonlyMap<string, Pick<RoleOptions, "scopes" | "rules">> = new Map()) {
    for (const [name, { scopes, rules }] of own) this.#add(name, ["own", ...scopes], rules);
    for (const [name, { scopes, rules }] of Object.entries(builtinRoles)) {
      this.#add(name, scopes, rules);
    }
  }

  /** The principal that holds a grant under these roles. */
  principal(grant: Grant): Principal {
    return Object.freeze({ ...grant, permissions: this.#permissionsOf(grant) });
  }

  /** The principal as these roles see it: itself, or the same one anew where other roles had made it. */
  current(principal: Principal): Principal {
    if (principal.permissions.issuer === this) return principal;
    const known = this.#remade.get(principal);
    if (known !== undefined) return known;
    const { permissions: _outdated, ...grant } = principal;
    const remade = this.principal(grant);
    this.#remade.set(principal, remade);
    return remade;
  }

  /** The rules of a role; undefined where there is no such role. */
  rulesOf(role: string): readonly Rule[] | undefined {
    return this.#roles.get(role)?.rules;
  }

  #add(name: string, scopes: readonly Scope[], rules: readonly Rule[]): void {
    this.#roles.set(name, {
      scopes: new Set(scopes),
      rules,
      engine: new RuleEngine(rules, "role"),
    });
  }

  #permissionsOf({ role, project, rules = [] }: Grant): Permissions {
    const key = JSON.stringify([role, project, rules]);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const { scopes, engine } = this.#roles.get(role) ?? NOTHING;
    const engines = rules.length === 0 ? [engine] : [engine, new RuleEngine(rules, "key")];
    const made = new Permissions({ scopes, project, issuer: this, engines });
    if (this.#compiled.size >= COMPILED_MAX) this.#compiled.clear();
    this.#compiled.set(key, made);
    return made;
  }
}

// A role that was removed while somebody holds it.
const NOTHING: Role = { scopes: new Set(), rules: [], engine: new RuleEngine([], "role") };

/** Who calls where authentication is switched off: allowed on a loopback bind only, and never more than a caller. */
export const anonymous: Principal = new Roles().principal({
  id: "anonymous",
  name: "anonymous",
  kind: "anonymous",
  role: "caller",
  project: defaultProject,
  bundles: "all",
});
