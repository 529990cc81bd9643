import { z } from "@hono/zod-openapi";
import { connectOutcomes } from "../../access/index.ts";
import type { ConnectionView, ConnectResult } from "../../access/index.ts";
import { errorTable, isSignalboxError } from "../../foundation/index.ts";
import type { ErrorCode } from "../../foundation/index.ts";
import { connectFailedPage, connectPage, connectPageHeaders } from "../connect-page.ts";
import type { ApiDeps } from "../ports.ts";
import { originOf } from "../recorded.ts";
import { ownerSeen, serverNamesSeen } from "../reach.ts";
import { route } from "../route.ts";
import type { Answer, Route } from "../route.ts";

const connection = z
  .object({
    server: z.string(),
    mode: z
      .enum(["gateway", "principal"])
      .describe("One connection for all callers, or each principal's own."),
    state: z
      .enum(["connected", "needed", "refused", "automatic"])
      .describe(
        "`needed`: a person has to consent; `refused`: there is a connection, but the server wants a new consent; `automatic`: by the gateway's own credentials.",
      ),
    issuer: z.string().optional().describe("The authorization server."),
    scopes: z.array(z.string()).optional(),
    connectedAt: z.iso.datetime().optional(),
    expiresAt: z.iso
      .datetime()
      .optional()
      .describe("When its access token does; it is renewed before."),
    mayConnect: z.boolean().describe("Whether this key may make and end it."),
  })
  .openapi("Connection");

const example = {
  server: "calendar",
  mode: "principal",
  state: "connected",
  issuer: "https://login.example.com",
  scopes: ["calendar:read"],
  connectedAt: "2026-11-20T08:00:00.000Z",
  expiresAt: "2026-11-20T09:00:00.000Z",
  mayConnect: true,
};

const list: Route = route({
  method: "get",
  path: "/api/connections",
  scope: "call",
  tag: "Connections",
  summary: "The servers that take tokens, and whether this key is connected to them",
  answer: {
    status: 200,
    description: "Its own connections, and those that all callers share.",
    schema: z.object({ connections: z.array(connection) }),
    example: { connections: [example] },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ principal }, { connections, registry }) => {
    const seen = serverNamesSeen(principal, registry);
    const listed = await connections.list(principal);
    return {
      body: { connections: listed.filter(({ server }) => seen.has(server)).map(presented) },
    };
  },
});

const begin: Route = route({
  method: "post",
  path: "/api/connections/{server}",
  scope: "call",
  tag: "Connections",
  summary: "Get a link with which a person connects this key to a server",
  description:
    "The link leads to a page of the gateway, from there to the authorization server, and back. It holds for ten minutes.",
  answer: {
    status: 200,
    description: "The link. Whoever follows it connects the account they consent with to this key.",
    schema: z.object({ url: z.string(), expiresAt: z.iso.datetime() }).openapi("ConnectLink"),
    example: {
      url: "https://gateway.example.com/connect?ticket=AbC…",
      expiresAt: "2026-11-20T08:10:00.000Z",
    },
  },
  errors: ["SERVER_NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  handle: (asking, { connections, registry }) => {
    const wish = { server: ownerSeen(asking, registry), scopes: [] };
    const { url, expiresAt } = connections.begin(asking.principal, wish);
    return { body: { url, expiresAt: iso(expiresAt) } };
  },
});

const remove: Route = route({
  method: "delete",
  path: "/api/connections/{server}",
  scope: "call",
  tag: "Connections",
  summary: "End this key's connection to a server",
  description: "The tokens are forgotten, and revoked where the authorization server can do that.",
  answer: {
    status: 200,
    description: "Whether there was one.",
    schema: z.object({ removed: z.boolean() }),
    example: { removed: true },
  },
  errors: ["SERVER_NOT_FOUND", "FORBIDDEN", "CONFLICT", "STORE_UNAVAILABLE"],
  handle: async (asking, { connections, registry }) => ({
    body: {
      removed: await connections.remove(
        asking.principal,
        ownerSeen(asking, registry),
        originOf(asking),
      ),
    },
  }),
});

const ticket = z.string().max(8192).describe("What a link of the gateway carries.");
const html = "text/html; charset=utf-8";
const linkErrors: readonly ErrorCode[] = ["CONNECT_LINK_INVALID", "STORE_UNAVAILABLE"];

const show: Route = route({
  method: "get",
  path: "/connect",
  scope: "public",
  tag: "Connections",
  summary: "The page on which a person connects to servers",
  description: "Its link is the credential: it was made for one key and holds for ten minutes.",
  query: z.object({
    ticket: ticket.default(""),
    server: z.string().max(64).optional().describe("With `outcome`: what was just done."),
    outcome: z.enum(connectOutcomes).optional(),
  }),
  answer: { status: 200, description: "The page.", contentType: html },
  errors: linkErrors,
  handle: ({ query, headers }, deps) =>
    asPage(async () => {
      const { connections } = deps;
      const { view, cookie } = await connections.page(query.ticket, cookieOf(headers, deps));
      return {
        text: connectPage(view, query),
        contentType: html,
        headers: {
          ...connectPageHeaders,
          "Set-Cookie": `${cookieName(deps)}=${cookie}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax${connections.secure ? "; Secure" : ""}`,
        },
      };
    }),
});

const start: Route = route({
  method: "get",
  path: "/connect/start",
  scope: "public",
  tag: "Connections",
  summary: "On to the authorization server",
  description:
    "A link of the page; it works once, and only in the browser that was shown the page.",
  query: z.object({ ticket: ticket.default("") }),
  answer: { status: 303, description: "To the authorization server." },
  errors: [...linkErrors, "OAUTH_FAILED", "OUTBOUND_REFUSED", "OUTBOUND_FAILED"],
  handle: (asking, deps) =>
    asPage(async () =>
      redirect(
        await deps.connections.start(
          asking.query.ticket,
          cookieOf(asking.headers, deps),
          originOf(asking),
        ),
      ),
    ),
});

const back: Route = route({
  method: "get",
  path: "/connect/callback",
  scope: "public",
  tag: "Connections",
  summary: "Back from the authorization server",
  query: z.looseObject({}),
  answer: { status: 303, description: "To the page, which says what came of it." },
  errors: [...linkErrors, "OAUTH_FAILED", "OUTBOUND_REFUSED", "OUTBOUND_FAILED"],
  handle: (asking, deps) =>
    asPage(async () => {
      const answer = new URLSearchParams();
      for (const [name, value] of Object.entries(asking.query)) answer.set(name, String(value));
      const cookie = cookieOf(asking.headers, deps);
      return toPage(await deps.connections.finish(answer, cookie, originOf(asking)));
    }),
});

const end: Route = route({
  method: "post",
  path: "/connect/end",
  scope: "public",
  tag: "Connections",
  summary: "End a connection",
  description:
    "A button of the page; it works only in the browser that was shown the page. As `DELETE /api/connections/{server}`.",
  query: z.object({ ticket: ticket.default("") }),
  answer: { status: 303, description: "To the page, which says so." },
  errors: [...linkErrors, "SERVER_NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  handle: (asking, deps) =>
    asPage(async () => {
      const cookie = cookieOf(asking.headers, deps);
      return toPage(await deps.connections.end(asking.query.ticket, cookie, originOf(asking)));
    }),
});

const document: Route = route({
  method: "get",
  path: "/connect/client.json",
  scope: "public",
  tag: "Connections",
  summary: "The gateway's client ID metadata document",
  description: "What authorization servers read that know the gateway by this address.",
  answer: {
    status: 200,
    description: "OAuth client metadata.",
    schema: z.looseObject({ client_id: z.string(), redirect_uris: z.array(z.string()) }),
  },
  handle: (_, { connections }) => ({ body: connections.clientDocument() }),
});

/** `/api/connections`, and the pages below `/connect`. */
export const connectRoutes: readonly Route[] = [
  list,
  begin,
  remove,
  show,
  start,
  back,
  end,
  document,
];

// People look at these, so what fails is a page, too.
async function asPage(make: () => Promise<Answer>): Promise<Answer> {
  try {
    return await make();
  } catch (error) {
    if (!isSignalboxError(error)) throw error;
    return {
      status: error.status,
      text: connectFailedPage(error.message, errorTable[error.code].remedy),
      contentType: html,
      headers: connectPageHeaders,
    };
  }
}

function toPage({ page, server, outcome }: ConnectResult): Answer {
  return redirect(`${page}&${new URLSearchParams({ server, outcome }).toString()}`);
}

function redirect(location: string): Answer {
  return { status: 303, text: "", contentType: "text/plain", headers: { Location: location } };
}

// The prefix has browsers take it only over https, for this host alone.
function cookieName({ connections }: ApiDeps): string {
  return connections.secure ? "__Host-signalbox-connect" : "signalbox-connect";
}

function cookieOf(headers: Headers, deps: ApiDeps): string | undefined {
  const name = cookieName(deps);
  for (const pair of (headers.get("cookie") ?? "").slice(0, COOKIES_LENGTH_MAX).split(";")) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

const COOKIES_LENGTH_MAX = 16_384;

function presented({ connectedAt, expiresAt, ...rest }: ConnectionView): object {
  return {
    ...rest,
    ...(connectedAt !== undefined && { connectedAt: iso(connectedAt) }),
    ...(expiresAt !== undefined && { expiresAt: iso(expiresAt) }),
  };
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
