/** How a server wants to be given tokens, as its options say; the schema stands with the other options of a server. */
export interface OAuthSettings {
  /** Whose tokens calls carry: one connection for everyone, or each principal's own. Default each one's own. */
  readonly mode?: "gateway" | "principal" | undefined;
  /** Default `authorization_code`: a person consents. */
  readonly grant?: "authorization_code" | "client_credentials" | undefined;
  /** The only authorization server whose tokens are wanted. */
  readonly issuer?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  /** PEM, for `private_key_jwt`. */
  readonly private_key?: string | undefined;
  readonly key_id?: string | undefined;
  readonly signing_algorithm?: SigningAlgorithm | undefined;
  readonly scopes?: readonly string[] | undefined;
}

export type SigningAlgorithm = "ES256" | "ES384" | "RS256" | "PS256" | "EdDSA";

/** A server that wants tokens. */
export interface ProtectedServer {
  readonly name: string;
  readonly url: string;
  readonly oauth: OAuthSettings;
}

/** Whether all callers share one connection. A program that connects by its own credentials has only that one. */
export function isShared({ mode, grant }: OAuthSettings): boolean {
  return mode === "gateway" || grant === "client_credentials";
}
