/** Pages that may call the gateway (`allowed_origins`) are told so, as browsers ask for it (Fetch standard, "CORS protocol"). */
import type { IncomingMessage, ServerResponse } from "node:http";

const METHODS = "GET, POST, PUT, DELETE";
const PREFLIGHT_SECONDS = "600";
const EXPOSED =
  "Mcp-Session-Id, X-Request-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy";

/**
 * Adds the headers that let an admitted page read the answer. Answers a preflight itself, and is then true. The origin must
 * have been checked before.
 */
export function answersCors(req: IncomingMessage, res: ServerResponse): boolean {
  const { origin } = req.headers;
  if (origin === undefined) return false;
  res.setHeader("access-control-allow-origin", origin);
  res.setHeader("vary", "Origin");
  if (req.method !== "OPTIONS" || req.headers["access-control-request-method"] === undefined) {
    res.setHeader("access-control-expose-headers", EXPOSED);
    return false;
  }
  const asked = req.headers["access-control-request-headers"];
  res.writeHead(204, {
    "access-control-allow-methods": METHODS,
    "access-control-max-age": PREFLIGHT_SECONDS,
    ...(asked === undefined ? {} : { "access-control-allow-headers": asked }),
  });
  res.end();
  return true;
}
