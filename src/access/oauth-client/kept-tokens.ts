// A connection in memory, and its sealed form in the store.
import { z } from "zod";
import type { TextSealer } from "../sealer.ts";
import type { OAuthClient } from "./client-authentication.ts";
import type { ConnectionRow, NewConnection } from "./connection-store.ts";
import type { Tokens } from "./grants.ts";
import { sealedTokens } from "./sealed-places.ts";
import type { ProtectedServer } from "./settings.ts";

/** The tokens of a connection, with all that renewing or ending them takes. */
export interface KeptTokens extends Tokens {
  readonly issuer: string;
  readonly resource: string;
  readonly client: OAuthClient;
  /** What was asked for; the next consent asks for no less. */
  readonly requested: readonly string[];
  /** The server's address when they were given: a server that moved elsewhere is not sent them. */
  readonly serverUrl: string;
}

export function sealTokens(
  { name }: ProtectedServer,
  subject: string,
  tokens: KeptTokens,
  sealer: TextSealer,
): NewConnection {
  return {
    server: name,
    subject,
    issuer: tokens.issuer,
    scopes: tokens.granted ?? tokens.requested,
    sealed: sealer.seal(JSON.stringify(tokens), sealedTokens.place(name, subject)),
    ...(tokens.expiresAt !== undefined && { expiresAt: tokens.expiresAt }),
  };
}

/** The tokens of a row; undefined where they cannot be opened (the key is another one now). */
export function openTokens(
  { server, subject, sealed }: Pick<ConnectionRow, "server" | "subject" | "sealed">,
  sealer: TextSealer,
): KeptTokens | undefined {
  const text = sealer.open(sealed, sealedTokens.place(server, subject));
  return text === undefined ? undefined : keptTokens.parse(JSON.parse(text));
}

/** Whether they may be sent to `server` as it is configured now. */
export function areFor(tokens: KeptTokens, { url, oauth }: ProtectedServer): boolean {
  const sameIssuer =
    oauth.issuer === undefined || withoutSlash(oauth.issuer) === withoutSlash(tokens.issuer);
  const sameClient = oauth.client_id === undefined || oauth.client_id === tokens.client.client_id;
  return tokens.serverUrl === url && sameIssuer && sameClient;
}

function withoutSlash(issuer: string): string {
  return issuer.endsWith("/") ? issuer.slice(0, -1) : issuer;
}

const client = z.custom<OAuthClient>(
  (value) => typeof value === "object" && value !== null && "client_id" in value,
);
const keptTokens = z.object({
  accessToken: z.string(),
  refreshToken: z.string().exactOptional(),
  expiresAt: z.number().exactOptional(),
  granted: z.array(z.string()).exactOptional(),
  issuer: z.string(),
  resource: z.string(),
  client,
  requested: z.array(z.string()),
  serverUrl: z.string(),
});
