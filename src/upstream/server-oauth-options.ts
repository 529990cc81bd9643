import { z } from "zod";

const address = z
  .url({ protocol: /^https?$/, error: 'issuer must be a URL such as "https://login.example.com"' })
  .max(2048);
const word = z.string().min(1).max(2048);

/** `oauth`: how the gateway gets the tokens that calls to a remote server carry. Empty is enough for most servers. */
export const serverOAuthOptions = z
  .strictObject({
    /** Whose tokens: `principal`, each caller's own; `gateway`, one connection for all callers. */
    mode: z.enum(["gateway", "principal"], 'mode must be "gateway" or "principal"').optional(),
    grant: z
      .enum(
        ["authorization_code", "client_credentials"],
        'grant must be "authorization_code" or "client_credentials"',
      )
      .optional(),
    /** The only authorization server that is asked. */
    issuer: address.optional(),
    client_id: word.optional(),
    client_secret: z.string().min(1).max(4096).optional(),
    /** PEM: the gateway proves itself with a signature instead of a secret. */
    private_key: z.string().min(1).max(16_384).optional(),
    key_id: z.string().min(1).max(256).optional(),
    signing_algorithm: z.enum(["ES256", "ES384", "RS256", "PS256", "EdDSA"]).optional(),
    /** In place of all that the server says it knows; what it demands is added. */
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "is not a scope"))
      .max(100)
      .optional(),
  })
  .superRefine((options, context) => {
    for (const [key, message] of problemsOf(options))
      context.addIssue({ code: "custom", path: [key], message });
  });

export type ServerOAuthOptions = z.output<typeof serverOAuthOptions>;

function problemsOf(options: {
  mode?: string | undefined;
  grant?: string | undefined;
  issuer?: string | undefined;
  client_id?: string | undefined;
  client_secret?: string | undefined;
  private_key?: string | undefined;
}): [string, string][] {
  const { mode, grant, issuer, client_id, client_secret, private_key } = options;
  const problems: [string, string][] = [];
  const proof = client_secret ?? private_key;
  if (client_secret !== undefined && private_key !== undefined)
    problems.push(["client_secret", "give client_secret or private_key, not both"]);
  if (proof !== undefined && client_id === undefined)
    problems.push(["client_id", "a secret or key goes with the client_id it was given for"]);
  // The server names its authorization server, and must not be the one to say who is sent the secret.
  if (proof !== undefined && issuer === undefined)
    problems.push(["issuer", "name the authorization server that the secret or key is for"]);
  if (grant === "client_credentials" && proof === undefined)
    problems.push([
      "grant",
      "client_credentials needs client_id, and client_secret or private_key",
    ]);
  if (grant === "client_credentials" && mode === "principal")
    problems.push(["mode", "client_credentials are the gateway's own: mode can only be gateway"]);
  return problems;
}
