import { z } from "@hono/zod-openapi";
import { SignalboxError } from "../../foundation/index.ts";
import { route } from "../route.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";
import type { ApiDeps } from "../ports.ts";

const metadata = z
  .object({
    resource: z.string().describe("The endpoint's address, the audience of its tokens."),
    authorization_servers: z.array(z.string()),
    scopes_supported: z.array(z.string()),
    bearer_methods_supported: z.array(z.string()),
    resource_name: z.string(),
  })
  .openapi("ProtectedResource");

const WHERE = "/.well-known/oauth-protected-resource";

const answer = {
  status: 200,
  description: "The metadata.",
  schema: metadata,
  example: {
    resource: "https://mcp.example.com/mcp",
    authorization_servers: ["https://login.example.com"],
    scopes_supported: ["mcp:read", "mcp:call", "mcp:write"],
    bearer_methods_supported: ["header"],
    resource_name: "Signalbox",
  },
};

const whole: Route = route({
  method: "get",
  path: WHERE,
  scope: "public",
  tag: "OAuth",
  summary: "The metadata of /mcp, for clients that look at the root (RFC 9728)",
  answer,
  errors: ["NOT_FOUND"],
  handle: (_, deps) => answered("/mcp", deps),
});

const endpoint: Route = route({
  method: "get",
  path: `${WHERE}/{endpoint}`,
  scope: "public",
  tag: "OAuth",
  summary: "The metadata of /mcp, /sse or /api (RFC 9728)",
  answer,
  errors: ["NOT_FOUND"],
  handle: ({ params }, deps) => answered(`/${params["endpoint"] ?? ""}`, deps),
});

const bundle: Route = route({
  method: "get",
  path: `${WHERE}/mcp/{bundle}`,
  scope: "public",
  tag: "OAuth",
  summary: "The metadata of a bundle's endpoint (RFC 9728)",
  description: "The same for every name, so that nobody learns here which bundles there are.",
  answer,
  errors: ["NOT_FOUND"],
  handle: ({ params }: RouteRequest<unknown, unknown>, deps) =>
    answered(`/mcp/${params["bundle"] ?? ""}`, deps),
});

/** What OAuth clients read to find out who issues tokens for an endpoint: open to all, since they have none yet. */
export const wellKnownRoutes: readonly Route[] = [whole, endpoint, bundle];

function answered(place: string, deps: ApiDeps): Answer {
  const body = deps.resourceMetadata(place);
  if (body !== undefined) return { body, headers: { "Cache-Control": "public, max-age=300" } };
  throw new SignalboxError("NOT_FOUND", "No issuer of OAuth tokens is configured for this.");
}
