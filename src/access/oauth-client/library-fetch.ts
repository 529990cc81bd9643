import { AuthorizationResponseError, ResponseBodyError } from "oauth4webapi";
import { SignalboxError, isSignalboxError, messageOf } from "../../foundation/index.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";

/** The way out as the OAuth library takes it: past the guard, and without following redirects. */
export function libraryFetch(http: Pick<OutboundFetch, "fetch">): (
  url: string,
  options: {
    method: string;
    headers: Record<string, string>;
    body?: URLSearchParams | undefined;
    signal?: AbortSignal;
  },
) => Promise<Response> {
  return (url, { method, headers, body, signal }) =>
    http.fetch(url, {
      method,
      headers,
      ...(body !== undefined && { body: String(body) }),
      ...(signal && { signal }),
    });
}

/** What went wrong between the gateway and an authorization server, without anything secret in it. */
export function oauthFailure(server: string, what: string, error: unknown): SignalboxError {
  if (isSignalboxError(error)) return error;
  const oauthError = oauthErrorOf(error);
  const why =
    oauthError === undefined ? messageOf(error) : `the authorization server says "${oauthError}"`;
  return new SignalboxError("OAUTH_FAILED", `No tokens for server "${server}": ${what}: ${why}.`, {
    details: { server, ...(oauthError !== undefined && { oauthError }) },
    // The library's errors hold the whole response.
    cause: new Error(error instanceof Error ? error.name : "unknown"),
  });
}

/** The error code that an authorization server answered with. */
export function oauthErrorOf(error: unknown): string | undefined {
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError)
    return /^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,64}$/.test(error.error) ? error.error : "an error";
  return undefined;
}
