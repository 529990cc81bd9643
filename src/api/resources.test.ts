import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { startApi } from "../../test/support/api-over-http.ts";

test("health is 200 while the process lives, and strangers are told no details", async () => {
  const { ask } = await startApi();
  const { status, json } = await ask(undefined, "GET", "/health");
  expect(status).toBe(200);
  expect(json).toEqual({
    status: "healthy",
    timestamp: "2026-11-20T00:00:00.000Z",
    version: "0.1.0",
    overall: "ok",
    checks: { database: "ok", mcp_servers: "ok" },
  });
});

test("readiness is 503 while a dependency fails, and health stays 200", async () => {
  const checks = { database: { status: "critical" as const, message: "no answer" } };
  const { ask } = await startApi({
    health: () => ({ ready: false, overall: "critical" as const, checks }),
  });
  const ready = await ask(undefined, "GET", "/ready");
  expect(ready.status).toBe(503);
  expect(ready.json).toMatchObject({ status: "not_ready", checks: { database: "critical" } });
  expect(ready.text).not.toContain("no answer");
  const health = await ask(undefined, "GET", "/health");
  expect([health.status, health.json.status]).toEqual([200, "healthy"]);
});

test("the status tells what runs to who may read it", async () => {
  const { ask } = await startApi({ describe: () => ({ database: "embedded PostgreSQL" }) });
  const { json } = await ask("operator", "GET", "/api/status");
  expect(json).toMatchObject({
    status: "ready",
    version: "0.1.0",
    uptimeSeconds: 5,
    database: "embedded PostgreSQL",
    configuration: { version: 1, stored: true },
    servers: { total: 1 },
    checks: { database: { status: "ok", address: "db.internal" } },
  });
});

test("a server is added, read with its secrets masked, changed, tested and removed", async () => {
  const { ask, gateway, store } = await startApi();
  const url = "https://mcp.example.com/mcp";
  const added = await ask("admin", "POST", "/api/servers", {
    name: "notes",
    url,
    headers: { Authorization: "Bearer hunter22" },
    timeout: "45s",
  });
  expect(added.status).toBe(201);
  expect(added.json).toMatchObject({
    name: "notes",
    origin: "store",
    readOnly: false,
    options: { url, headers: { Authorization: "***" }, timeout: 45_000 },
  });
  gateway.statuses = [
    {
      name: "notes",
      transport: "streamable-http",
      state: "error",
      since: Date.UTC(2026, 10, 19),
      lastError: { code: "SERVER_TIMEOUT", message: "too slow", at: Date.UTC(2026, 10, 19) },
      calls: 3,
      errors: 1,
      tools: 0,
    },
  ];
  const read = await ask("operator", "GET", "/api/servers/notes");
  expect(read.text).not.toContain("hunter22");
  expect(read.json).toMatchObject({
    status: {
      state: "error",
      since: "2026-11-19T00:00:00.000Z",
      lastError: { code: "SERVER_TIMEOUT", at: "2026-11-19T00:00:00.000Z" },
    },
    missing: { reason: "SERVER_TIMEOUT", since: "2026-11-19T00:00:00.000Z" },
  });
  const changed = await ask("admin", "PUT", "/api/servers/notes", {
    ...read.json.options,
    timeout: "10s",
  });
  expect(changed.status).toBe(200);
  expect(store.servers.rows.get("notes")).toMatchObject({
    headers: { Authorization: "Bearer hunter22" },
    timeout: 10_000,
  });
  const moved = { url: "https://evil.example", headers: { Authorization: "***" } };
  expect((await ask("admin", "PUT", "/api/servers/notes", moved)).json.code).toBe("BODY_INVALID");
  const tested = await ask("operator", "POST", "/api/servers/notes/test", {});
  expect(tested.json).toMatchObject({ ok: true });
  const logs = await ask("operator", "GET", "/api/servers/notes/logs");
  expect(logs.json).toEqual({ lines: ["line of notes"] });
  expect((await ask("admin", "DELETE", "/api/servers/notes")).status).toBe(204);
  expect((await ask("admin", "GET", "/api/servers/notes")).json.code).toBe("SERVER_NOT_FOUND");
});

test("a connected server whose list does not come is told to be missing", async () => {
  const { ask, gateway } = await startApi();
  await ask("admin", "POST", "/api/servers", { name: "notes", url: "https://mcp.example.com/mcp" });
  const missing = {
    reason: "SERVER_TIMEOUT" as const,
    message: "The server has not answered its list yet.",
    since: "2026-11-19T00:00:00.000Z",
  };
  gateway.statuses = [
    {
      name: "notes",
      transport: "streamable-http",
      state: "connected",
      since: 0,
      calls: 0,
      errors: 0,
      tools: 0,
      missing,
    },
  ];
  const { json } = await ask("operator", "GET", "/api/servers/notes");
  expect(json.missing).toEqual(missing);
  expect(json.status).not.toHaveProperty("missing");
});

test("added with a test, a server that does not answer is not kept", async () => {
  const { ask, gateway, store } = await startApi();
  gateway.report = { ok: false, ms: 3, error: { code: "SERVER_TIMEOUT", message: "too slow" } };
  const body = { name: "notes", url: "https://mcp.example.com/mcp" };
  const failed = await ask("admin", "POST", "/api/servers?test=true", body);
  expect([failed.status, failed.json.code]).toEqual([502, "SERVER_UNREACHABLE"]);
  expect(failed.json.details.test.error.code).toBe("SERVER_TIMEOUT");
  expect(store.servers.rows.size).toBe(0);
  gateway.report = { ok: true, ms: 3, tools: 2 };
  const passed = await ask("admin", "POST", "/api/servers?test=true", body);
  expect(passed.json).toMatchObject({ name: "notes", test: { ok: true, tools: 2 } });
  const candidate = await ask("admin", "POST", "/api/servers/test", { command: "node" });
  expect(candidate.json).toEqual({ ok: true, ms: 3, tools: 2 });
});

test("a server that is switched off says so", async () => {
  const { ask } = await startApi();
  await ask("admin", "POST", "/api/servers", { name: "off", command: "x", enabled: false });
  const { json } = await ask("admin", "GET", "/api/servers/off");
  expect(json.status).toEqual({ state: "disabled", transport: "stdio", calls: 0, errors: 0 });
  expect((await ask("admin", "GET", "/api/status")).json.servers).toMatchObject({ disabled: 1 });
});

test("a server may be named like a word of the API", async () => {
  const { ask } = await startApi();
  await ask("admin", "POST", "/api/servers", { name: "test", url: "https://a.example/mcp" });
  expect((await ask("admin", "GET", "/api/servers/test")).json.name).toBe("test");
  expect((await ask("admin", "DELETE", "/api/servers/test")).status).toBe(204);
});

test("refusals of the registry keep their codes and statuses", async () => {
  const { ask, store } = await startApi();
  const url = "https://a.example/mcp";
  const code = async (method: string, path: string, body?: unknown): Promise<unknown[]> => {
    const { status, json } = await ask("admin", method, path, body);
    return [status, json.code];
  };
  expect(await code("POST", "/api/servers", { name: "A b", url })).toEqual([400, "NAME_INVALID"]);
  expect(await code("POST", "/api/servers", { name: "fixed", url })).toEqual([409, "NAME_TAKEN"]);
  expect(await code("PUT", "/api/servers/fixed", { url })).toEqual([409, "CONFLICT"]);
  expect(await code("DELETE", "/api/servers/none")).toEqual([404, "SERVER_NOT_FOUND"]);
  expect(await code("GET", "/api/bundles/none")).toEqual([404, "BUNDLE_NOT_FOUND"]);
  expect(await code("DELETE", "/api/keys/none")).toEqual([404, "NOT_FOUND"]);
  store.down = true;
  const { status, json, headers } = await ask("admin", "POST", "/api/servers", { name: "b", url });
  expect([status, json.code]).toEqual([503, "STORE_UNAVAILABLE"]);
  expect(headers.get("retry-after")).toBe("5");
  expect((await ask("admin", "GET", "/api/servers")).status).toBe(200);
});

test("bundles are added, read, changed and removed", async () => {
  const { ask } = await startApi();
  const added = await ask("admin", "POST", "/api/bundles", { name: "coding", include: ["a__*"] });
  expect([added.status, added.json.options.include]).toEqual([201, ["a__*"]]);
  const changed = await ask("admin", "PUT", "/api/bundles/coding", { include: ["b__*"] });
  expect(changed.json.options).toMatchObject({ include: ["b__*"], names: "prefixed" });
  expect((await ask("operator", "GET", "/api/bundles")).json.bundles).toHaveLength(1);
  expect((await ask("admin", "DELETE", "/api/bundles/coding")).status).toBe(204);
});

test("a key is created, shown once, used, listed without its secret, and revoked at once", async () => {
  const { ask } = await startApi();
  const created = await ask("admin", "POST", "/api/keys", {
    name: "ci",
    expiresAt: "2026-12-01T00:00:00+01:00",
  });
  expect(created.status).toBe(201);
  const { key, record } = created.json;
  expect(record).toMatchObject({
    role: "caller",
    bundles: "all",
    createdAt: "2026-11-20T00:00:00.000Z",
    expiresAt: "2026-11-30T23:00:00.000Z",
  });
  const use = async (): Promise<number> =>
    (await ask(undefined, "GET", "/api/catalog", undefined, { "x-api-key": key })).status;
  expect(await use()).toBe(200);
  const listed = await ask("admin", "GET", "/api/keys");
  expect(listed.text).not.toContain(key);
  expect(listed.text).not.toContain("hash");
  const revoked = await ask("admin", "DELETE", `/api/keys/${record.id}`);
  expect(revoked.json.revokedAt).toBe("2026-11-20T00:00:00.000Z");
  expect(await use()).toBe(401);
});

test("pages of calls follow each other by the cursor of the page before", async () => {
  const at = Date.UTC(2026, 10, 20);
  const entry = {
    id: "c1",
    at,
    principalId: "p",
    principalName: "p",
    method: "tools/call",
    outcome: "ok" as const,
    durationMs: 1,
    upstreamMs: 1,
    ownMs: 0,
    requestBytes: 1,
    responseBytes: 1,
    requestId: "r",
    project: "default",
    era: "modern" as const,
  };
  const asked: unknown[] = [];
  const { ask } = await startApi({
    calls: async (filter) => {
      asked.push(filter);
      return await Promise.resolve([entry]);
    },
  });
  const { json } = await ask("admin", "GET", "/api/calls?limit=1");
  expect(json.calls[0].at).toBe("2026-11-20T00:00:00.000Z");
  await ask("admin", "GET", `/api/calls?limit=1&before=${encodeURIComponent(json.next)}`);
  await ask("admin", "GET", "/api/calls?limit=1&before=2026-11-20T00:00:00Z");
  expect(asked.slice(1)).toEqual([
    { limit: 1, before: at, beforeId: "c1" },
    { limit: 1, before: at },
  ]);
  expect((await ask("admin", "GET", "/api/calls?before=yesterday")).status).toBe(400);
});

test("the start page says how to connect, and names no server, key or script", async () => {
  const { ask, url } = await startApi();
  const { status, headers, text } = await ask(undefined, "GET", "/");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
  for (const part of [
    `${url}/mcp`,
    "0.1.0",
    "claude mcp add",
    "npx signalbox servers add everything",
  ])
    expect(text).toContain(part);
  expect(text).toContain("&lt;YOUR_KEY&gt;");
  expect(text).not.toMatch(/<script|fixed|sbx_/);
  const [, sheet = ""] = /<style>([^]*?)<\/style>/.exec(text) ?? [];
  const hash = createHash("sha256").update(sheet).digest("base64");
  expect(headers.get("content-security-policy")).toContain(`style-src 'sha256-${hash}'`);
});

test("metrics are served on this port to who may read", async () => {
  const { ask } = await startApi();
  const { status, headers, text } = await ask("operator", "GET", "/metrics");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/);
  expect(text).toContain("# TYPE http_request_duration_seconds histogram");
  expect((await ask("caller", "GET", "/metrics")).status).toBe(403);
});
