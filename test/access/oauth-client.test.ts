// The gateway as an OAuth client of MCP servers, with a real authorization server: a person consents over HTTP.
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  startAuthorizationServer,
  startProtectedServer,
  type AuthorizationServer,
  type ProtectedMcpServer,
} from "../support/authorization-server.ts";
import { Browser, consent } from "../support/browser.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";

let authorization: AuthorizationServer;
let server: ProtectedMcpServer;
let gateway: TestGateway;

beforeAll(async () => {
  authorization = await startAuthorizationServer();
  server = await startProtectedServer(authorization);
  gateway = await startGateway({
    settings: { outbound: { allow: ["127.0.0.1:*"] } },
    servers: {
      own: { url: server.url, oauth: {} },
      all: { url: server.url, oauth: { mode: "gateway" } },
    },
  });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await server?.[Symbol.asyncDispose]();
  await authorization?.[Symbol.asyncDispose]();
}, 60_000);

test("debug", async () => {
  const began = await gateway.api("POST", "/api/connections/own");
  expect(began.status).toBe(200);
  const { url } = z.object({ url: z.string() }).parse(began.body);
  const browser = new Browser();
  const page = await consent(browser, url, "alice");
  expect(page.text).toContain("Connected to <b>own</b>");
  console.log(JSON.stringify(await gateway.api("GET", "/api/connections"), undefined, 1));
  console.log(authorization.grants, authorization.registered);
  console.log(JSON.stringify(await gateway.api("GET", "/api/servers/own"), undefined, 1));
});
