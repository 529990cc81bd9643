import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

let api: FakeApi;

beforeEach(async () => {
  api = await FakeApi.start();
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key" };
  const terminal = fakeTerminal({ env });
  const code = await runCli(argv, terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

const needed = { server: "calendar", mode: "principal", state: "needed", mayConnect: true };
const made = {
  ...needed,
  state: "connected",
  issuer: "https://login.example.com",
  scopes: ["calendar:read"],
  connectedAt: "2026-11-20T08:00:00.000Z",
};
const link = {
  url: "https://gateway.example.com/connect?ticket=abc",
  expiresAt: "2026-11-20T08:10:00.000Z",
};

test("login shows the link and ends when somebody has consented", async () => {
  let asked = 0;
  api.answer({
    "GET /api/connections": () => [200, { connections: [asked++ === 0 ? needed : made] }],
    "POST /api/connections/calendar": [200, link],
  });
  const { code, stdout, stderr } = await run("servers", "login", "calendar");
  expect(code).toBe(0);
  expect(stderr).toContain(link.url);
  expect(stdout).toContain("connected calendar by https://login.example.com");
});

test("login is not content with the connection that was there before", async () => {
  const anew = { ...made, connectedAt: "2026-11-20T09:00:00.000Z" };
  let asked = 0;
  api.answer({
    "GET /api/connections": () => [200, { connections: [asked++ < 2 ? made : anew] }],
    "POST /api/connections/calendar": [200, link],
  });
  const { code, stdout } = await run("servers", "login", "calendar", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    connected: true,
    connection: { connectedAt: anew.connectedAt },
  });
});

test("login can only print the link, and gives up in time", async () => {
  api.answer({
    "GET /api/connections": [200, { connections: [needed] }],
    "POST /api/connections/calendar": [200, link],
  });
  const printed = await run("servers", "login", "calendar", "--wait", "0");
  expect(printed).toMatchObject({ code: 0, stdout: `${link.url}\n` });
  const late = await run("servers", "login", "calendar", "--wait", "1");
  expect(late.code).toBe(1);
  expect(late.stderr).toContain("Nobody has connected to calendar within 1 s.");
  expect((await run("servers", "login", "calendar", "--wait", "soon")).code).toBe(2);
});

test("logout says whether there was a connection", async () => {
  let connected = true;
  api.answer({
    "DELETE /api/connections/calendar": () => {
      const removed = connected;
      connected = false;
      return [200, { removed }];
    },
  });
  expect((await run("servers", "logout", "calendar")).stdout).toContain("disconnected calendar");
  expect((await run("servers", "logout", "calendar")).stdout).toContain("was not connected");
});

test("connections are listed with their state and scopes", async () => {
  const shared = { ...needed, server: "wiki", mode: "gateway" };
  api.answer({ "GET /api/connections": [200, { connections: [made, shared] }] });
  const { stdout } = await run("servers", "connections");
  expect(stdout).toMatch(/calendar +connected +yours +https:\/\/login.example.com +calendar:read/);
  expect(stdout).toMatch(/wiki +needed +everyone's/);
});

test("servers add can say that a server takes tokens", async () => {
  api.answer({ "POST /api/servers": [201, {}] });
  await run(
    "servers",
    "add",
    "wiki",
    "--url",
    "https://w.example/mcp",
    "--oauth",
    "gateway",
    "--no-test",
  );
  expect(api.requests[0]?.body).toMatchObject({ oauth: { mode: "gateway" } });
  expect((await run("servers", "add", "wiki", "--oauth", "gateway", "--", "x")).code).toBe(2);
});
