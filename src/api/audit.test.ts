import { describe, expect, test } from "vitest";
import { startApi, type Fixture, type Holder } from "../../test/support/api-over-http.ts";
import type { AuditEvent } from "../foundation/index.ts";
import type { ExportedRecord } from "../ops/index.ts";
import type { AuditPort, CallEntry } from "./ports.ts";
import { routeTable } from "./route-table.ts";

const url = "https://b.example/mcp";

/** What is told of one request. */
async function toldOf(
  { ask, audited }: Fixture,
  holder: Holder,
  method: string,
  path: string,
  body?: unknown,
): Promise<AuditEvent[]> {
  audited.length = 0;
  await ask(holder, method, path, body);
  return [...audited];
}

describe("a change over the API", () => {
  test("is told with who, what, before, after, address and request", async () => {
    const api = await startApi();
    await api.ask("admin", "POST", "/api/servers", { name: "b", url });
    const next = { url: "https://c.example/mcp", headers: { Authorization: "Bearer abcdefgh" } };
    expect(await toldOf(api, "developer", "PUT", "/api/servers/b", next)).toMatchObject([
      {
        action: "server.update",
        actor: { id: "developer", name: "developer of the test", kind: "key" },
        target: "server:b",
        project: "default",
        outcome: "ok",
        before: { url },
        after: { url: next.url, headers: { Authorization: "***" } },
        address: expect.stringContaining("127.0.0.1"),
        requestId: expect.stringMatching(/^req_/),
      },
    ]);
    expect(JSON.stringify(api.audited)).not.toContain("abcdefgh");
  });

  test("is told of every kind", async () => {
    const api = await startApi();
    const key = (await api.ask("admin", "POST", "/api/keys", { name: "k" })).json.record.id;
    const told: string[] = [];
    for (const [method, path, body] of [
      ["POST", "/api/servers", { name: "b", url }],
      ["PUT", "/api/servers/b", { url }],
      ["POST", "/api/servers/b/test", {}],
      ["POST", "/api/servers/test", { name: "try", url }],
      ["POST", "/api/servers/b/breaker", { state: "open" }],
      ["POST", "/api/servers/b/endpoints/one/drain", {}],
      ["POST", "/api/servers/b/endpoints/one/resume", {}],
      ["DELETE", "/api/servers/b"],
      ["POST", "/api/bundles", { name: "c" }],
      ["PUT", "/api/bundles/c", { title: "C" }],
      ["DELETE", "/api/bundles/c"],
      ["POST", "/api/roles", { name: "r" }],
      ["PUT", "/api/roles/r", { scopes: ["read"] }],
      ["DELETE", "/api/roles/r"],
      ["POST", "/api/projects", { name: "p" }],
      ["PUT", "/api/projects/p", { title: "P" }],
      ["DELETE", "/api/projects/p"],
      ["PUT", "/api/secrets/s", { value: "a-value-to-keep" }],
      ["PUT", "/api/secrets/s", { value: "another-value" }],
      ["POST", "/api/secrets/rotate", {}],
      ["DELETE", "/api/secrets/s"],
      ["POST", "/api/cache/clear", {}],
      ["PUT", `/api/keys/${key}/limits`, { quota: { day: 5 } }],
      ["DELETE", `/api/keys/${key}`],
    ] as const) {
      const events = await toldOf(api, "admin", method, path, body);
      const [event] = events;
      const sides = `${event?.before === undefined ? "" : "b"}${event?.after === undefined ? "" : "a"}`;
      told.push([event?.action, event?.target, event?.outcome, sides].join(" ").trim());
      expect(events).toHaveLength(1);
    }
    expect(told).toEqual([
      "server.create server:b ok a",
      "server.update server:b ok ba",
      "server.test server:b ok",
      "server.test server:try ok",
      "breaker.set server:b ok",
      "endpoint.drain server:b ok",
      "endpoint.resume server:b ok",
      "server.delete server:b ok b",
      "bundle.create bundle:c ok a",
      "bundle.update bundle:c ok ba",
      "bundle.delete bundle:c ok b",
      "role.create role:r ok a",
      "role.update role:r ok ba",
      "role.delete role:r ok b",
      "project.create project:p ok a",
      "project.update project:p ok ba",
      "project.delete project:p ok b",
      "secret.create secret:s ok a",
      "secret.update secret:s ok ba",
      "secret.reseal  ok",
      "secret.delete secret:s ok b",
      "cache.clear  ok",
      `key.limit key:${key} ok a`,
      `key.revoke key:${key} ok ba`,
    ]);
  });

  test("that fails or is refused is told, too, with why", async () => {
    const api = await startApi();
    expect(await toldOf(api, "admin", "PUT", "/api/servers/fixed", { url })).toMatchObject([
      { action: "server.update", target: "server:fixed", outcome: "failed", code: "CONFLICT" },
    ]);
    const program = { name: "evil", command: "sh" };
    const refused = await toldOf(api, "developer", "POST", "/api/servers", program);
    expect(refused.map(({ action, outcome, code }) => [action, outcome, code])).toEqual([
      ["server.create", "denied", "FORBIDDEN"],
      ["access.deny", "denied", "FORBIDDEN"],
    ]);
    api.store.down = true;
    const lost = await toldOf(api, "admin", "DELETE", "/api/keys/caller");
    expect(lost).toMatchObject([
      { action: "key.revoke", outcome: "failed", code: "STORE_UNAVAILABLE" },
    ]);
    expect(lost[0]).not.toHaveProperty("before");
  });

  test("says what a tried server would have run, without its secrets", async () => {
    const api = await startApi();
    const args = ["--token", "abcdefghij"];
    const [event] = await toldOf(api, "admin", "POST", "/api/servers/test", {
      name: "try",
      command: "node",
      args,
      env: { TOKEN: "klmnopqrst" },
    });
    expect(event?.details).toMatchObject({ tried: { command: "node", env: { TOKEN: "***" } } });
    expect(JSON.stringify(event)).not.toMatch(/abcdefghij|klmnopqrst/);
  });

  test("is told by every route that can make one", () => {
    const silentOnes = new Set([
      // They only ask, or are an event themselves.
      "post /api/access/check",
      "post /api/access/explain",
      "post /api/audit/events",
      // Told by whoever decides, who knows more of it than the request does.
      "post /api/connections/{server}",
      "delete /api/connections/{server}",
      "post /connect/end",
      "post /api/pins/{server}/approve-all",
      "post /api/pins/{server}/forget",
      "post /api/pins/{server}/{tool}/approve",
      "post /api/pins/{server}/{tool}/reject",
    ]);
    const silent = routeTable
      .filter(({ method, audit }) => method !== "get" && audit === undefined)
      .map(({ method, path }) => `${method} ${path}`);
    expect(new Set(silent)).toEqual(silentOnes);
  });
});

const recordOf = (seq: number, more: Partial<ExportedRecord> = {}): ExportedRecord => ({
  seq,
  id: `aud_${seq}`,
  at: Date.UTC(2026, 10, 20) + seq,
  action: "server.update",
  actorId: "key_1",
  actorName: "Ada",
  actorKind: "key",
  target: "server:files",
  project: "default",
  outcome: "ok",
  code: null,
  before: null,
  after: '{"a":1}',
  details: null,
  address: null,
  requestId: null,
  hash: "f".repeat(64),
  ...more,
});

function trail(records: readonly ExportedRecord[]): { port: AuditPort; asked: unknown[] } {
  const asked: unknown[] = [];
  const port: AuditPort = {
    recent: (filter) => {
      asked.push(filter);
      return Promise.resolve(records.toReversed().slice(0, filter.limit));
    },
    after: (seq, limit, conditions) => {
      asked.push(conditions);
      return Promise.resolve(records.filter((one) => one.seq > seq).slice(0, limit));
    },
    verify: (anchor) => {
      asked.push(anchor);
      return Promise.resolve({
        checked: 3,
        head: { baseSeq: 2, baseHash: "0".repeat(64), seq: 5, hash: "e".repeat(64) },
        faults: [{ seq: 4, kind: "edited", sentence: "record 4 was changed" }],
      });
    },
  };
  return { port, asked };
}

describe("the audit trail", () => {
  test("is listed by pages, its values as what they are", async () => {
    const { port, asked } = trail([recordOf(1), recordOf(2), recordOf(3)]);
    const { ask } = await startApi({ auditTrail: port });
    const query = "limit=2&action=server.update&actor=key_1&from=2026-11-20T00:00:00Z&before=9";
    const { status, json } = await ask("auditor", "GET", `/api/audit?${query}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({ records: [{ seq: 3, after: { a: 1 } }, { seq: 2 }], next: 2 });
    expect(json.records[0]).not.toHaveProperty("code");
    expect(asked).toEqual([
      {
        limit: 2,
        action: "server.update",
        actorId: "key_1",
        from: Date.UTC(2026, 10, 20),
        beforeSeq: 9,
      },
    ]);
    for (const holder of ["caller", "operator", "developer"] as const)
      expect((await ask(holder, "GET", "/api/audit")).json.code).toBe("FORBIDDEN");
  });

  test("is shown to a key of one project as far as it is that project's", async () => {
    const { port, asked } = trail([]);
    const { ask } = await startApi({ auditTrail: port });
    for (const path of ["/api/audit", "/api/audit/export", "/api/mcp/security/audit-logs"]) {
      asked.length = 0;
      expect((await ask("neighbour", "GET", path)).status).toBe(200);
      const projects = new Set(asked.map((filter) => JSON.stringify(filter).includes("elsewhere")));
      expect([path, ...projects]).toEqual([path, true]);
    }
    const foreign = await ask("neighbour", "GET", "/api/audit?project=default");
    expect(foreign.json.code).toBe("PROJECT_NOT_FOUND");
    expect((await ask("neighbour", "POST", "/api/audit/verify")).json.code).toBe("FORBIDDEN");
  });

  test("is exported whole, a line each, and that is told", async () => {
    const records = Array.from({ length: 1_200 }, (_, index) => recordOf(index + 1));
    const { ask, audited } = await startApi({ auditTrail: trail(records).port });
    const ndjson = await ask("auditor", "GET", "/api/audit/export?after=100");
    expect(ndjson.headers.get("content-type")).toBe("application/x-ndjson");
    expect(ndjson.headers.get("x-request-id")).toMatch(/^req_/);
    const seqs = ndjson.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).seq);
    expect(seqs).toEqual(records.slice(100).map(({ seq }) => seq));
    const csv = await ask("auditor", "GET", "/api/audit/export?format=csv");
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.text.trimEnd().split("\r\n")).toHaveLength(1_201);
    expect(audited).toMatchObject([
      { action: "audit.export", actor: { id: "auditor" }, details: { format: "ndjson" } },
      { action: "audit.export", details: { format: "csv" } },
    ]);
  });

  test("that breaks off in the middle is no whole answer", async () => {
    const { port } = trail(Array.from({ length: 1_200 }, (_, index) => recordOf(index + 1)));
    const { url: base, lines } = await startApi({
      auditTrail: {
        ...port,
        after: (seq, limit, conditions) =>
          seq < 500 ? port.after(seq, limit, conditions) : Promise.reject(new Error("gone")),
      },
    });
    const whole = fetch(`${base}/api/audit/export`, {
      headers: { authorization: "Bearer key-of-the-auditor-in-this-test" },
    }).then((answer) => answer.text());
    await expect(whole).rejects.toThrow(/terminated|closed|failed/);
    expect(lines).toContainEqual(expect.objectContaining({ level: "error", problem: "gone" }));
  });

  test("is verified, with an anchor where there is one, and that is told", async () => {
    const { port, asked } = trail([]);
    const { ask, audited } = await startApi({ auditTrail: port });
    const head = "a".repeat(64);
    const { json } = await ask("auditor", "POST", "/api/audit/verify", { head });
    expect(json).toEqual({
      valid: false,
      checked: 3,
      first: 3,
      head: { seq: 5, hash: "e".repeat(64) },
      faults: [{ seq: 4, kind: "edited", sentence: "record 4 was changed" }],
    });
    expect(asked).toEqual([head]);
    expect(audited).toMatchObject([{ action: "audit.verify", details: { valid: false } }]);
    expect((await ask("auditor", "POST", "/api/audit/verify", { head: "x" })).status).toBe(400);
    const busy = await startApi({
      auditTrail: { ...port, verify: () => Promise.resolve(undefined) },
    });
    expect((await busy.ask("auditor", "POST", "/api/audit/verify")).json.code).toBe("CONFLICT");
  });

  test("takes events of others, named as theirs", async () => {
    const api = await startApi();
    const event = {
      action: "invoice.send",
      server: "billing",
      tool: "send",
      arguments: { to: "x" },
      success: false,
      error: "no such customer",
      userId: "u1",
    };
    expect(await toldOf(api, "operator", "POST", "/api/audit/events", event)).toMatchObject([
      {
        action: "custom.invoice.send",
        actor: { id: "operator" },
        target: "tool:billing__send",
        outcome: "failed",
        details: { arguments: { to: "x" }, error: "no such customer", userId: "u1" },
      },
    ]);
    expect(await toldOf(api, "caller", "POST", "/api/audit/events", event)).toMatchObject([
      { action: "access.deny" },
    ]);
    const spaced = await api.ask("operator", "POST", "/api/audit/events", { action: "a b" });
    expect(spaced.status).toBe(400);
  });
});

test("calls and records of the audit trail come together, newest first, each failure with its error", async () => {
  const at = Date.UTC(2026, 10, 20);
  const call: CallEntry = {
    id: "c1",
    at: at + 2,
    principalId: "key_1",
    principalName: "Ada",
    project: "default",
    method: "tools/call",
    server: "files",
    tool: "read",
    outcome: "timeout",
    errorCode: "SERVER_TIMEOUT",
    durationMs: 5,
    upstreamMs: 5,
    ownMs: 0,
    requestBytes: 1,
    responseBytes: 1,
    requestId: "req_1",
    era: "modern",
    arguments: { secret: "of the call" },
  };
  const records = [
    recordOf(1, {
      action: "custom.x",
      target: "tool:files__read",
      outcome: "failed",
      details: '{"error":"said so","userId":"u1","duration":7}',
    }),
    recordOf(3, { outcome: "denied", code: "FORBIDDEN" }),
  ];
  const { port, asked } = trail(records);
  const { ask, filters } = await startApi({ auditTrail: port });
  const both = await startApi({ auditTrail: port, calls: () => Promise.resolve([call]) });
  const path = "/api/mcp/security/audit-logs?limit=3&server=files&success=false";
  const { json, text } = await both.ask("auditor", "GET", path);
  expect(json).toMatchObject({ success: true, timestamp: "2026-11-20T00:00:00.000Z" });
  expect(json.data).toMatchObject([
    { kind: "audit", error: "FORBIDDEN", server: "files", userId: "key_1" },
    { kind: "call", error: "SERVER_TIMEOUT", tool: "read", duration: 5, userId: "key_1" },
    { kind: "audit", error: "said so", server: "files", tool: "read", userId: "u1", duration: 7 },
  ]);
  expect(text).not.toContain("of the call");
  await ask("auditor", "GET", path);
  expect(filters).toEqual([{ limit: 3, server: "files", success: false }]);
  expect(asked.at(-1)).toEqual(filters[0]);
  expect((await ask("operator", "GET", path)).json.code).toBe("FORBIDDEN");
});
