// The gateway's services as a person meets them: named by variables, shown with what they lack, called through every wall that
// stands before a server, and taken over when the file changes.
import { afterEach, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../src/store/test-database.ts";
import { runNode } from "../support/child.ts";
import { connect, type ConnectedClient } from "../support/client.ts";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
}, 60_000);

async function started(setup: GatewaySetup): Promise<TestGateway> {
  gateway = await startGateway(setup);
  return gateway;
}

async function connected(key: string): Promise<ConnectedClient> {
  const client = await connect("client 2.4.0, modern", { url: `${gateway?.url}/mcp`, key });
  onTestFinished(() => client.close());
  return client;
}

async function databaseUrl(): Promise<string> {
  const database = await openTestDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database.url;
}

async function cli(running: TestGateway, ...args: string[]): Promise<string> {
  const child = runNode([inRoot("src/main.ts"), ...args], {
    cwd: running.home,
    env: { SIGNALBOX_URL: running.url, SIGNALBOX_KEY: running.key, NO_COLOR: "1" },
  });
  await child.closed;
  return child.stdout() + child.stderr();
}

const serverNamed = async (name: string): Promise<unknown> =>
  (await gateway?.api("GET", `/api/servers/${name}`))?.body;

test("a service without credentials is shown with what it needs, is no trouble, and leaves its name free", async () => {
  const running = await started({});
  expect(await serverNamed("postgres")).toMatchObject({
    origin: "service",
    needs: ["POSTGRES_<NAME>_URL"],
    status: { state: "not_configured" },
  });
  expect(await cli(running, "servers")).toContain("postgres: POSTGRES_<NAME>_URL");
  expect(await cli(running, "servers", "test", "postgres")).toContain("SERVICE_NOT_CONFIGURED");
  const health = await running.api("GET", "/health");
  expect(health.body).toMatchObject({ status: "healthy" });
  const client = await connected(running.key);
  expect((await client.tools()).map(({ name }) => name)).not.toContain("postgres__query");
  expect(await client.toolsMeta()).not.toHaveProperty("signalbox/missing");
  const listed = await client.call("signalbox__list_servers");
  expect(listed.structuredContent).toMatchObject({
    servers: expect.arrayContaining([
      expect.objectContaining({
        name: "postgres",
        state: "not_configured",
        needs: ["POSTGRES_<NAME>_URL"],
      }),
    ]),
  });
  const own = { name: "postgres", url: "http://127.0.0.1:1/mcp" };
  expect(await running.api("POST", "/api/servers", own)).toMatchObject({ status: 201 });
  expect(await serverNamed("postgres")).toMatchObject({ origin: "store" });
});

test("a database named by variables is there with its tools, and calls go through the gateway's walls", async () => {
  const url = new URL(await databaseUrl());
  const password = decodeURIComponent(url.password);
  url.password = "";
  const running = await started({
    env: { POSTGRES_KA_URL: url.href, POSTGRES_KA_PASSWORD: password },
    settings: { services: { postgres: { rows_max: 3 } } },
  });
  const client = await connected(running.key);
  const tools = await client.tools();
  const query = tools.find(({ name }) => name === "postgres__query");
  expect(query).toMatchObject({
    annotations: { readOnlyHint: true },
    inputSchema: { examples: [{ params: ["1990-01-01"] }] },
    _meta: { "signalbox/cost": 1_500 },
  });
  const rows = await client.call("postgres__query", { sql: "select generate_series(1, 9) as n" });
  expect(rows.structuredContent).toMatchObject({
    database: "kids-ascension-db",
    rows: [{ n: 1 }, { n: 2 }, { n: 3 }],
    cut: "rows",
  });
  const refused = await client.call("postgres__query", { sql: "drop table people" });
  expect(refused).toMatchObject({
    isError: true,
    _meta: { "signalbox/error": { code: "SQL_REFUSED" } },
  });

  const rules = [{ effect: "allow", servers: ["postgres"], read_only: true }];
  const made = await running.api("POST", "/api/keys", { name: "reader", role: "caller", rules });
  const reader = await connected(String(Reflect.get(Object(made.body), "key")));
  const seen = (await reader.tools()).map(({ name }) => name);
  expect(seen).toContain("postgres__query");
  expect(seen).not.toContain("postgres__execute");

  const calls = await until("the calls are in the log", async () => {
    const { body } = await running.api("GET", "/api/calls?server=postgres&limit=5");
    const list: unknown = Reflect.get(Object(body), "calls");
    return Array.isArray(list) && list.length >= 2 ? list : undefined;
  });
  expect(calls).toMatchObject([{ outcome: "tool_error" }, { outcome: "ok", tool: "query" }]);
  expect(await serverNamed("postgres")).toMatchObject({
    origin: "service",
    status: { state: "connected", transport: "in-process" },
    service: { connected: true },
  });
  const said = running.child.stdout() + running.child.stderr();
  expect(said).not.toContain(password);
  expect(said).toContain("Initialized postgres MCP service ✓");
  const metrics = await (await fetch(running.metricsUrl)).text();
  expect(metrics).toContain(
    'mcp_connection_pool_size{server_id="db:kids-ascension-db",pool="database"} ',
  );
});

test("a changed file brings, changes and takes a service, and secrets of the vault are put in place", async () => {
  const url = await databaseUrl();
  const running = await started({
    env: { MCP_ENCRYPTION_KEY: Buffer.alloc(32, "k9").toString("base64") },
  });
  const withDatabases = (databases: object): GatewaySetup => ({
    settings: { services: { postgres: { databases } } },
  });
  await running.configure(withDatabases({ app: { url: "${secret:app-db}" } }));
  await until("the secret is missing", async () => {
    const body = JSON.stringify(await serverNamed("postgres"));
    return body.includes("SECRET_MISSING") ? body : undefined;
  });
  await running.api("PUT", "/api/secrets/app-db", { value: url });
  const client = await connected(running.key);
  const names = async (): Promise<unknown> =>
    (await client.call("postgres__list_databases")).structuredContent;
  await until("the service is open", async () => {
    const tools = await client.tools();
    return tools.some(({ name }) => name === "postgres__list_databases") || undefined;
  });
  expect(await names()).toEqual({ databases: [{ name: "app", writes: false }] });
  const app = { url: "${secret:app-db}", writes: true };
  await running.configure(withDatabases({ app }));
  await until("the change is served", async () => {
    const told = JSON.stringify(await names().catch(() => undefined));
    return told?.includes('"writes":true') || undefined;
  });
  const made = await client.call("postgres__execute", { sql: "create table made (id int)" });
  expect(made.structuredContent).toMatchObject({ command: "CREATE" });
  await running.configure({});
  await until("the service is gone", async () => {
    const server = JSON.stringify(await serverNamed("postgres"));
    return server.includes("not_configured") || undefined;
  });
});

test("a name that a server has stays the server's, although a variable names a service", async () => {
  await started({
    env: { POSTGRES_OL_URL: "postgres://u@127.0.0.1:1/d" },
    servers: { postgres: { url: "http://127.0.0.1:1/mcp" } },
  });
  expect(await serverNamed("postgres")).toMatchObject({ origin: "config" });
});
