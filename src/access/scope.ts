import type { Role } from "./principal.ts";

/** What a route needs: `call` tools, `read` the gateway's state, `operate` servers, or `admin` (change what exists). */
export type Scope = "call" | "read" | "operate" | "admin";

/** Whether a role includes a scope. */
export function allows(role: Role, scope: Scope): boolean {
  return scopesOf[role].has(scope);
}

const scopesOf: Record<Role, ReadonlySet<Scope>> = {
  caller: new Set<Scope>(["call"]),
  operator: new Set<Scope>(["call", "read", "operate"]),
  admin: new Set<Scope>(["call", "read", "operate", "admin"]),
};
