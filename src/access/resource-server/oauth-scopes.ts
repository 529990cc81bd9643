// The scopes that an OAuth token may carry here. They say what the token may be used for; what its subject may do at
// all is a matter of role and bundles, and both must allow a request. A larger scope includes the smaller ones.
import type { Scope } from "../scope.ts";

/** `mcp:read`: lists, resources and prompts. `mcp:call`: tools that only read. `mcp:write`: every tool. */
export const mcpScopes = ["mcp:read", "mcp:call", "mcp:write"] as const;
/** For the HTTP API, as its routes name them. */
export const apiScopes = ["api:call", "api:read", "api:operate", "api:admin"] as const;

/** With it a token is good for the named bundles alone: `mcp:tools:coding`. */
export const BUNDLE_SCOPE = "mcp:tools:";

export type McpScope = (typeof mcpScopes)[number];
export type ApiScope = (typeof apiScopes)[number];

/** All that was granted, with what it includes. Scopes of others are left out. */
export function grantedScopes(named: Iterable<string>): ReadonlySet<string> {
  const granted = new Set<string>();
  for (const scope of named) {
    for (const ladder of [mcpScopes, apiScopes]) {
      for (const included of upTo(ladder, scope)) granted.add(included);
    }
  }
  return granted;
}

/** The bundles that scopes limit a token to; undefined where they name none. */
export function bundlesOfScopes(named: Iterable<string>): string[] | undefined {
  const bundles = [...named]
    .filter((scope) => scope.startsWith(BUNDLE_SCOPE))
    .map((scope) => scope.slice(BUNDLE_SCOPE.length));
  return bundles.length === 0 ? undefined : bundles;
}

/** The scopes that a challenge names so that one more sign-in is enough: the one needed and all it includes. */
export function challengeScopes(needed: McpScope | ApiScope): readonly string[] {
  return [...upTo(mcpScopes, needed), ...upTo(apiScopes, needed)];
}

/** What a route of the API asks of a token; the role of its subject decides the rest. */
export function apiScopeOf(scope: Scope): ApiScope {
  return API_SCOPES[scope];
}

// To read the audit trail and what calls carried is to read: whether its subject may do that, the role says.
const API_SCOPES: Readonly<Record<Scope, ApiScope>> = {
  own: "api:call",
  call: "api:call",
  read: "api:read",
  audit: "api:read",
  payloads: "api:read",
  operate: "api:operate",
  manage: "api:admin",
  admin: "api:admin",
};

function upTo(ladder: readonly string[], scope: string): readonly string[] {
  return ladder.slice(0, ladder.indexOf(scope) + 1);
}
