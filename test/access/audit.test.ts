// What the audit trail of a running gateway holds, and what is noticed when somebody with the database changes it.
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { openTestDatabase, type TestDatabase } from "../../src/store/test-database.ts";
import { runNode } from "../support/child.ts";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";
import { modernRequest, send } from "../support/wire.ts";

const webhookSecret = "a-secret-of-the-webhook";
const headerSecret = "a-header-that-nobody-may-read";
const url = "http://127.0.0.1:9/mcp";

interface Delivery {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

const deliveries: Delivery[] = [];
let webhook: Server;
let database: TestDatabase;
let client: pg.Client;
let setup: GatewaySetup;
let gateway: TestGateway;
let developer: { id: string; key: string };
let auditor: { id: string; key: string };

beforeAll(async () => {
  database = await openTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  webhook = createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8");
    req.on("data", (piece: string) => (body += piece));
    req.on("end", () => {
      deliveries.push({ headers: req.headers, body });
      res.writeHead(204).end();
    });
  });
  webhook.listen(0, "127.0.0.1");
  await once(webhook, "listening");
  const address = webhook.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  setup = {
    settings: {
      call_log: { arguments: true },
      audit: { webhook_url: `http://127.0.0.1:${port}/`, webhook_secret: webhookSecret },
    },
    env: { DATABASE_URL: database.url },
  };
  gateway = await startGateway(setup);
  developer = await makeKey("Dora", "developer");
  auditor = await makeKey("Aude", "auditor");
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await client?.end();
  webhook?.closeAllConnections();
  webhook?.close();
  await database?.[Symbol.asyncDispose]();
}, 60_000);

const created = z.object({ key: z.string(), record: z.object({ id: z.string() }) });

async function makeKey(name: string, role: string): Promise<{ id: string; key: string }> {
  const { body } = await gateway.api("POST", "/api/keys", { name, role, project: "*" });
  const { key, record } = created.parse(body);
  return { key, id: record.id };
}

const record = z.looseObject({
  seq: z.number(),
  action: z.string(),
  actorId: z.string(),
  target: z.string().optional(),
  outcome: z.string(),
  requestId: z.string().optional(),
});
type AuditRecord = z.infer<typeof record>;

async function as(key: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return text === "" ? undefined : JSON.parse(text);
}

async function recordsOf(query: string): Promise<AuditRecord[]> {
  const body = await as(auditor.key, "GET", `/api/audit?${query}`);
  return z.object({ records: z.array(record) }).parse(body).records;
}

/** The newest such records, as soon as there are so many: they are written behind the requests. */
async function written(query: string, count: number): Promise<AuditRecord[]> {
  return await until(`${count} records of ${query}`, async () => {
    const found = await recordsOf(query);
    return found.length >= count && found;
  });
}

async function cli(...words: string[]): Promise<{ code: number | null; text: string }> {
  const child = runNode([inRoot("src/main.ts"), "audit", ...words], {
    env: { SIGNALBOX_URL: gateway.url, SIGNALBOX_KEY: auditor.key },
  });
  await child.closed;
  return { code: child.process.exitCode, text: child.stdout() + child.stderr() };
}

test("what two keys change is on record with who, before and after, and without a secret", async () => {
  const headers = { Authorization: `Bearer ${headerSecret}` };
  await gateway.api("POST", "/api/servers", { name: "b", url, headers });
  await as(developer.key, "PUT", "/api/servers/b", { url: `${url}/new`, headers });
  await as(developer.key, "DELETE", "/api/servers/none");
  await as(developer.key, "POST", "/api/keys", { name: "more", role: "admin" });
  await gateway.api("DELETE", "/api/servers/b");
  const [removed, updated, added] = await written("target=server:b", 3);
  expect([added?.action, updated?.action, removed?.action]).toEqual([
    "server.create",
    "server.update",
    "server.delete",
  ]);
  expect(added?.actorId).not.toBe(developer.id);
  expect(updated).toMatchObject({
    actorId: developer.id,
    actorName: "Dora",
    actorKind: "key",
    outcome: "ok",
    before: { url },
    after: { url: `${url}/new` },
    address: expect.stringContaining("127.0.0.1"),
    requestId: expect.stringMatching(/^req_/),
  });
  expect(await written(`actor=${developer.id}&outcome=failed`, 1)).toMatchObject([
    { action: "server.delete", target: "server:none", code: "SERVER_NOT_FOUND" },
  ]);
  expect(await written(`actor=${developer.id}&outcome=denied`, 1)).toMatchObject([
    { action: "access.deny", target: "route:POST /api/keys", code: "FORBIDDEN" },
  ]);
  const { rows } = await client.query(
    "SELECT to_jsonb(row)::text AS text FROM signalbox.audit_log AS row",
  );
  expect(rows.map((row) => String(row.text)).join()).not.toContain(headerSecret);
});

test("what the gateway does by itself is on record, too", async () => {
  await gateway.configure({ ...setup, servers: { fixed: { url } } });
  const [reloaded] = await written("action=config.reload", 1);
  expect(reloaded).toMatchObject({
    actorId: "gateway",
    outcome: "ok",
    details: { servers: { added: ["fixed"] } },
  });
  await gateway.configure({ ...setup, servers: { fixed: { url: 1 } } });
  expect(await written("action=config.reload&outcome=failed", 1)).toMatchObject([
    { code: "CONFIG_INVALID" },
  ]);
  await gateway.configure(setup);
  await written("action=config.reload&outcome=ok", 2);
  expect(await recordsOf("action=gateway.start")).toHaveLength(1);
  expect(await recordsOf("actor=gateway&action=key.create")).toMatchObject([
    { after: { role: "admin" }, details: { seeded: true } },
  ]);
});

test("a look at what a call carried is on record, and no list shows it", async () => {
  const name = "signalbox__list_servers";
  const params = { name, arguments: { note: "what was carried" } };
  const { headers, body } = modernRequest(developer.key, "tools/call", params);
  await send(`${gateway.url}/mcp`, { headers, body });
  const calls = z.object({ calls: z.array(z.looseObject({ id: z.string() })) });
  const list = await until("the call is logged", async () => {
    const found = calls.parse(await as(auditor.key, "GET", "/api/calls"));
    return found.calls.length > 0 && found;
  });
  expect(JSON.stringify(list)).not.toContain("what was carried");
  const id = list.calls[0]?.id ?? "";
  expect(await as(developer.key, "GET", `/api/calls/${id}`)).toMatchObject({
    arguments: params.arguments,
  });
  expect(JSON.stringify(await gateway.api("GET", `/api/calls/${id}`))).not.toContain("carried");
  expect(await as(auditor.key, "GET", `/api/calls/${id}`)).toMatchObject({
    arguments: params.arguments,
  });
  expect(await written("action=payload.read", 1)).toMatchObject([
    { actorId: auditor.id, target: `call:${id}` },
  ]);
  const logs = await as(auditor.key, "GET", "/api/mcp/security/audit-logs?success=true");
  expect(logs).toMatchObject({ success: true, timestamp: expect.any(String) });
  const { data } = z.object({ data: z.array(z.looseObject({ id: z.string() })) }).parse(logs);
  expect(data.find((one) => one.id === id)).toMatchObject({ kind: "call", userId: developer.id });
  expect(data.find((one) => one["action"] === "server.update")).toMatchObject({ kind: "audit" });
});

test("events of others are kept as theirs", async () => {
  const event = { action: "invoice.send", server: "billing", success: false, error: "no customer" };
  await as(developer.key, "POST", "/api/audit/events", event);
  const logs = await until("the event is written", async () => {
    const path = "/api/mcp/security/audit-logs?server=billing&success=false";
    const { data } = z
      .object({ data: z.array(z.unknown()) })
      .parse(await as(auditor.key, "GET", path));
    return data.length > 0 && data;
  });
  expect(logs).toMatchObject([
    { action: "custom.invoice.send", server: "billing", error: "no customer", success: false },
  ]);
});

test("the export has every record, for programs and for spreadsheets, in a file of one's own", async () => {
  const [newest] = await recordsOf("limit=1");
  const file = join(gateway.home, "audit.ndjson");
  expect(await cli("export", "--output", file)).toMatchObject({ code: 0 });
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  const seqs = lines.map((line) => record.parse(nullsOut(JSON.parse(line))).seq);
  expect(seqs.slice(0, newest?.seq)).toEqual(
    Array.from(seqs.slice(0, newest?.seq), (_, n) => n + 1),
  );
  expect(seqs.length).toBeGreaterThanOrEqual(newest?.seq ?? Infinity);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const csv = await cli("export", "--format", "csv", "--action", "server.update");
  const [heading, ...rows] = csv.text.trimEnd().split("\r\n");
  expect(heading).toMatch(/^seq,id,at,action,/);
  expect(rows).toHaveLength(1);
  await written("action=audit.export", 2);
});

function nullsOut(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

describe("somebody with the database", () => {
  // The places that are tampered with; what comes after them is left alone.
  const undo: string[] = [];

  async function tamper(...statements: string[]): Promise<void> {
    await client.query("ALTER TABLE signalbox.audit_log DISABLE TRIGGER ALL");
    for (const statement of statements) await client.query(statement);
    await client.query("ALTER TABLE signalbox.audit_log ENABLE TRIGGER ALL");
  }

  async function verified(): Promise<{ code: number | null; text: string }> {
    const found = await cli("verify");
    await tamper(...undo.splice(0));
    return found;
  }

  const swap = [
    "UPDATE signalbox.audit_log SET seq = -2 WHERE seq = 2",
    "UPDATE signalbox.audit_log SET seq = 2 WHERE seq = 3",
    "UPDATE signalbox.audit_log SET seq = 3 WHERE seq = -2",
  ];

  test("cannot change a record with the rights of the gateway's own statements", async () => {
    for (const statement of [
      "UPDATE signalbox.audit_log SET actor_name = 'Eve' WHERE seq = 2",
      "DELETE FROM signalbox.audit_log WHERE seq = 2",
      "TRUNCATE signalbox.audit_log",
    ])
      await expect(client.query(statement)).rejects.toThrow("the audit trail only grows");
  });

  test("is found out by an edited, a deleted, a reordered and a truncated record", async () => {
    const well = await cli("verify", "--json");
    expect(well.code).toBe(0);
    const { head } = z
      .object({ head: z.object({ hash: z.string() }) })
      .parse(JSON.parse(well.text));

    const { rows } = await client.query("SELECT actor_name FROM signalbox.audit_log WHERE seq = 2");
    await tamper("UPDATE signalbox.audit_log SET actor_name = 'Eve' WHERE seq = 2");
    undo.push(
      `UPDATE signalbox.audit_log SET actor_name = '${String(rows[0]?.actor_name)}' WHERE seq = 2`,
    );
    const edited = await verified();
    expect([edited.code, edited.text]).toEqual([1, expect.stringMatching(/edited: record 2\b/)]);

    await client.query("CREATE TABLE kept AS SELECT * FROM signalbox.audit_log WHERE seq = 2");
    await tamper("DELETE FROM signalbox.audit_log WHERE seq = 2");
    undo.push("INSERT INTO signalbox.audit_log SELECT * FROM kept");
    const deleted = await verified();
    expect([deleted.code, deleted.text]).toEqual([1, expect.stringContaining("record 2 is gone")]);

    await tamper(...swap);
    undo.push(...swap);
    const reordered = await verified();
    expect([reordered.code, reordered.text]).toEqual([
      1,
      expect.stringMatching(/edited: record 2/),
    ]);

    expect(await cli("verify", "--head", head.hash)).toMatchObject({ code: 0 });
    const other = await cli("verify", "--head", "0f".repeat(32));
    expect([other.code, other.text]).toEqual([1, expect.stringContaining("replaced: no record")]);

    // The six verifications are records themselves; when the last is written, nothing comes by itself any more.
    await written("action=audit.verify", 6);
    const [last] = await recordsOf("limit=1");
    await client.query(
      `CREATE TABLE cut AS SELECT * FROM signalbox.audit_log WHERE seq = ${last?.seq}`,
    );
    await tamper(`DELETE FROM signalbox.audit_log WHERE seq = ${last?.seq}`);
    undo.push("INSERT INTO signalbox.audit_log SELECT * FROM cut");
    const truncated = await verified();
    expect([truncated.code, truncated.text]).toEqual([
      1,
      expect.stringContaining(`truncated: records ${last?.seq} to ${last?.seq}, the last ones`),
    ]);
    expect(await cli("verify")).toMatchObject({ code: 0 });
  });
});

test("the head is logged, and the state of the chain and the signals are metrics", async () => {
  const text = await until(
    "a verification in the background",
    async () => {
      const shown = await (await fetch(gateway.metricsUrl)).text();
      return shown.includes("mcp_audit_chain_valid 1") && shown;
    },
    30_000,
  );
  const signals = [...text.matchAll(/^mcp_security_signals_total\{signal="(\w+)"\} [1-9]/gm)];
  expect(signals.map(([, signal]) => signal)).toEqual(
    expect.arrayContaining(["configuration_change", "unauthorized_access", "payload_access"]),
  );
  await until(
    "the head is logged",
    () => /"hash":"[0-9a-f]{64}"|hash[=:]/.test(gateway.child.stdout()),
    30_000,
  );
});

test("a webhook gets every record once, signed, and goes on where it was after a restart", async () => {
  const shipped = (): number[] =>
    deliveries
      .flatMap(({ body }) => body.trimEnd().split("\n"))
      .map((line) => record.parse(nullsOut(JSON.parse(line))).seq);
  const caughtUp = async (): Promise<void> => {
    await until(
      "all is shipped",
      async () => {
        const [newest] = await recordsOf("limit=1");
        return shipped().at(-1) === newest?.seq;
      },
      30_000,
    );
  };
  await caughtUp();
  const before = shipped().length;
  await gateway.stop({ keepHome: true });
  gateway = await startGateway({
    ...setup,
    home: gateway.home,
    env: { ...setup.env, SIGNALBOX_ADMIN_KEY: gateway.key },
  });
  await caughtUp();
  expect(shipped()).toEqual(Array.from(shipped(), (_, index) => index + 1));
  expect(shipped().length).toBeGreaterThan(before);
  for (const { headers, body } of deliveries) {
    const signature = createHmac("sha256", webhookSecret)
      .update(`${String(headers["x-timestamp"])}.${body}`)
      .digest("hex");
    expect(headers["x-signature-256"]).toBe(`sha256=${signature}`);
  }
  expect(await recordsOf("action=gateway.stop")).toHaveLength(1);
});

test("retention takes the oldest records, says so, and leaves a whole chain", async () => {
  await gateway.stop({ keepHome: true });
  gateway = await startGateway({
    ...setup,
    home: gateway.home,
    settings: { audit: { retention: "5s" } },
    env: { ...setup.env, SIGNALBOX_ADMIN_KEY: gateway.key },
  });
  const [pruned] = await until(
    "old records are gone",
    async () => {
      const found = await recordsOf("action=audit.prune");
      return found.length > 0 && found;
    },
    60_000,
  );
  expect(pruned).toMatchObject({ actorId: "gateway", details: { records: expect.any(Number) } });
  const { code, text } = await cli("verify", "--json");
  expect(code).toBe(0);
  expect(z.object({ first: z.number() }).parse(JSON.parse(text)).first).toBeGreaterThan(10);
});
