import { z } from "zod";
import { duration } from "../../foundation/index.ts";
import { claimOptions } from "./claim-options.ts";
import type { McpScope } from "./oauth-scopes.ts";

// Signatures that only the issuer can make. No "none", and nothing symmetric: with HS256 on this list a public key would do
// as the secret.
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

const url = z.url({ protocol: /^https?$/, error: "must be an http or https address" });

const issuerOptions = z
  .strictObject({
    issuer: url.describe("What `iss` of its tokens is, to the letter."),
    jwks_url: url.optional().describe("Where its keys are; else its metadata is asked."),
    algorithms: z
      .array(z.enum(algorithms))
      .min(1)
      .default(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
      .describe("The signatures accepted."),
    audiences: z
      .array(z.string().min(1))
      .max(20)
      .default([])
      .describe("Accepted in `aud` at every endpoint, for an issuer that cannot name resources."),
    clock_skew: duration.default(30_000).describe("How far the clocks may differ."),
    introspect: z
      .enum(["never", "opaque", "always"])
      .default("never")
      .describe("Which tokens the issuer is asked about: those that are no JWT, or all."),
    introspection_url: url.optional().describe("Where it is asked; else its metadata tells."),
    introspection_age_max: duration
      .default(30_000)
      .describe("How long its answer counts; a revoked token may work for so long."),
    client_id: z.string().min(1).optional().describe("Who asks it."),
    client_secret: z.string().min(1).optional(),
    default_scopes: z
      .array(z.string().min(1))
      .max(20)
      .default([])
      .describe("Granted to each of its tokens, for an issuer that knows no such scopes."),
    ...claimOptions,
    roles: claimOptions.roles.default({}),
    roles_claim: claimOptions.roles_claim.default("roles"),
  })
  .refine(({ introspect, client_id, client_secret }) => {
    return introspect === "never" || (client_id !== undefined && client_secret !== undefined);
  }, "needs client_id and client_secret to introspect tokens");

/** `[auth.oauth]`: who issues access tokens for this gateway. */
export const oauthOptions = z.strictObject({
  initial_scopes: z
    .array(z.string().min(1))
    .max(20)
    .default(["mcp:read", "mcp:call"] satisfies McpScope[])
    .describe("What a client without a token is told to ask for."),
  issuers: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, "must be a short name in small letters"),
      issuerOptions,
    )
    .default({})
    // An opaque token does not say whose it is, and must not be shown to another issuer.
    .refine(
      (issuers) =>
        Object.values(issuers).filter(({ introspect }) => introspect !== "never").length <= 1,
      "only one issuer can be asked about tokens",
    )
    .refine(
      (issuers) =>
        new Set(Object.values(issuers).map(({ issuer }) => issuer)).size ===
        Object.keys(issuers).length,
      "two of them are the same issuer",
    ),
});

export type OAuthOptions = z.output<typeof oauthOptions>;
export type IssuerOptions = OAuthOptions["issuers"][string];
