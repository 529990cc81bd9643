import type { AuditActor } from "../foundation/index.ts";
import type { Permissions } from "./permissions.ts";
import type { Rule } from "./rule.ts";
import { apiScopeOf } from "./resource-server/oauth-scopes.ts";
import type { Scope } from "./scope.ts";

/** How a principal proved who it is. */
export type PrincipalKind = "key" | "token" | "person" | "network" | "anonymous";

/** Who somebody is and what they were given, before the roles of a configuration say what that means. */
export interface Grant {
  readonly id: string;
  readonly name: string;
  readonly kind: PrincipalKind;
  /** A built-in role or an own one; a role that is not there permits nothing. */
  readonly role: string;
  /** The project whose servers and bundles it sees; "*" sees all. */
  readonly project: string;
  /** Limits it to named bundles; "all" also opens the endpoint without a bundle. */
  readonly bundles: readonly string[] | "all";
  /** Rules of its own, which narrow the role's. */
  readonly rules?: readonly Rule[];
  readonly keyId?: string;
  /** What its token was granted, with all that this includes; without it the role alone decides. */
  readonly scopes?: ReadonlySet<string>;
  /** When its token ends, epoch milliseconds: what it has open then ends too. */
  readonly expiresAt?: number;
}

/** Who calls. Made by `Roles.principal`, and nowhere else. */
export interface Principal extends Grant {
  readonly permissions: Permissions;
}

/** Whether a principal's role includes a scope. */
export function allows(principal: Pick<Principal, "permissions">, scope: Scope): boolean {
  return principal.permissions.scopes.has(scope);
}

/** The same over the HTTP API: where its token names scopes, these have to permit it too. */
export function allowsOverApi(
  principal: Pick<Principal, "permissions" | "scopes">,
  scope: Scope,
): boolean {
  return allows(principal, scope) && principal.scopes?.has(apiScopeOf(scope)) !== false;
}

/** Whether a principal may use a bundle; `undefined` stands for the endpoint that offers everything. */
export function mayUseBundle(
  principal: Pick<Principal, "bundles">,
  bundle: string | undefined,
): boolean {
  if (principal.bundles === "all") return true;
  return bundle !== undefined && principal.bundles.includes(bundle);
}

/** Who did it, as the audit trail keeps it. */
export function actorOf({ id, name, kind }: Grant): AuditActor {
  return { id, name, kind };
}

/** Whose calls a principal may see: those of its project where it may `read`, else its own alone. */
export function callsSeenBy(
  principal: Principal,
  reads = allows(principal, "read"),
): { principalId?: string; project?: string } {
  if (!reads) return { principalId: principal.id };
  return principal.permissions.gatewayWide ? {} : { project: principal.project };
}

/** Services are told of a caller by the part that concerns them; it is the principal itself. */
export function isPrincipal(caller: object): caller is Principal {
  return "permissions" in caller;
}
