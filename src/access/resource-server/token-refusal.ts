import type { AuthMethod, AuthRefusal } from "../auth-outcome.ts";

/** Why a token is refused, one of a few words. */
export type TokenProblem =
  | "malformed"
  | "algorithm"
  | "issuer"
  | "signature"
  | "unknown_key"
  | "type"
  | "claims"
  | "subject"
  | "bound"
  | "inactive"
  | "lifetime"
  | "not_yet_valid"
  | "expired"
  | "audience"
  | "unavailable"
  | "busy";

export function tokenRefusal(
  method: AuthMethod,
  problem: TokenProblem,
  more = sentences[problem],
): AuthRefusal {
  return { ok: false, code: codeOf(problem), message: more, method, reason: problem };
}

function codeOf(problem: TokenProblem): AuthRefusal["code"] {
  if (problem === "expired") return "TOKEN_EXPIRED";
  if (problem === "audience") return "TOKEN_AUDIENCE";
  if (problem === "unavailable" || problem === "busy") return "AUTH_UNAVAILABLE";
  return "TOKEN_INVALID";
}

const sentences: Record<TokenProblem, string> = {
  malformed: "The token cannot be read.",
  algorithm: "The token is signed with an algorithm that is not accepted here.",
  issuer: "The token comes from an issuer that is not accepted here.",
  signature: "The token's signature is not its issuer's.",
  unknown_key: "The token is signed with a key that its issuer does not publish.",
  type: "The token is of a kind that is not an access token.",
  claims: "The token lacks a claim that is needed, or one has a wrong value.",
  subject: "The token names nobody.",
  bound: "The token is bound to a key of its holder, which cannot be checked here.",
  inactive: "The token is not valid, or no longer.",
  lifetime: "The token lasts longer than this gateway accepts.",
  not_yet_valid: "The token is not valid yet.",
  expired: "The token has expired.",
  audience: "The token was issued for another resource.",
  unavailable: "The token cannot be checked now: its issuer does not answer.",
  busy: "Too many tokens are being checked; try again in a moment.",
};
