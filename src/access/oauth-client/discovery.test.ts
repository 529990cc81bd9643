import { expect, test } from "vitest";
import { SignalboxError } from "../../foundation/index.ts";
import { discover } from "./discovery.ts";

const server = (url: string, oauth: object = {}): { name: string; url: string; oauth: object } => ({
  name: "s",
  url,
  oauth,
});

/** Answers what it is told to, and remembers what it was asked. */
function web(pages: Record<string, unknown>): {
  asked: string[];
  fetch: (url: string) => Promise<Response>;
} {
  const asked: string[] = [];
  return {
    asked,
    fetch: async (url) => {
      asked.push(url);
      return url in pages ? Response.json(pages[url]) : new Response("none", { status: 404 });
    },
  };
}

const metadataOf = (issuer: string): object => ({ issuer, token_endpoint: `${issuer}/token` });
const resource = (...authorization_servers: string[]): object => ({
  resource: "https://mcp.example/v1/mcp",
  authorization_servers,
});

test("the well-known addresses are asked in order: with the path, then without; RFC 8414, then OpenID", async () => {
  const http = web({
    "https://mcp.example/.well-known/oauth-protected-resource": {
      resource: "https://mcp.example/v1",
      authorization_servers: ["https://login.example/tenant"],
    },
    "https://login.example/tenant/.well-known/openid-configuration": metadataOf(
      "https://login.example/tenant",
    ),
  });
  const found = await discover(server("https://mcp.example/v1/mcp"), undefined, http);
  expect(http.asked).toEqual([
    "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp",
    "https://mcp.example/.well-known/oauth-protected-resource",
    "https://login.example/.well-known/oauth-authorization-server/tenant",
    "https://login.example/.well-known/openid-configuration/tenant",
    "https://login.example/tenant/.well-known/openid-configuration",
  ]);
  expect(found).toMatchObject({
    resource: "https://mcp.example/v1",
    metadata: { issuer: "https://login.example/tenant" },
  });
});

test("the address that a challenge names is the only one asked", async () => {
  const named = "https://mcp.example/elsewhere";
  const issuer = "https://login.example";
  const known = { [`${issuer}/.well-known/oauth-authorization-server`]: metadataOf(issuer) };
  const http = web({ [named]: resource(issuer), ...known });
  await discover(server("https://mcp.example/v1/mcp"), named, http);
  expect(http.asked[0]).toBe(named);
  const gone = web(known);
  await expect(discover(server("https://mcp.example/v1/mcp"), named, gone)).rejects.toThrow(
    /not there/,
  );
  expect(gone.asked).toEqual([named]);
});

test("a server without metadata of its own is its own authorization server, as in 2025-03-26", async () => {
  const http = web({
    "https://mcp.example/.well-known/oauth-authorization-server": metadataOf("https://mcp.example"),
  });
  const found = await discover(server("https://mcp.example/mcp/"), undefined, http);
  expect(found).toMatchObject({
    resource: "https://mcp.example/mcp/",
    metadata: { issuer: "https://mcp.example" },
  });
});

test.each([
  "https://evil.example/mcp",
  "https://mcp.example/v1/mcp/deeper",
  "https://mcp.example/v1/mc",
  "http://mcp.example/v1/mcp",
  "https://mcp.example:8443/v1/mcp",
  "https://mcp.example/v1/mcp#part",
  "not an address",
])("metadata for the resource %s is not the server's", async (other) => {
  const issuer = "https://login.example";
  const http = web({
    "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp": {
      ...resource(issuer),
      resource: other,
    },
    [`${issuer}/.well-known/oauth-authorization-server`]: metadataOf(issuer),
  });
  const found = discover(server("https://mcp.example/v1/mcp"), undefined, http);
  await expect(found).rejects.toThrow(/another resource/);
});

test.each(["https://evil.example", "https://login.example/other", "HTTPS://login.example"])(
  "the metadata of issuer %s is not that of the one that was asked",
  async (other) => {
    const http = web({
      "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp":
        resource("https://login.example"),
      "https://login.example/.well-known/oauth-authorization-server": metadataOf(other),
    });
    const found = discover(server("https://mcp.example/v1/mcp"), undefined, http);
    await expect(found).rejects.toThrow(/another issuer/);
  },
);

test("a configured issuer is the only one that is asked, and must be one of the server's", async () => {
  const [one, two] = ["https://one.example", "https://two.example"];
  const pages = {
    "https://mcp.example/.well-known/oauth-protected-resource/v1/mcp": resource(one, two),
    [`${one}/.well-known/oauth-authorization-server`]: metadataOf(one),
    [`${two}/.well-known/oauth-authorization-server`]: metadataOf(two),
  };
  const at = (issuer: string): ReturnType<typeof discover> =>
    discover(server("https://mcp.example/v1/mcp", { issuer }), undefined, web(pages));
  expect((await at(two)).metadata.issuer).toBe(two);
  await expect(at("https://three.example")).rejects.toThrow(/configured issuer/);
});

test("a failing metadata server is told apart from one that has none", async () => {
  const http = { fetch: async () => new Response("broken", { status: 500 }) };
  await expect(discover(server("https://mcp.example/mcp"), undefined, http)).rejects.toMatchObject(
    new SignalboxError(
      "OUTBOUND_FAILED",
      "https://mcp.example/.well-known/oauth-protected-resource/mcp answered with HTTP status 500.",
    ),
  );
});
