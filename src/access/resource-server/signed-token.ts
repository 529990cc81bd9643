/** Tokens that carry their own proof: JWT signed by an issuer's key, or with the gateway's secret. */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyOptions } from "jose";
import { isSignalboxError, type Clock } from "../../foundation/index.ts";
import type { AuthMethod, AuthRefusal } from "../auth-outcome.ts";
import type { Issuer } from "./issuer.ts";
import type { JwtOptions } from "./jwt-options.ts";
import {
  audiencesOf,
  isBoundToKey,
  principalOf,
  type Claims,
  type VerifiedToken,
} from "./token-principal.ts";
import { tokenRefusal, type TokenProblem } from "./token-refusal.ts";

export type TokenVerdict = VerifiedToken | AuthRefusal;

/** Whether a text has the form of a signed token: three parts, the first of them a JSON object in base64url. */
export function looksSigned(token: string): boolean {
  return /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(token);
}

/**
 * Who makes a token's claims, as its unverified header and `iss` say: the one whose key the signature is then checked against.
 * The algorithm decides first, and an issuer's public key is never used as a secret.
 */
export function readUnverified(token: string): { alg: string; iss: unknown } | undefined {
  try {
    const { alg } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    return typeof alg === "string" ? { alg, iss } : undefined;
  } catch {
    return undefined;
  }
}

/** Checks a token that claims to be signed with the shared secret. */
export async function verifyShared(
  token: string,
  options: JwtOptions & { secret: string },
  clock: Clock,
): Promise<TokenVerdict> {
  const outcome = await verify("jwt", token, new TextEncoder().encode(options.secret), {
    ...ruleFor(options.clock_skew, clock),
    algorithms: ["HS256"],
    ...(options.issuer !== undefined && { issuer: options.issuer }),
  });
  if ("ok" in outcome) return outcome;
  const { claims, expiresAt } = outcome;
  if (expiresAt > clock.now() + options.expires_in + 2 * options.clock_skew) {
    return tokenRefusal("jwt", "lifetime");
  }
  const principal = principalOf(claims, options, {
    idPrefix: "jwt",
    defaultScopes: [],
    scopesOptional: true,
    expiresAt: expiresAt + options.clock_skew,
  });
  if (principal === undefined) return tokenRefusal("jwt", "subject");
  const goodUntil = expiresAt + options.clock_skew;
  return verified("jwt", principal, audiencesOf(claims), options.audiences, goodUntil);
}

/** Checks a token that claims to be an issuer's. */
export async function verifyIssued(
  token: string,
  issuer: Issuer,
  clock: Clock,
): Promise<TokenVerdict> {
  const { options } = issuer;
  const outcome = await verify("oauth", token, issuer.keys.key, {
    ...ruleFor(options.clock_skew, clock),
    algorithms: [...options.algorithms],
    issuer: options.issuer,
  });
  if ("ok" in outcome) return outcome;
  return verifiedOf(outcome.claims, issuer, outcome.expiresAt + options.clock_skew);
}

/** A token of an issuer whose claims are known to be the issuer's. */
export function verifiedOf(
  claims: Claims,
  { name, options }: Issuer,
  goodUntil: number,
  expiresAt: number | undefined = goodUntil,
): TokenVerdict {
  if (isBoundToKey(claims)) return tokenRefusal("oauth", "bound");
  const principal = principalOf(claims, options, {
    idPrefix: `oauth:${name}`,
    defaultScopes: options.default_scopes,
    scopesOptional: false,
    expiresAt,
  });
  if (principal === undefined) return tokenRefusal("oauth", "subject");
  const audiences = audiencesOf(claims);
  if (audiences === undefined) return tokenRefusal("oauth", "audience");
  return verified("oauth", principal, audiences, options.audiences, goodUntil);
}

function verified(
  method: VerifiedToken["method"],
  principal: VerifiedToken["principal"],
  audiences: ReadonlySet<string> | undefined,
  accepted: readonly string[],
  goodUntil: number,
): VerifiedToken {
  const everywhere =
    audiences === undefined || accepted.some((audience) => audiences.has(audience));
  return { method, principal, audiences, everywhere, goodUntil };
}

function ruleFor(skewMs: number, clock: Clock): JWTVerifyOptions {
  return {
    clockTolerance: Math.ceil(skewMs / 1000),
    currentDate: new Date(clock.now()),
    requiredClaims: ["exp"],
  };
}

async function verify(
  method: AuthMethod,
  token: string,
  key: Uint8Array | Issuer["keys"]["key"],
  options: JWTVerifyOptions,
): Promise<{ claims: Claims; expiresAt: number } | AuthRefusal> {
  try {
    const { payload, protectedHeader } = await checkSignature(token, key, options);
    if (!isAccessTokenType(protectedHeader.typ)) return tokenRefusal(method, "type");
    return { claims: payload, expiresAt: Number(payload.exp) * 1000 };
  } catch (error) {
    if (isSignalboxError(error)) throw error;
    return tokenRefusal(method, problemOf(error));
  }
}

// An issuer may publish several keys that fit a token without a key's name: each is tried, a few at most.
async function checkSignature(
  token: string,
  key: Uint8Array | Issuer["keys"]["key"],
  options: JWTVerifyOptions,
): ReturnType<typeof jwtVerify> {
  if (typeof key !== "function") return jwtVerify(token, key, options);
  try {
    return await jwtVerify(token, key, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const candidate of error) {
      if (++tried > CANDIDATES_MAX) break;
      try {
        return await jwtVerify(token, candidate, options);
      } catch (refused) {
        if (!(refused instanceof errors.JWSSignatureVerificationFailed)) throw refused;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

// Kinds such as `logout+jwt`, `dpop+jwt` and `oauth-id-jag+jwt` are signed by the same keys and are no access tokens.
function isAccessTokenType(type: string | undefined): boolean {
  return type === undefined || /^(?:application\/)?(?:at\+)?jwt$/i.test(type);
}

function problemOf(error: unknown): TokenProblem {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "nbf" || error.claim === "iat") return "not_yet_valid";
    return error.claim === "iss" ? "issuer" : "claims";
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "signature";
  if (error instanceof errors.JWKSNoMatchingKey) return "unknown_key";
  return "malformed";
}

const CANDIDATES_MAX = 8;
