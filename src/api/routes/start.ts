import { formToken } from "../form-token.ts";
import type { ApiDeps } from "../ports.ts";
import { route } from "../route.ts";
import type { Route, RouteRequest } from "../route.ts";
import { startPage, startPageHeaders, type Visitor } from "../start-page.ts";
import { presentedSession } from "./sign-in.ts";

const start: Route = route({
  method: "get",
  path: "/",
  scope: "public",
  tag: "Start",
  summary: "A page that says what runs here and how to connect",
  answer: { status: 200, description: "The page.", contentType: "text/html; charset=utf-8" },
  handle: async (request, deps) => {
    const { version } = deps;
    const address = addressOf(request.headers);
    return {
      text: startPage({ version, address, visitor: await visitorOf(request, deps) }),
      contentType: "text/html; charset=utf-8",
      headers: startPageHeaders,
    };
  },
});

// A page that anybody may see; who is not known, or cannot be while the database is away, is a stranger.
async function visitorOf(
  request: RouteRequest<unknown, unknown>,
  deps: ApiDeps,
): Promise<Visitor | undefined> {
  const token = presentedSession(request, deps);
  if (token === undefined) return undefined;
  const found = await deps.people.sessions.find(token).catch(() => undefined);
  if (found === undefined) return undefined;
  const { name, role } = found.person;
  return { name, role, formToken: formToken(token) };
}

/** `/`: open to all, so it names no server and holds no secret. */
export const startRoutes: readonly Route[] = [start];

// The listener has checked Host. Behind a proxy that ends TLS the page shall show what the reader can use.
function addressOf(headers: Headers): string {
  const scheme = headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  return `${scheme}://${headers.get("host") ?? "127.0.0.1:8100"}`;
}
