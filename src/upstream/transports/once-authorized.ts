import type { IncomingHttpHeaders } from "node:http";
import { isAboutToken, REFUSALS_MAX, type LaneCredentials } from "../credentials.ts";
import type { HttpEndpoint } from "./http-endpoint.ts";
import { once, type OnceReply, type OnceRequest } from "./http-once.ts";

/** As `once`, with the lane's credentials, and with others where the server refuses those. */
export async function onceAuthorized(
  endpoint: HttpEndpoint,
  request: OnceRequest,
  credentials: LaneCredentials | undefined,
): Promise<OnceReply> {
  if (credentials === undefined) return once(endpoint, request);
  const { of, subject } = credentials;
  let used = of.now(subject) ?? (await of.get(subject));
  for (let refusals = 0; ; refusals++) {
    const headers = used === "" ? request.headers : [...request.headers, "authorization", used];
    const reply = await once(endpoint, { ...request, headers });
    const { status } = reply;
    const challenge = challengeIn(reply.headers);
    if (refusals === REFUSALS_MAX || !isAboutToken(status, challenge)) return reply;
    used = await of.refused({ subject, used, status, challenge });
  }
}

/** What an answer's `WWW-Authenticate` says. */
export function challengeIn(headers: IncomingHttpHeaders): string | undefined {
  // Where the header comes several times, undici gives a list, which Node's type does not know of.
  const value: unknown = headers["www-authenticate"];
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" ? value : undefined;
}
