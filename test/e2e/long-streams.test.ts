import { afterAll, beforeAll, test } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startEverything, type TestServer } from "../support/servers.ts";
import {
  legacyRequest,
  modernRequest,
  open,
  openSession,
  responseIn,
  send,
} from "../support/wire.ts";

// The gateway looks after its streams every few seconds; these calls outlast that.
const waitMs = 8_000;
const patience = { timeout: 30_000 };

let server: TestServer;
let gateway: TestGateway;
let endpoint: string;

beforeAll(async () => {
  server = await startEverything();
  gateway = await startGateway({
    servers: { both: { url: server.url } },
    settings: { limits: { keep_alive: "5s", events_after: "1s" } },
  });
  endpoint = `${gateway.url}/mcp`;
}, 120_000);

afterAll(async () => {
  await server?.stop();
  await gateway?.stop();
}, 60_000);

test.concurrent("a listen stream lives on with signs of life, and then hears of a change", async ({
  expect,
}) => {
  const listen = modernRequest(
    gateway.key,
    "subscriptions/listen",
    { notifications: { toolsListChanged: true } },
    "listen-1",
  );
  const stream = await open(endpoint, listen);
  expect(stream.status).toBe(200);
  await expect.poll(() => comments(stream.text()), patience).toBeGreaterThanOrEqual(2);
  expect(stream.ended()).toBe(false);
  const change = modernRequest(gateway.key, "tools/call", {
    name: "both__test_trigger_tool_change",
  });
  await send(endpoint, change);
  await expect.poll(() => stream.text(), patience).toContain("notifications/tools/list_changed");
  expect(stream.text()).toMatch(/"io.modelcontextprotocol\/subscriptionId":\s*"listen-1"/);
  stream.hangUp();
}, 60_000);

test.concurrent("a session's stream lives on with signs of life", async ({ expect }) => {
  const session = await openSession(endpoint, gateway.key);
  const headers = { ...session, accept: "text/event-stream" };
  const stream = await open(endpoint, { method: "GET", headers });
  expect(stream.status).toBe(200);
  await expect.poll(() => comments(stream.text()), patience).toBeGreaterThanOrEqual(2);
  stream.hangUp();
}, 60_000);

test.concurrent.for(["modern", "legacy"])(
  "a slow call of a %s client is answered",
  { timeout: 60_000 },
  async (era, { expect }) => {
    const params = { name: "both__test_wait", arguments: { ms: waitMs } };
    const request =
      era === "modern"
        ? modernRequest(gateway.key, "tools/call", params)
        : legacyRequest(await openSession(endpoint, gateway.key), "tools/call", params);
    const answer = await send(endpoint, request);
    expect(answer.status).toBe(200);
    expect(responseIn(answer).result).toMatchObject({
      content: [{ text: `Waited ${waitMs} ms.` }],
    });
  },
);

test.concurrent("a legacy call whose connection breaks goes on, and its answer can be fetched", async ({
  expect,
}) => {
  const session = await openSession(endpoint, gateway.key);
  const params = { name: "both__test_wait", arguments: { ms: waitMs } };
  const broken = await open(endpoint, legacyRequest(session, "tools/call", params, 42));
  await expect.poll(() => lastEventId(broken.text()), patience).toBeDefined();
  broken.hangUp();
  const headers = {
    ...session,
    accept: "text/event-stream",
    "last-event-id": lastEventId(broken.text()) ?? "",
  };
  const resumed = await open(endpoint, { method: "GET", headers });
  expect(resumed.status).toBe(200);
  await expect.poll(() => resumed.text(), patience).toContain(`Waited ${waitMs} ms.`);
  expect(resumed.text()).toMatch(/"id":\s*42\b/);
  resumed.hangUp();
}, 60_000);

test.concurrent("a modern call whose connection breaks is cancelled", async ({ expect }) => {
  const count = async (): Promise<string> => {
    const request = modernRequest(gateway.key, "tools/call", {
      name: "both__test_cancelled_waits",
    });
    return JSON.stringify(responseIn(await send(endpoint, request)).result?.["content"]);
  };
  const before = await count();
  const params = { name: "both__test_wait", arguments: { ms: 60_000 } };
  const call = await open(endpoint, modernRequest(gateway.key, "tools/call", params));
  call.hangUp();
  await expect.poll(count, patience).not.toBe(before);
}, 60_000);

function comments(text: string): number {
  return text.split("\n").filter((line) => line.startsWith(":")).length;
}

function lastEventId(text: string): string | undefined {
  const line = text.split("\n").findLast((one) => one.startsWith("id:"));
  return line?.slice("id:".length).trim();
}
