/** What a verified token says, and the principal that it makes. The one place where a token becomes somebody. */
import type { Principal } from "../principal.ts";
import { defaultProject } from "../project.ts";
import { Roles } from "../roles.ts";
import type { ClaimOptions } from "./claim-options.ts";
import { bundlesOfScopes, grantedScopes } from "./oauth-scopes.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** A token that was found right, whoever it may be presented to. */
export interface VerifiedToken {
  readonly method: "jwt" | "oauth";
  readonly principal: Principal;
  /** The resources it was issued for; undefined where it names none and needs none. */
  readonly audiences: ReadonlySet<string> | undefined;
  /** It was issued for an audience that is accepted everywhere. */
  readonly everywhere: boolean;
  /** Until when it need not be looked at again, epoch milliseconds. */
  readonly goodUntil: number;
}

/** The principal of a token's claims; undefined where they name no subject. */
export function principalOf(
  claims: Claims,
  options: ClaimOptions,
  about: {
    /** What stands before the subject, so that two issuers' subjects are never the same principal. */
    readonly idPrefix: string;
    /** Granted beside what the token says. */
    readonly defaultScopes: readonly string[];
    /** A token that names no scopes is limited by its role alone. */
    readonly scopesOptional: boolean;
    readonly expiresAt: number | undefined;
  },
): Principal | undefined {
  const subject = textAt(claims, "sub") ?? textAt(claims, "client_id");
  if (subject === undefined) return undefined;
  const scopes = scopesOf(claims, options);
  const named = [...(scopes ?? []), ...about.defaultScopes];
  const bundles = bundlesOfScopes(named) ?? wordsAt(claims, options.bundles_claim) ?? "all";
  const project = textAt(claims, options.project_claim);
  const unlimited = scopes === undefined && about.scopesOptional;
  return ROLES.principal({
    id: `${about.idPrefix}:${subject}`,
    name: textAt(claims, options.name_claim) ?? subject,
    role: roleOf([...(wordsAt(claims, options.roles_claim) ?? []), ...named], options),
    bundles,
    kind: "token",
    ...(!unlimited && { scopes: grantedScopes(named) }),
    project: project ?? defaultProject,
    ...(about.expiresAt !== undefined && { expiresAt: about.expiresAt }),
  });
}

// Own roles are not known here: whoever serves the token has the roles of the moment say what it permits.
const ROLES = new Roles();

/** The audiences of a token; undefined where it names none. */
export function audiencesOf(claims: Claims): ReadonlySet<string> | undefined {
  const words = wordsAt(claims, "aud", false);
  return words === undefined ? undefined : new Set(words);
}

/** A token that only the holder of some key may use cannot be taken from whoever brings it. */
export function isBoundToKey(claims: Claims): boolean {
  return claims["cnf"] !== undefined && claims["cnf"] !== null;
}

// Some issuers write the list of scopes as `scp`.
function scopesOf(claims: Claims, options: ClaimOptions): readonly string[] | undefined {
  return wordsAt(claims, options.scopes_claim) ?? wordsAt(claims, "scp");
}

// A word that stands for no role gives none; it is not a reason to refuse.
function roleOf(words: readonly string[], options: ClaimOptions): Principal["role"] {
  const found = Object.entries(options.roles).find(([word]) => words.includes(word));
  return found?.[1] ?? options.default_role;
}

/** A text among claims, by a path with dots; undefined where there is none that may be shown. */
export function textAt(claims: Claims, path: string): string | undefined {
  const value = valueAt(claims, path);
  if (typeof value !== "string" || value === "" || value.length > TEXT_MAX) return undefined;
  // Names stand in logs and lists: what would break a line or a screen is not one.
  return hasControls(value) ? undefined : value;
}

/** Words among claims, by a path with dots. One text of several where `split` says so; a list is taken as it is. */
export function wordsAt(claims: Claims, path: string, split = true): readonly string[] | undefined {
  const value = valueAt(claims, path);
  if (typeof value === "string") {
    return split
      ? value
          .split(" ")
          .filter((word) => word !== "")
          .slice(0, WORDS_MAX)
      : [value];
  }
  if (!Array.isArray(value)) return undefined;
  return value.filter((word) => typeof word === "string").slice(0, WORDS_MAX);
}

// A claim of that very name goes before one inside others: some issuers name theirs by an address, with dots in it.
function valueAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

const TEXT_MAX = 256;
const WORDS_MAX = 200;
