// The conversations with a token endpoint. A further grant (token exchange) is one more function of this shape.
import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  clientCredentialsGrantRequest,
  customFetch,
  generateRandomCodeVerifier,
  generateRandomState,
  processAuthorizationCodeResponse,
  processClientCredentialsResponse,
  processRefreshTokenResponse,
  processRevocationResponse,
  refreshTokenGrantRequest,
  revocationRequest,
  validateAuthResponse,
  type TokenEndpointResponse,
} from "oauth4webapi";
import { SignalboxError } from "../../foundation/index.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";
import { scopesOf } from "./challenge.ts";
import { clientAuthentication, type OAuthClient } from "./client-authentication.ts";
import type { AuthorizationServerMetadata } from "./discovery.ts";
import { libraryFetch } from "./library-fetch.ts";
import { OFFLINE } from "./scopes.ts";

/** Where and as whom tokens are asked for. */
export interface Party {
  readonly metadata: AuthorizationServerMetadata;
  readonly client: OAuthClient;
  /** What the tokens are for. */
  readonly resource: string;
}

/** Tokens as they came. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Epoch milliseconds; absent where the authorization server does not say. */
  readonly expiresAt?: number;
  /** Absent where they are what was asked for. */
  readonly granted?: readonly string[];
}

/** A consent that a person is asked for: where to go, and what must be known when the answer comes. */
export interface Asked {
  readonly url: string;
  readonly state: string;
  readonly codeVerifier: string;
}

/** The address at which a person consents. Throws OAUTH_FAILED where that would not be safe. */
export async function askForConsent(
  party: Party,
  redirectUri: string,
  scopes: readonly string[],
): Promise<Asked> {
  const { metadata, client, resource } = party;
  const endpoint = consentEndpoint(metadata);
  if (metadata.code_challenge_methods_supported?.includes("S256") !== true) {
    throw new SignalboxError(
      "OAUTH_FAILED",
      `${metadata.issuer} does not say that it protects authorization codes (PKCE with S256), so none is asked for.`,
    );
  }
  const codeVerifier = generateRandomCodeVerifier();
  const state = generateRandomState();
  const parameters: Record<string, string> = {
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirectUri,
    state,
    code_challenge: await calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
    resource,
    ...(scopes.length > 0 && { scope: scopes.join(" ") }),
    // Without it OpenID providers give no refresh token, whatever the scope.
    ...(scopes.includes(OFFLINE) && { prompt: "consent" }),
  };
  for (const [name, value] of Object.entries(parameters)) endpoint.searchParams.set(name, value);
  return { url: endpoint.href, state, codeVerifier };
}

// A browser is sent there, so nothing but a web page may be meant.
function consentEndpoint({
  issuer,
  authorization_endpoint: address,
}: AuthorizationServerMetadata): URL {
  const url = address === undefined ? null : URL.parse(address);
  const local = url !== null && LOOPBACK.has(url.hostname);
  if (url !== null && (url.protocol === "https:" || (url.protocol === "http:" && local)))
    return url;
  throw new SignalboxError("OAUTH_FAILED", `${issuer} names no https address at which to consent.`);
}

const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Checks the answer that the browser brought: issuer first, then state, then what it says. Throws where it must not be used. */
export function checkedAnswer(
  party: Party,
  answer: URLSearchParams,
  state: string,
): URLSearchParams {
  return validateAuthResponse(party.metadata, named(party.client), answer, state);
}

/** Tokens for a checked answer. */
export async function redeemCode(
  party: Party,
  answer: URLSearchParams,
  asked: { redirectUri: string; codeVerifier: string },
  way: Way,
): Promise<Tokens> {
  const { metadata, client } = party;
  const response = await authorizationCodeGrantRequest(
    metadata,
    named(client),
    clientAuthentication(client, metadata),
    answer,
    asked.redirectUri,
    asked.codeVerifier,
    { ...optionsOf(way), additionalParameters: { resource: party.resource } },
  );
  return tokensOf(
    await processAuthorizationCodeResponse(metadata, named(client), response),
    way.now,
  );
}

export async function refresh(party: Party, refreshToken: string, way: Way): Promise<Tokens> {
  const { metadata, client } = party;
  const response = await refreshTokenGrantRequest(
    metadata,
    named(client),
    clientAuthentication(client, metadata),
    refreshToken,
    { ...optionsOf(way), additionalParameters: { resource: party.resource } },
  );
  const tokens = tokensOf(
    await processRefreshTokenResponse(metadata, named(client), response),
    way.now,
  );
  // Not every authorization server gives a new one.
  return { refreshToken, ...tokens };
}

export async function byOwnCredentials(
  party: Party,
  scopes: readonly string[],
  way: Way,
): Promise<Tokens> {
  const { metadata, client, resource } = party;
  const response = await clientCredentialsGrantRequest(
    metadata,
    named(client),
    clientAuthentication(client, metadata),
    { resource, ...(scopes.length > 0 && { scope: scopes.join(" ") }) },
    optionsOf(way),
  );
  return tokensOf(
    await processClientCredentialsResponse(metadata, named(client), response),
    way.now,
  );
}

/** Ends the tokens where the authorization server has an endpoint for that (RFC 7009); the refresh token ends both. */
export async function revoke(
  party: Party,
  tokens: Pick<Tokens, "accessToken" | "refreshToken">,
  way: Way,
): Promise<void> {
  const { metadata, client } = party;
  if (metadata.revocation_endpoint === undefined) return;
  const kinds = [
    ["refresh_token", tokens.refreshToken],
    ["access_token", tokens.accessToken],
  ] as const;
  for (const [kind, token] of kinds) {
    if (token === undefined) continue;
    const options = { ...optionsOf(way), additionalParameters: { token_type_hint: kind } };
    const authentication = clientAuthentication(client, metadata);
    const response = await revocationRequest(
      metadata,
      named(client),
      authentication,
      token,
      options,
    );
    await processRevocationResponse(response);
  }
}

/** How a request goes out, and what time it is (epoch milliseconds). */
export interface Way {
  readonly http: Pick<OutboundFetch, "fetch">;
  readonly now: number;
}

// The library is told no secrets beside the authentication that is made for it.
function named({ client_id }: OAuthClient): { client_id: string } {
  return { client_id };
}

// The guard decides where plain http may go; the library need not.
function optionsOf({ http }: Way): {
  [customFetch]: ReturnType<typeof libraryFetch>;
  [allowInsecureRequests]: true;
} {
  return { [customFetch]: libraryFetch(http), [allowInsecureRequests]: true };
}

function tokensOf(answer: TokenEndpointResponse, now: number): Tokens {
  // What the token must be proven with is not ours to prove.
  if (answer.token_type !== "bearer")
    throw new SignalboxError("OAUTH_FAILED", "The token is not one of the type Bearer.");
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = answer;
  if (!headerShape.test(accessToken))
    throw new SignalboxError("OAUTH_FAILED", "The token has characters that no header may carry.");
  return {
    accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(expiresIn !== undefined && { expiresAt: now + expiresIn * 1000 }),
    ...(answer.scope !== undefined && { granted: scopesOf(answer.scope) }),
  };
}

const headerShape = /^[\x21-\x7e]{1,16384}$/;
