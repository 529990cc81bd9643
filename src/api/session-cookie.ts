// How a session is presented: by its cookie, and never beside another credential.
import type { IncomingHttpHeaders } from "node:http";
import { SignalboxError } from "../foundation/index.ts";
import { cookieName, cookieNamed, needsHttps, setCookie } from "./cookies.ts";

const SESSION = "signalbox-session";

/** The token in the session's cookie; undefined where there is none. */
export function sessionTokenOf(
  { cookie, host }: Pick<IncomingHttpHeaders, "cookie" | "host">,
  publicUrl: string,
): string | undefined {
  const token = cookieNamed(cookie, cookieName(SESSION, needsHttps(host, publicUrl)));
  return token === "" ? undefined : token;
}

/** The cookie of a session that was opened; `maxAgeMs` of 0 takes it away. */
export function sessionCookie(
  token: string,
  maxAgeMs: number,
  { host, publicUrl }: { host: string | null | undefined; publicUrl: string },
): string {
  return setCookie(SESSION, token, { secure: needsHttps(host, publicUrl), maxAgeMs });
}

/** Throws CREDENTIAL_MALFORMED where a key or token came beside a session: one of the two might be meant to be weaker. */
export function requireSessionAlone(headers: IncomingHttpHeaders): void {
  const others = [headers.authorization, headers["x-api-key"], headers["x-mcp-key"]];
  if (others.every((header) => header === undefined)) return;
  throw new SignalboxError(
    "CREDENTIAL_MALFORMED",
    "The request carries a key or token and a session; send one.",
  );
}
