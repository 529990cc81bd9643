// As which client the gateway asks for tokens: the one the operator registered, else its metadata document where the
// authorization server takes such, else one that it registers there and keeps. What was agreed with one authorization
// server is kept under its issuer and never shown to another.
import { z } from "zod";
import { SignalboxError } from "../../foundation/index.ts";
import type { TextSealer } from "../sealer.ts";
import type { OAuthClient } from "./client-authentication.ts";
import type { ConnectionStore } from "./connection-store.ts";
import type { AuthorizationServerMetadata } from "./discovery.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";
import { sealedClients } from "./sealed-places.ts";
import type { ProtectedServer } from "./settings.ts";

/** How the gateway introduces itself to authorization servers. */
export interface ClientIdentity {
  readonly name: string;
  readonly redirectUri: string;
  /** The address of its client ID metadata document, where it has one that authorization servers can reach. */
  readonly metadataUrl?: string;
}

export interface RegistrationDeps {
  readonly store: Pick<ConnectionStore, "client" | "putClient">;
  readonly http: Pick<OutboundFetch, "fetch">;
  readonly sealer: TextSealer;
  readonly identity: ClientIdentity;
  /** Epoch milliseconds. */
  readonly now: number;
}

export async function clientFor(
  server: ProtectedServer,
  metadata: AuthorizationServerMetadata,
  deps: RegistrationDeps,
): Promise<OAuthClient> {
  const given = givenClient(server);
  if (given !== undefined) return given;
  const { metadataUrl } = deps.identity;
  if (metadata.client_id_metadata_document_supported === true && metadataUrl !== undefined)
    return { client_id: metadataUrl };
  return (await keptClient(metadata.issuer, deps)) ?? register(server, metadata, deps);
}

/** The client that the operator registered. */
export function givenClient({ oauth }: ProtectedServer): OAuthClient | undefined {
  const { client_id, client_secret, private_key, key_id, signing_algorithm } = oauth;
  if (client_id === undefined) return undefined;
  return {
    client_id,
    ...(client_secret !== undefined && { client_secret }),
    ...(private_key !== undefined && { private_key }),
    ...(key_id !== undefined && { key_id }),
    ...(signing_algorithm !== undefined && { signing_algorithm }),
  };
}

/** What is published of the gateway as a client, and sent where it registers. */
export function clientMetadata({ name, redirectUri }: ClientIdentity): {
  client_name: string;
  redirect_uris: string[];
  grant_types: string[];
  response_types: string[];
  application_type: "web" | "native";
} {
  return {
    client_name: name,
    redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    application_type: redirectUri.startsWith("https:") ? "web" : "native",
  };
}

interface Kept {
  readonly client: OAuthClient;
  /** Epoch milliseconds; absent where it does not. */
  readonly expiresAt?: number;
}

async function keptClient(
  issuer: string,
  deps: RegistrationDeps,
): Promise<OAuthClient | undefined> {
  const { store, sealer, identity, now } = deps;
  const sealed = await store.client(issuer, identity.redirectUri);
  const text = sealed && sealer.open(sealed, sealedClients.place(issuer, identity.redirectUri));
  if (text === undefined) return undefined;
  const kept: Kept = JSON.parse(text);
  return kept.expiresAt !== undefined && kept.expiresAt <= now ? undefined : kept.client;
}

async function register(
  server: ProtectedServer,
  metadata: AuthorizationServerMetadata,
  deps: RegistrationDeps,
): Promise<OAuthClient> {
  const { store, sealer, identity } = deps;
  if (metadata.registration_endpoint === undefined) {
    throw new SignalboxError(
      "OAUTH_FAILED",
      `${metadata.issuer} registers no clients by itself: register the gateway there, with the redirect URI ${identity.redirectUri}, and give server "${server.name}" the client_id it gets.`,
      { details: { server: server.name } },
    );
  }
  const made = await askToRegister(server, metadata.registration_endpoint, metadata, deps);
  const { client_secret_expires_at: expires = 0, ...client } = made;
  const kept: Kept = { client, ...(expires > 0 && { expiresAt: expires * 1000 }) };
  const sealed = sealer.seal(
    JSON.stringify(kept),
    sealedClients.place(metadata.issuer, identity.redirectUri),
  );
  await store.putClient(metadata.issuer, identity.redirectUri, sealed);
  return client;
}

// The library insists on members that the standard requires of an answer and many authorization servers leave out.
async function askToRegister(
  server: ProtectedServer,
  endpoint: string,
  metadata: AuthorizationServerMetadata,
  { http, identity }: RegistrationDeps,
): Promise<z.output<typeof registered>> {
  const wanted = {
    ...clientMetadata(identity),
    token_endpoint_auth_method: methodWanted(metadata),
  };
  const response = await http.fetch(endpoint, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(wanted),
  });
  const answer: unknown = await response.json().catch(() => undefined);
  const parsed = registered.safeParse(answer);
  if ((response.status === 201 || response.status === 200) && parsed.success) return parsed.data;
  const refusal = refused.safeParse(answer).data?.error ?? `HTTP status ${response.status}`;
  throw new SignalboxError(
    "OAUTH_FAILED",
    `No tokens for server "${server.name}": ${metadata.issuer} did not register the gateway as a client: ${refusal}.`,
    { details: { server: server.name } },
  );
}

const registered = z.object({
  client_id: z.string().min(1).max(2048),
  client_secret: z.string().min(1).max(4096).exactOptional(),
  client_secret_expires_at: z.number().exactOptional(),
  token_endpoint_auth_method: z.string().max(64).exactOptional(),
});
const refused = z.object({ error: z.string().regex(/^[\w -]{1,64}$/) });

function methodWanted({
  token_endpoint_auth_methods_supported: supported,
}: AuthorizationServerMetadata): string {
  if (supported === undefined) return "client_secret_basic";
  return (
    ["client_secret_basic", "client_secret_post", "none"].find((one) => supported.includes(one)) ??
    "none"
  );
}
