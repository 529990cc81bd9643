// Finds the authorization server of an MCP server (MCP 2026-07-28, authorization): the protected-resource metadata that the
// challenge names, else at the well-known paths; then the metadata of the authorization server. Each document is checked
// against the name under which it was asked for, because both are somebody else's word.
import { z } from "zod";
import { SignalboxError } from "../../foundation/index.ts";
import type { OutboundFetch, OutboundInit } from "../outbound-fetch.ts";
import type { ProtectedServer } from "./settings.ts";

/** What must be known to ask for tokens. */
export interface Discovery {
  /** What tokens must be for, exactly as the server writes it. */
  readonly resource: string;
  readonly scopesSupported?: readonly string[];
  readonly metadata: AuthorizationServerMetadata;
}

const address = z.url({ protocol: /^https?$/ }).max(2048);
const words = z.array(z.string().max(256)).max(1000);

const authorizationServerMetadata = z.object({
  issuer: z.string().max(2048),
  authorization_endpoint: address.exactOptional(),
  token_endpoint: address,
  registration_endpoint: address.exactOptional(),
  revocation_endpoint: address.exactOptional(),
  scopes_supported: words.exactOptional(),
  grant_types_supported: words.exactOptional(),
  code_challenge_methods_supported: words.exactOptional(),
  token_endpoint_auth_methods_supported: words.exactOptional(),
  id_token_signing_alg_values_supported: words.exactOptional(),
  authorization_response_iss_parameter_supported: z.boolean().exactOptional(),
  client_id_metadata_document_supported: z.boolean().exactOptional(),
});

export type AuthorizationServerMetadata = z.output<typeof authorizationServerMetadata>;

const resourceMetadata = z.object({
  resource: z.string().max(2048),
  authorization_servers: z.array(address).max(32).exactOptional(),
  scopes_supported: words.exactOptional(),
});

/** Asks until it is known where tokens for `server` come from. Rejects with OAUTH_FAILED, OUTBOUND_REFUSED or OUTBOUND_FAILED. */
export async function discover(
  server: ProtectedServer,
  named: string | undefined,
  http: Pick<OutboundFetch, "fetch">,
  signal?: AbortSignal,
): Promise<Discovery> {
  const { origin } = new URL(server.url);
  const get: Get = (url) => fetchJson(http, url, origin, signal);
  const found = await resourceMetadataOf(server, named, get);
  if (found !== undefined) checkResource(server, found.resource);
  const issuer = issuerOf(server, found?.authorization_servers);
  return {
    resource: found?.resource ?? canonical(server.url),
    ...(found?.scopes_supported && { scopesSupported: found.scopes_supported }),
    metadata: await metadataOf(server, issuer, get),
  };
}

/** A JSON document; undefined where there is none (any status from 300 to 499). */
type Get = (url: string) => Promise<unknown>;

async function resourceMetadataOf(
  server: ProtectedServer,
  named: string | undefined,
  get: Get,
): Promise<z.output<typeof resourceMetadata> | undefined> {
  for (const url of named === undefined ? wellKnownOfResource(server.url) : [named]) {
    const document = await get(url);
    if (document === undefined) continue;
    const parsed = resourceMetadata.safeParse(document);
    if (parsed.success) return parsed.data;
    throw failed(server, "its protected-resource metadata does not have the expected form");
  }
  // Servers of the revision of 2025-03-26 have none: their own origin is the authorization server.
  if (named === undefined) return undefined;
  throw failed(server, "the metadata that its challenge names is not there");
}

function wellKnownOfResource(serverUrl: string): string[] {
  const { origin, pathname, search } = new URL(serverUrl);
  const root = `${origin}/.well-known/oauth-protected-resource`;
  const path = withoutSlash(pathname);
  return path === "" ? [root + search] : [root + path + search, root];
}

// Tokens for another resource must not be asked for, whatever the server's metadata says.
function checkResource(server: ProtectedServer, resource: string): void {
  const wanted = URL.parse(resource);
  const own = new URL(server.url);
  const path = withoutSlash(wanted?.pathname ?? "");
  const inside = own.pathname === path || own.pathname.startsWith(`${path}/`);
  if (wanted !== null && wanted.origin === own.origin && wanted.hash === "" && inside) return;
  throw failed(server, `its metadata is for another resource (${resource.slice(0, 200)})`);
}

function issuerOf(server: ProtectedServer, named: readonly string[] | undefined): string {
  const pinned = server.oauth.issuer;
  if (named === undefined || named.length === 0) return pinned ?? new URL(server.url).origin;
  if (pinned !== undefined && !named.some((one) => sameIssuer(one, pinned)))
    throw failed(server, `it does not name the configured issuer ${pinned} as one of its own`);
  return pinned ?? named[0] ?? "";
}

async function metadataOf(
  server: ProtectedServer,
  issuer: string,
  get: Get,
): Promise<AuthorizationServerMetadata> {
  for (const url of wellKnownOfIssuer(issuer)) {
    const document = await get(url);
    if (document === undefined) continue;
    const parsed = authorizationServerMetadata.safeParse(document);
    if (!parsed.success)
      throw failed(server, `the metadata at ${url.slice(0, 200)} does not have the expected form`);
    if (sameIssuer(parsed.data.issuer, issuer)) return parsed.data;
    throw failed(
      server,
      `the metadata of ${issuer} is that of another issuer (${parsed.data.issuer.slice(0, 200)})`,
    );
  }
  throw failed(server, `${issuer} publishes no metadata of an authorization server`);
}

/** In the order in which they are asked: RFC 8414, then OpenID Connect with the path inserted, then appended. */
function wellKnownOfIssuer(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = withoutSlash(pathname);
  const oauth = `${origin}/.well-known/oauth-authorization-server${path}`;
  const openid = `${origin}/.well-known/openid-configuration${path}`;
  return path === ""
    ? [oauth, openid]
    : [oauth, openid, `${origin}${path}/.well-known/openid-configuration`];
}

// "https://login.example.com" and the same with a slash are one address, and are mixed up everywhere. The comparison of
// `iss` in an authorization response makes no such allowance.
function sameIssuer(one: string, other: string): boolean {
  return one === other || `${one}/` === other || one === `${other}/`;
}

async function fetchJson(
  http: Pick<OutboundFetch, "fetch">,
  url: string,
  trustedOrigin: string,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const init: OutboundInit = {
    headers: { accept: "application/json" },
    redirectsMax: REDIRECTS_MAX,
    trustedOrigin,
    ...(signal && { signal }),
  };
  const response = await http.fetch(url, init);
  if (response.status >= 300 && response.status < 500) return undefined;
  if (response.status !== 200)
    throw new SignalboxError(
      "OUTBOUND_FAILED",
      `${url.slice(0, 200)} answered with HTTP status ${response.status}.`,
    );
  // A page that is served for every path is no metadata.
  return response.json().catch(() => undefined);
}

/** The server's own address as a resource identifier: without fragment, and without a slash alone. */
function canonical(serverUrl: string): string {
  const { origin, pathname, search } = new URL(serverUrl);
  return origin + (pathname === "/" ? "" : pathname) + search;
}

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function failed({ name }: ProtectedServer, why: string): SignalboxError {
  return new SignalboxError("OAUTH_FAILED", `No tokens for server "${name}": ${why}.`, {
    details: { server: name },
  });
}

const REDIRECTS_MAX = 3;
