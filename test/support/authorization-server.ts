// A real authorization server (oidc-provider) in this process, and a real MCP server behind its tokens.
import { createServer, type Server } from "node:http";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { Provider, type ClientMetadata, type Configuration } from "oidc-provider";
import { toNodeListener } from "../everything/node-http.ts";

export interface AuthorizationServer extends AsyncDisposable {
  readonly issuer: string;
  readonly provider: Provider;
  /** The grant types of all successful token requests so far. */
  readonly grants: string[];
  /** Tokens that were revoked, by their kind. */
  readonly revoked: string[];
  /** Clients that registered themselves. */
  readonly registered: string[];
  /** Every access and refresh token that was given out. */
  readonly tokens: Set<string>;
  /** How long the access tokens last that are given out from now on. */
  accessTokenSeconds: number;
}

export interface AuthorizationServerSetup {
  readonly clients?: readonly ClientMetadata[];
  readonly registration?: boolean;
  /** Apart by spaces; those of the protected server by default. */
  readonly scopes?: string;
  /** The name of this machine in the issuer: to a browser `localhost` and `127.0.0.1` are different sites. */
  readonly host?: "127.0.0.1" | "localhost";
}

const SCOPES = "mcp:read mcp:write";

/** Starts it on an ephemeral port of this machine. Whoever logs in is let in; every consent is given with a click. */
export async function startAuthorizationServer(
  setup: AuthorizationServerSetup = {},
): Promise<AuthorizationServer> {
  const { clients = [], registration = true, scopes = SCOPES, host = "127.0.0.1" } = setup;
  const { server, url: issuer } = await listening(host);
  const configuration: Configuration = {
    clients: [...clients],
    scopes: ["openid", "offline_access", ...scopes.split(" ")],
    clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
    pkce: { required: () => true },
    cookies: { keys: ["only for tests"] },
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    features: {
      registration: { enabled: registration },
      revocation: { enabled: true },
      introspection: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: scopes,
          audience: resource,
          accessTokenTTL: fixture.accessTokenSeconds,
          accessTokenFormat: "opaque",
        }),
      },
    },
  };
  const provider = new Provider(issuer, configuration);
  const grants: string[] = [];
  const revoked: string[] = [];
  const registered: string[] = [];
  const tokens = new Set<string>();
  const fixture: AuthorizationServer = {
    issuer,
    provider,
    grants,
    revoked,
    registered,
    tokens,
    accessTokenSeconds: 3600,
    [Symbol.asyncDispose]: () => closed(server),
  };
  provider.on("grant.success", (ctx) => {
    grants.push(String(ctx.oidc.params?.["grant_type"]));
    for (const name of ["access_token", "refresh_token"]) {
      const token: unknown = Reflect.get(Object(ctx.body), name);
      if (typeof token === "string") tokens.add(token);
    }
  });
  provider.on("registration_create.success", (_ctx, client) => registered.push(client.clientId));
  provider.on("access_token.destroyed", () => revoked.push("access_token"));
  provider.on("refresh_token.destroyed", () => revoked.push("refresh_token"));
  server.on("request", provider.callback());
  return fixture;
}

export interface ProtectedMcpServer extends AsyncDisposable {
  readonly url: string;
  /** What came in: the method, and the account or client behind the token. */
  readonly calls: { readonly method: string; readonly subject: string | undefined }[];
  /** The `Authorization` headers that came in. */
  readonly seen: Set<string>;
  /** Overrides of what it publishes about itself. */
  metadata: Record<string, unknown>;
  /** Scopes that calling the tool `write` takes. */
  writeScope: string;
}

/** An MCP server, both eras, whose every request needs a token for it. Tools: `whoami` and `write`. */
export async function startProtectedServer(
  authorization: Pick<AuthorizationServer, "issuer" | "provider">,
): Promise<ProtectedMcpServer> {
  const { server, url: origin } = await listening();
  const url = `${origin}/mcp`;
  const calls: ProtectedMcpServer["calls"] = [];
  const seen = new Set<string>();
  const fixture: ProtectedMcpServer = {
    url,
    calls,
    seen,
    metadata: {},
    writeScope: "mcp:write",
    [Symbol.asyncDispose]: () => closed(server),
  };
  const handler = createMcpHandler(({ authInfo }) => tools(String(authInfo?.extra?.["subject"])), {
    legacy: "stateless",
  });
  const metadataUrl = `${origin}/.well-known/oauth-protected-resource/mcp`;
  const refuse = (status: number, error: string, scope: string): Response =>
    new Response(JSON.stringify({ error }), {
      status,
      headers: {
        "content-type": "application/json",
        "www-authenticate": `Bearer error="${error}", scope="${scope}", resource_metadata="${metadataUrl}"`,
      },
    });
  const handle = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    if (pathname === "/.well-known/oauth-protected-resource/mcp") {
      return Response.json({
        resource: url,
        authorization_servers: [authorization.issuer],
        scopes_supported: ["mcp:read"],
        ...fixture.metadata,
      });
    }
    if (pathname !== "/mcp") return new Response(undefined, { status: 404 });
    const header = request.headers.get("authorization") ?? "";
    if (header !== "") seen.add(header);
    const holder = await holderOf(authorization.provider, header, url);
    if (holder === undefined) return refuse(401, "invalid_token", "mcp:read");
    const text = request.method === "POST" ? await request.clone().text() : "{}";
    const body: unknown = JSON.parse(text);
    const { method, tool } = named(body);
    calls.push({ method, subject: holder.subject });
    if (tool === "write" && !holder.scopes.has(fixture.writeScope))
      return refuse(403, "insufficient_scope", fixture.writeScope);
    const authInfo = {
      token: header,
      clientId: holder.client,
      scopes: [...holder.scopes],
      extra: { subject: holder.subject },
    };
    return handler.fetch(request, { authInfo });
  };
  server.on("request", toNodeListener(handle));
  return fixture;
}

interface Holder {
  readonly subject: string;
  readonly client: string;
  readonly scopes: ReadonlySet<string>;
}

async function holderOf(
  provider: Provider,
  header: string,
  resource: string,
): Promise<Holder | undefined> {
  const token = /^Bearer (.+)$/.exec(header)?.[1];
  if (token === undefined) return undefined;
  const personal = await provider.AccessToken.find(token);
  const machine = personal ?? (await provider.ClientCredentials.find(token));
  if (machine === undefined || machine.isExpired || machine.aud !== resource) return undefined;
  const client = machine.clientId ?? "";
  return {
    subject: personal?.accountId ?? client,
    client,
    scopes: new Set(machine.scope?.split(" ")),
  };
}

function tools(subject: string): McpServer {
  const server = new McpServer({ name: "protected", version: "1.0.0" });
  server.registerTool("whoami", { description: "Who calls." }, () => ({
    content: [{ type: "text", text: `You are ${subject}` }],
  }));
  server.registerTool("write", { description: "Writes." }, () => ({
    content: [{ type: "text", text: `${subject} wrote` }],
  }));
  return server;
}

function named(body: unknown): { method: string; tool: string | undefined } {
  if (typeof body !== "object" || body === null) return { method: "", tool: undefined };
  const method = "method" in body ? String(body.method) : "";
  const params = "params" in body ? body.params : undefined;
  const isCall = method === "tools/call" && typeof params === "object" && params !== null;
  return { method, tool: isCall && "name" in params ? String(params.name) : undefined };
}

async function listening(host = "127.0.0.1"): Promise<{ server: Server; url: string }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return { server, url: `http://${host}:${address.port}` };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
