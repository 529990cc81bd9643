import { startPage, startPagePolicy } from "../start-page.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const start: Route = route({
  method: "get",
  path: "/",
  scope: "public",
  tag: "Start",
  summary: "A page that says what runs here and how to connect",
  answer: { status: 200, description: "The page.", contentType: "text/html; charset=utf-8" },
  handle: ({ headers }, deps) => ({
    text: startPage({ version: deps.version, address: addressOf(headers) }),
    contentType: "text/html; charset=utf-8",
    headers: { "Content-Security-Policy": startPagePolicy },
  }),
});

/** `/`: open to all, so it names no server and holds no secret. */
export const startRoutes: readonly Route[] = [start];

// The listener has checked Host. Behind a proxy that ends TLS the page shall show what the reader can use.
function addressOf(headers: Headers): string {
  const scheme = headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  return `${scheme}://${headers.get("host") ?? "127.0.0.1:8100"}`;
}
