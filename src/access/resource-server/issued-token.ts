/** The tokens this gateway makes itself, with the secret that it shares. */
import { SignJWT } from "jose";
import { SignalboxError, randomToken, type Clock } from "../../foundation/index.ts";
import type { JwtOptions } from "./jwt-options.ts";

export interface WantedToken {
  readonly subject: string;
  readonly name?: string;
  readonly role: string;
  readonly bundles: readonly string[] | "all";
  /** Milliseconds; the configured lifetime where left out, which is also the longest. */
  readonly lifetimeMs?: number;
}

/** A token for a subject. Throws TOKENS_OFF without a secret, BODY_INVALID where tokens may not say what is wanted. */
export async function issueToken(
  wanted: WantedToken,
  options: JwtOptions,
  clock: Clock,
): Promise<{ token: string; expiresAt: number }> {
  const { secret, expires_in, issuer } = options;
  if (secret === undefined) {
    throw new SignalboxError("TOKENS_OFF", "No secret to sign tokens with is configured.");
  }
  const lifetimeMs = wanted.lifetimeMs ?? expires_in;
  if (lifetimeMs > expires_in) {
    throw new SignalboxError(
      "BODY_INVALID",
      "A token may not last longer than auth.jwt.expires_in.",
    );
  }
  const issuedAt = Math.floor(clock.now() / 1000);
  const expiresAt = issuedAt + Math.ceil(lifetimeMs / 1000);
  const token = await new SignJWT({
    sub: wanted.subject,
    iat: issuedAt,
    exp: expiresAt,
    jti: randomToken(JTI_BYTES),
    [options.roles_claim]: wordFor(wanted.role, options),
    ...(wanted.name !== undefined && { [options.name_claim]: wanted.name }),
    ...(wanted.bundles !== "all" && { [options.bundles_claim]: wanted.bundles }),
    ...(issuer !== undefined && { iss: issuer }),
  })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(secret));
  return { token, expiresAt: expiresAt * 1000 };
}

function wordFor(role: string, { roles, default_role }: JwtOptions): string {
  const word = Object.entries(roles).find(([, meant]) => meant === role)?.[0];
  if (word !== undefined) return word;
  if (role === default_role) return role;
  throw new SignalboxError(
    "BODY_INVALID",
    `Tokens may not have the role "${role}" here: auth.jwt.roles has no word for it.`,
  );
}

const JTI_BYTES = 12;
