// The whole gateway as an OAuth resource server, with a real provider and the official client, over real HTTP.
import { randomBytes } from "node:crypto";
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { APP, GATEWAY, startProvider, type TestProvider } from "../support/oauth-provider.ts";
import { everythingOverStdio } from "../support/servers.ts";
import { until } from "../support/until.ts";

const SECRET = randomBytes(48).toString("base64");
let provider: TestProvider;
let gateway: TestGateway;

beforeAll(async () => {
  provider = await startProvider((resource) => resource.endsWith("/mcp/coding"));
  gateway = await startGateway({
    servers: { everything: everythingOverStdio() },
    bundles: { coding: { include: ["everything__*"] } },
    settings: {
      call_log: { arguments: true },
      auth: {
        jwt: { roles: { caller: "caller", operator: "operator", auditor: "auditor" } },
        oauth: {
          issuers: {
            here: {
              issuer: provider.issuer,
              introspect: "opaque",
              introspection_age_max: "500ms",
              client_id: GATEWAY.id,
              client_secret: GATEWAY.secret,
              default_role: "operator",
            },
          },
        },
      },
    },
    env: { JWT_SECRET: SECRET, JWT_EXPIRES_IN: "1h" },
  });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await provider?.close();
}, 60_000);

async function connected(path: string, token: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gateway.url + path), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  );
  return client;
}

async function statusOf(path: string, token: string): Promise<[number, string]> {
  const answer = await fetch(gateway.url + path, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "t", version: "1" },
      },
    }),
  });
  await answer.body?.cancel();
  return [answer.status, answer.headers.get("www-authenticate") ?? ""];
}

test("each endpoint says who issues its tokens, and nothing about which bundles there are", async () => {
  const base = `${gateway.url}/.well-known/oauth-protected-resource`;
  const metadata = async (path: string): Promise<unknown> => (await fetch(base + path)).json();
  for (const path of ["/mcp", "/mcp/coding", "/mcp/no-such-bundle", "/sse", "/api"]) {
    // oxlint-disable-next-line no-await-in-loop -- the addresses in turn
    expect(await metadata(path)).toMatchObject({
      resource: gateway.url + path,
      authorization_servers: [provider.issuer],
      bearer_methods_supported: ["header"],
    });
  }
  expect(await metadata("")).toMatchObject({ resource: `${gateway.url}/mcp` });
  expect((await fetch(`${base}/elsewhere`)).status).toBe(404);
});

test("a program gets a token for the endpoint by its own credential and calls a tool", async () => {
  const token = await provider.clientToken(`${gateway.url}/mcp`, "mcp:read mcp:call mcp:write");
  expect(token.split(".")).toHaveLength(3);
  const client = await connected("/mcp", token);
  const result = await client.callTool({ name: "everything__test_simple_text", arguments: {} });
  expect(result.isError).not.toBe(true);
  await client.close();
  await until("the call log has it", async () => {
    const { body } = await gateway.api("GET", "/api/calls");
    return JSON.stringify(body).includes('"program"');
  });
});

test("its token is good for that endpoint alone", async () => {
  const token = await provider.clientToken(`${gateway.url}/mcp`, "mcp:read api:read");
  expect((await statusOf("/mcp", token))[0]).toBe(200);
  const [status, challenge] = await statusOf("/mcp/coding", token);
  expect(status).toBe(401);
  expect(challenge).toContain('error="invalid_token"');
  expect(challenge).toContain(
    `resource_metadata="${gateway.url}/.well-known/oauth-protected-resource/mcp/coding"`,
  );
  const authorization = (of: string): { headers: Record<string, string> } => ({
    headers: { authorization: `Bearer ${of}` },
  });
  expect((await fetch(`${gateway.url}/api/servers`, authorization(token))).status).toBe(401);
  const forApi = await provider.clientToken(`${gateway.url}/api`, "api:read");
  expect((await fetch(`${gateway.url}/api/servers`, authorization(forApi))).status).toBe(200);
  const steer = await fetch(`${gateway.url}/api/cache/clear`, {
    method: "POST",
    ...authorization(forApi),
  });
  expect(steer.status).toBe(403);
  expect(steer.headers.get("www-authenticate")).toContain('error="insufficient_scope"');
});

test("an opaque token is asked about, and refused once it was revoked", async () => {
  const token = await provider.clientToken(`${gateway.url}/mcp/coding`, "mcp:read mcp:call");
  expect(token.split(".")).toHaveLength(1);
  const client = await connected("/mcp/coding", token);
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
  await client.close();
  expect((await statusOf("/mcp", token))[0]).toBe(401);
  await provider.revoke(token);
  await until("the revoked token is refused", async () => {
    const [status, challenge] = await statusOf("/mcp/coding", token);
    return status === 401 && challenge.includes('error="invalid_token"');
  });
});

test("a person signs in with the official client, and once more when a tool needs more scopes", async () => {
  let tokens: Awaited<ReturnType<OAuthClientProvider["tokens"]>>;
  let verifier = "";
  const opened: URL[] = [];
  const authProvider: OAuthClientProvider = {
    redirectUrl: APP.redirectUri,
    clientMetadata: { redirect_uris: [APP.redirectUri], client_name: "app" },
    clientInformation: () => ({ client_id: APP.id, issuer: provider.issuer }),
    tokens: () => tokens,
    saveTokens: (saved) => void (tokens = saved),
    redirectToAuthorization: (url) => void opened.push(url),
    saveCodeVerifier: (saved) => void (verifier = saved),
    codeVerifier: () => verifier,
  };
  const url = new URL(`${gateway.url}/mcp`);
  const first = new StreamableHTTPClientTransport(url, { authProvider });
  await expect(new Client({ name: "person", version: "1" }).connect(first)).rejects.toBeInstanceOf(
    UnauthorizedError,
  );
  expect(opened[0]?.searchParams.get("resource")).toBe(`${gateway.url}/mcp`);
  expect(opened[0]?.searchParams.get("scope")).toBe("mcp:read mcp:call");
  await first.finishAuth(await provider.agree(opened[0] ?? url));

  const transport = new StreamableHTTPClientTransport(url, { authProvider });
  const client = new Client({ name: "person", version: "1" });
  await client.connect(transport);
  const reading = await client.callTool({ name: "signalbox__list_servers", arguments: {} });
  expect(JSON.stringify(reading.content)).toContain("everything");

  const write = { name: "everything__test_simple_text", arguments: {} };
  await expect(client.callTool(write)).rejects.toBeInstanceOf(UnauthorizedError);
  expect(opened).toHaveLength(2);
  expect(new Set(opened[1]?.searchParams.get("scope")?.split(" "))).toEqual(
    new Set(["mcp:read", "mcp:call", "mcp:write"]),
  );
  await transport.finishAuth(await provider.agree(opened[1] ?? url));
  expect((await client.callTool(write)).isError).not.toBe(true);
  await client.close();
});

test("a token made here calls tools and reaches no further than its role", async () => {
  const { status, body } = await gateway.api("POST", "/api/tokens", {
    subject: "agent-7",
    expiresIn: "10m",
  });
  expect(status).toBe(201);
  const token = String(Reflect.get(Object(body), "token"));
  const client = await connected("/mcp", token);
  await client.callTool({ name: "everything__test_simple_text", arguments: {} });
  await client.close();
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(`${gateway.url}/api/servers`, { headers })).status).toBe(403);
  const tooLong = await gateway.api("POST", "/api/tokens", { subject: "a", expiresIn: "2h" });
  expect(tooLong.status).toBe(400);
  const admin = await gateway.api("POST", "/api/tokens", { subject: "a", role: "admin" });
  expect(admin.status).toBe(400);
});

test("the scope api:read opens neither the audit trail nor what calls carried: that takes a role that does", async () => {
  const words = { text: "carried-by-a-call" };
  const caller = await signed({ sub: "caller", role: "caller", scope: "mcp:write" }, "/mcp");
  const client = await connected("/mcp", caller);
  await client.callTool({ name: "everything__test_simple_text", arguments: words });
  await client.close();
  const id = await until("the call log has it", async () => {
    const { body } = await gateway.api("GET", "/api/calls");
    return /"id":"([^"]+)"[^{}]*"principalName":"caller"/.exec(JSON.stringify(body))?.[1];
  });
  const trails = ["/api/audit", "/api/audit/export", "/api/mcp/security/audit-logs"];
  const ask = async (path: string, token: string): Promise<[number, string, string]> => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(gateway.url + path, { headers });
    const challenge = answer.headers.get("www-authenticate") ?? "";
    return [answer.status, await answer.text(), challenge];
  };
  // Of both kinds of tokens, those of the provider and those signed with the shared secret.
  const operators = [
    await provider.clientToken(`${gateway.url}/api`, "api:read"),
    await signed({ sub: "reader", role: "operator", scope: "api:read" }, "/api"),
  ];
  for (const operator of operators) {
    for (const path of trails) {
      const [status, text] = await ask(path, operator);
      expect([path, status]).toEqual([path, 403]);
      expect(text).toContain('lacks the scope \\"audit\\"');
    }
    const [status, text] = await ask(`/api/calls/${id}`, operator);
    expect([status, text.includes(words.text)]).toEqual([200, false]);
  }
  const auditor = await signed({ sub: "aud", role: "auditor", scope: "api:read" }, "/api");
  for (const path of trails) expect((await ask(path, auditor))[0]).toBe(200);
  expect((await ask(`/api/calls/${id}`, auditor))[1]).toContain(words.text);
  // The role alone is not enough either: the token has to be for reading.
  const lesser = await signed({ sub: "aud", role: "auditor", scope: "api:call" }, "/api");
  for (const path of trails) {
    const [status, , challenge] = await ask(path, lesser);
    expect([path, status]).toEqual([path, 403]);
    expect(challenge).toContain('error="insufficient_scope"');
  }
  expect((await ask(`/api/calls/${id}`, lesser))[0]).toBe(404);
  expect(JSON.parse((await ask("/api/calls", lesser))[1])).toMatchObject({ calls: [] });
});

async function signed(claims: Record<string, string>, place: string): Promise<string> {
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setAudience(gateway.url + place)
    .setExpirationTime("5m")
    .sign(new TextEncoder().encode(SECRET));
}

test("what is forged or claims to come from this machine is refused, and the audit trail has it", async () => {
  const forged = await new SignJWT({ sub: "eve", role: "admin" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("5m")
    .sign(new TextEncoder().encode("minimum_32_character_secret_key_here"));
  expect((await statusOf("/mcp", forged))[0]).toBe(401);
  const claimed = await fetch(`${gateway.url}/mcp`, {
    method: "POST",
    headers: { "x-forwarded-for": "127.0.0.1", "content-type": "application/json" },
    body: "{}",
  });
  expect(claimed.status).toBe(401);
  const audited = await until("both refusals are written", async () => {
    const { body } = await gateway.api("GET", "/api/audit?action=auth.refuse&limit=1000");
    const text = JSON.stringify(body);
    return text.includes('"signature"') && text.includes('"KEY_MISSING"') && text;
  });
  expect(audited).not.toContain("eyJ");
  expect(gateway.child.stdout()).not.toContain("eyJ");
});
