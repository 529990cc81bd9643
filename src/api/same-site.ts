// Browsers send the session's cookie along whoever made the request. What changes something is therefore taken only where the
// browser says that a page of the gateway made it (Fetch Metadata, or `Origin`), and where that page has added what no form of
// another site can: a header of its own, or in plain forms a token.
import { SignalboxError } from "../foundation/index.ts";

type Presented = {
  readonly origin?: string | string[] | undefined;
  readonly host?: string | undefined;
  readonly "sec-fetch-site"?: string | string[] | undefined;
  readonly "x-signalbox-request"?: string | string[] | undefined;
};

/** What of a request's headers says where it comes from. */
export function siteHeaders(headers: Headers): Presented {
  return {
    origin: headers.get("origin") ?? undefined,
    host: headers.get("host") ?? undefined,
    "sec-fetch-site": headers.get("sec-fetch-site") ?? undefined,
  };
}

/** Throws CROSS_SITE_REFUSED for a request with a session that changes something and is not surely the gateway's own page's. */
export function requireOwnPage(method: string, headers: Presented, publicUrl: string): void {
  if (method === "GET" || method === "HEAD") return;
  requireSameOrigin(headers, publicUrl);
  if (headers["x-signalbox-request"] === "1") return;
  throw refused("It lacks the header `X-Signalbox-Request: 1`.");
}

/** Throws CROSS_SITE_REFUSED where the browser says that another site made the request, or says nothing. */
export function requireSameOrigin(headers: Presented, publicUrl: string): void {
  const { origin, "sec-fetch-site": site } = headers;
  if (origin === undefined && site === undefined)
    throw refused("It says neither by `Origin` nor by `Sec-Fetch-Site` where it comes from.");
  refuseOtherSites(headers, publicUrl);
}

/** The same, but programs that are no browser may say nothing: for what needs no session. */
export function refuseOtherSites(headers: Presented, publicUrl: string): void {
  const { origin, host, "sec-fetch-site": site } = headers;
  if (site !== undefined && site !== "same-origin")
    throw refused("The browser says that another site made it.");
  if (origin === undefined || origin === publicUrl) return;
  if (URL.parse(String(origin))?.host !== host?.toLowerCase())
    throw refused("Its `Origin` is another one.");
}

/** What is refused where a form's token is not the one its page was given. */
export function wrongForm(): SignalboxError {
  return refused("The form is not the one this browser was shown.");
}

function refused(why: string): SignalboxError {
  return new SignalboxError("CROSS_SITE_REFUSED", `The request may come from another site. ${why}`);
}
