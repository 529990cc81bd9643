import { expect, test } from "vitest";
import type { PageView } from "../access/index.ts";
import { connectPage } from "./connect-page.ts";

type Server = PageView["servers"][number];

const server = (more: Partial<Server> = {}): Server => ({
  server: "calendar",
  mode: "principal",
  state: "needed",
  mayConnect: true,
  wanted: true,
  start: "/connect/start?ticket=t",
  ...more,
});
const connected = server({ state: "connected", end: "/connect/end?ticket=t" });
const shown = (of: Server, said: Parameters<typeof connectPage>[1] = {}): string =>
  connectPage({ principal: "laptop", servers: [of] }, said);

test("a connection can be ended where there is one", () => {
  expect(shown(connected)).toContain('<form method="post" action="/connect/end?ticket=t">');
  expect(shown(server())).not.toContain("<form");
});

test("what an address says was done is believed only where it is so", () => {
  expect(shown(connected, { server: "calendar", outcome: "connected" })).toContain(
    "Connected to <b>calendar</b>.",
  );
  expect(shown(server(), { server: "calendar", outcome: "ended" })).toContain(
    "Disconnected from <b>calendar</b>.",
  );
  expect(shown(connected, { server: "calendar", outcome: "denied" })).toContain(
    "the connection to <b>calendar</b> stays as it was",
  );
  for (const lie of [
    shown(server(), { server: "calendar", outcome: "connected" }),
    shown(connected, { server: "calendar", outcome: "ended" }),
    shown(connected, { server: "elsewhere", outcome: "connected" }),
    shown(server(), { server: "elsewhere", outcome: "denied" }),
    shown(connected, { server: "calendar" }),
  ])
    expect(lie).not.toContain('role="status"');
});

test("what others named is shown as text", () => {
  const page = connectPage(
    { principal: '"><script>', servers: [server({ issuer: "<b>x", scopes: ["a&b"] })] },
    {},
  );
  expect(page).not.toMatch(/<script|<b>x|a&b/);
});
