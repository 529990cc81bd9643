/** The endpoints as OAuth sees them: each a resource with an address of its own, its metadata and its challenges (RFC 9728). */
import { apiScopes, mcpScopes } from "./oauth-scopes.ts";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

export interface ProtectedResourcesOptions {
  /** The address by which clients reach the gateway, `https://host[:port]`; asked late, since a free port is only known then. */
  readonly base: () => string;
  /** Who issues tokens for it. */
  readonly issuers: readonly string[];
  /** What a client that has no token yet is told to ask for at the endpoints of the protocol. */
  readonly initialScopes: readonly string[];
}

export class ProtectedResources {
  readonly #options: ProtectedResourcesOptions;

  constructor(options: ProtectedResourcesOptions) {
    this.#options = options;
  }

  /** The address of the endpoint at a path such as `/mcp/coding`, which is the audience of its tokens (RFC 8707). */
  uriOf(place: string): string {
    return this.#options.base() + place;
  }

  /** What the metadata address of a path tells; undefined where no issuer is configured or there is no such resource. */
  metadataOf(place: string): object | undefined {
    if (this.#options.issuers.length === 0 || !isPlace(place)) return undefined;
    return {
      resource: this.uriOf(place),
      authorization_servers: this.#options.issuers,
      scopes_supported: place === API_PLACE ? apiScopes : mcpScopes,
      bearer_methods_supported: ["header"],
      resource_name: "Signalbox",
    };
  }

  /** The value of WWW-Authenticate (RFC 6750, RFC 9728). */
  challenge(place: string, error?: string, scopes?: readonly string[]): string {
    const { issuers, base, initialScopes } = this.#options;
    const parts = [`Bearer realm="signalbox"`];
    if (error !== undefined) parts.push(`error="${error}"`);
    if (issuers.length > 0) {
      const asked = scopes ?? (place === API_PLACE ? ["api:call", "api:read"] : initialScopes);
      parts.push(`scope="${asked.join(" ")}"`);
      parts.push(`resource_metadata="${base()}${WELL_KNOWN}${place}"`);
    }
    return parts.join(", ");
  }
}

/** The place of everything that is not an endpoint of the protocol. */
export const API_PLACE = "/api";

// Whether there is a bundle of that name is not told to strangers, so every name has metadata.
function isPlace(place: string): boolean {
  return (
    place === API_PLACE || place === "/sse" || /^\/mcp(\/[a-z0-9][a-z0-9_-]{0,63})?$/.test(place)
  );
}
