// Every secret that can be given to a gateway is a canary here. Then everything it says, writes and shows is searched for them.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { openTestDatabase, type TestDatabase } from "../../src/store/test-database.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { descendantsOf } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { everythingOverStdio, startEverything, type TestServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { modernRequest, send } from "../support/wire.ts";

const canary = (): string => `cnry${randomBytes(24).toString("base64url")}`;
const canaries = {
  adminKey: `sbx_${canary()}`,
  wrongKey: canary(),
  encryptionKey: randomBytes(32).toString("base64"),
  jwtSecret: randomBytes(48).toString("base64"),
  databasePassword: canary(),
  redisPassword: canary(),
  webhookPassword: canary(),
  webhookSecret: canary(),
  issuerSecret: canary(),
  clientSecret: canary(),
  header: canary(),
  headerSecret: canary(),
  endpointHeader: canary(),
  childEnvironment: canary(),
  childSecret: canary(),
  childFile: canary(),
  childVariable: canary(),
  argument: canary(),
  query: canary(),
};
/** A key made over the API. */
let madeKey = "";
/** All that was heard of the gateway, by where. */
const heard = new Map<string, string>();

let database: TestDatabase;
let upstream: TestServer;
let leaky: Server;
let gateway: TestGateway;
let folder = "";

beforeAll(async () => {
  database = await openTestDatabase();
  upstream = await startEverything();
  leaky = await startLeaky();
  folder = mkdtempSync(join(tmpdir(), "canary-"));
  const file = join(folder, "token");
  writeFileSync(file, `${canaries.childFile}\n`, { mode: 0o600 });
  const env = {
    CHILD_TOKEN: canaries.childEnvironment,
    FROM_VAULT: "${secret:child}",
    FROM_FILE: `\${file:${file}}`,
    FROM_VARIABLE: "${env:GITHUB_TOKEN}",
  };
  const leakyStdio = { command: process.execPath, args: [inRoot("test/access/leaky-stdio.ts")] };
  const headers = {
    Authorization: `Bearer ${canaries.header}`,
    "X-Upstream": "${secret:upstream}",
  };
  gateway = await startGateway({
    servers: {
      child: { ...everythingOverStdio(), env },
      remote: {
        url: upstream.url,
        headers,
        endpoints: [{ url: upstream.url, headers: { "X-Api-Key": canaries.endpointHeader } }],
      },
      failing: { url: addressOf(leaky), headers },
      crashing: { ...leakyStdio, args: [...leakyStdio.args, "crash"], env },
      refusing: { ...leakyStdio, env },
      nowhere: { url: "http://127.0.0.1:1/mcp", headers },
      consenting: {
        url: `${addressOf(leaky)}/consenting`,
        oauth: {
          issuer: addressOf(leaky),
          client_id: "gateway",
          client_secret: canaries.clientSecret,
          grant: "client_credentials",
        },
      },
      lacking: { url: upstream.url, headers: { "X-Token": "${secret:not-there}" } },
    },
    settings: {
      call_log: { arguments: true },
      outbound: { allow: ["127.0.0.1:*"] },
      audit: {
        webhook_url: `http://hook:${canaries.webhookPassword}@127.0.0.1:1/audit`,
        webhook_secret: canaries.webhookSecret,
      },
      auth: {
        oauth: {
          issuers: {
            away: {
              issuer: "http://127.0.0.1:1",
              introspect: "opaque",
              client_id: "gateway",
              client_secret: canaries.issuerSecret,
            },
          },
        },
      },
    },
    env: {
      LOG_LEVEL: "debug",
      DEBUG: "mcp:*",
      SIGNALBOX_ADMIN_KEY: canaries.adminKey,
      MCP_ENCRYPTION_KEY: canaries.encryptionKey,
      JWT_SECRET: canaries.jwtSecret,
      DATABASE_URL: await ownUserUrl(database.url),
      REDIS_URL: `redis://:${canaries.redisPassword}@127.0.0.1:1/0`,
      GITHUB_TOKEN: canaries.childVariable,
    },
  });
  collectOutput(gateway);
  await putSecrets();
  await callEverything();
  await listenEverywhere();
  await readDatabase();
}, 180_000);

afterAll(async () => {
  await gateway?.stop();
  await upstream?.stop();
  leaky?.closeAllConnections();
  leaky?.close();
  rmSync(folder, { recursive: true, force: true });
  await database?.[Symbol.asyncDispose]();
}, 60_000);

test("the secrets reached who they were meant for", async () => {
  const { childEnvironment, childSecret, childFile, childVariable } = canaries;
  const given = await until("the child runs", async () => {
    const environments = (await descendantsOf(gateway.child.pid)).map((pid) =>
      readProc(pid, "environ"),
    );
    return environments.find((text) => text.includes(childSecret));
  });
  for (const [name, value] of [
    ["CHILD_TOKEN", childEnvironment],
    ["FROM_VAULT", childSecret],
    ["FROM_FILE", childFile],
    ["FROM_VARIABLE", childVariable],
  ])
    expect(given.split("\0")).toContain(`${name}=${value}`);
  for (const own of [canaries.encryptionKey, canaries.jwtSecret, canaries.databasePassword])
    expect(given).not.toContain(own);
  expect(leakyHeard.join()).toContain(canaries.header);
  expect(leakyHeard.join()).toContain(canaries.headerSecret);
});

test("no secret is found in anything that the gateway says, writes or shows", async () => {
  for (const pid of [gateway.child.pid, ...(await descendantsOf(gateway.child.pid))])
    heard.set(`/proc/${pid}/cmdline`, readProc(pid, "cmdline"));
  const places = [...heard.keys()];
  for (const place of ["the output", "/metrics", "GET /api/servers", "GET /api/calls", "secrets"])
    expect(places.join()).toContain(place);
  const found = Object.entries({ ...canaries, madeKey }).flatMap(([name, value]) =>
    [...heard].filter(([, text]) => holds(text, value)).map(([place]) => `${name} in ${place}`),
  );
  expect(found).toEqual([]);
});

test("the search finds what it looks for", () => {
  for (const value of [canaries.argument, canaries.encryptionKey])
    for (const text of [value, encodeURIComponent(value), Buffer.from(value).toString("base64")])
      expect(holds(`around ${text} it`, value)).toBe(true);
  expect(heard.get("the output")).toContain("Applied a configuration");
  expect(heard.get("table tool_call_logs")).toContain("test_echo");
});

function holds(text: string, value: string): boolean {
  const json = JSON.stringify(value).slice(1, -1);
  const base64 = Buffer.from(value).toString("base64").replace(/=+$/, "");
  return [value, json, encodeURIComponent(value), base64].some((form) => text.includes(form));
}

const leakyHeard: string[] = [];

/** An upstream that repeats all it was sent: as an HTTP error, as an error of the protocol, as no protocol at all. */
async function startLeaky(): Promise<Server> {
  const server = createServer((req, res) => {
    const repeated = `${req.headers.authorization} ${String(req.headers["x-upstream"])}`;
    leakyHeard.push(repeated);
    const turn = leakyHeard.length % 4;
    const error = { code: -32600, message: repeated, data: { repeated } };
    res.writeHead([400, 401, 500, 200][turn] ?? 500, { "content-type": "application/json" });
    res.end(
      turn === 3 ? `garbage ${repeated}` : JSON.stringify({ jsonrpc: "2.0", id: null, error }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function addressOf(server: Server): string {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("it does not listen");
  return `http://127.0.0.1:${address.port}/mcp`;
}

async function ownUserUrl(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const user = `canary_${process.pid}`;
  await client.query(`CREATE ROLE ${user} LOGIN SUPERUSER PASSWORD '${canaries.databasePassword}'`);
  await client.end();
  const own = new URL(url);
  own.username = user;
  own.password = canaries.databasePassword;
  return own.href;
}

// Its lines from now on, beside those that came before.
function collectOutput({ child }: TestGateway): void {
  let text = `${child.stdout()}\n${child.stderr()}`;
  const keep = (chunk: string): void => {
    text += chunk;
    heard.set("the output", text);
  };
  child.process.stdout?.on("data", keep);
  child.process.stderr?.on("data", keep);
  heard.set("the output", text);
}

async function putSecrets(): Promise<void> {
  for (const [name, value] of [
    ["child", canaries.childSecret],
    ["upstream", canaries.headerSecret],
  ]) {
    const { status, body } = await gateway.api("PUT", `/api/secrets/${name}`, { value });
    expect(status).toBe(201);
    heard.set(`PUT /api/secrets/${name}`, JSON.stringify(body));
  }
  const made = await gateway.api("POST", "/api/keys", { name: "made", role: "caller" });
  madeKey = z.object({ key: z.string() }).parse(made.body).key;
}

async function callEverything(): Promise<void> {
  await until(
    "the child and the remote server are there",
    async () => {
      const { headers, body } = modernRequest(madeKey, "tools/list");
      const { text } = await send(`${gateway.url}/mcp`, { headers, body });
      return text.includes("child__test_echo") && text.includes("remote__test_echo");
    },
    30_000,
  );
  for (const server of [
    "child",
    "remote",
    "failing",
    "crashing",
    "refusing",
    "nowhere",
    "consenting",
    "lacking",
  ])
    for (let turn = 0; turn < 5; turn++) await call(server, turn);
  await sayIfWrong("a wrong key", `Bearer ${canaries.wrongKey}`);
  await sayIfWrong("a wrong scheme", `Basic ${canaries.wrongKey}`);
  await sayIfWrong("no JSON", `Bearer ${canaries.adminKey}`, `{"password":"${canaries.argument}`);
  for (const path of [`/api/servers?token=${canaries.query}`, `/mcp?key=${canaries.query}`])
    heard.set(
      `a query ${path.slice(0, 8)}`,
      (await send(gateway.url + path, { method: "GET" })).text,
    );
  for (const name of ["failing", "crashing", "refusing", "consenting", "lacking"]) {
    const { body } = await gateway.api("POST", `/api/servers/${name}/test`, {});
    heard.set(`POST /api/servers/${name}/test`, JSON.stringify(body));
  }
}

async function call(server: string, turn: number): Promise<void> {
  const params = {
    name: `${server}__test_echo`,
    arguments: { password: canaries.argument, headers: { "x-api-key": canaries.argument } },
  };
  const { headers, body } = modernRequest(madeKey, "tools/call", params);
  const { text } = await send(`${gateway.url}/mcp`, { headers, body });
  // Of the two that work, the answer is the server's, and it is for the caller alone.
  if (server !== "child" && server !== "remote") heard.set(`a call to ${server}, ${turn}`, text);
}

async function sayIfWrong(what: string, authorization: string, text = "{}"): Promise<void> {
  const request = modernRequest("", "tools/list");
  const headers = { ...request.headers, authorization };
  heard.set(what, (await send(`${gateway.url}/mcp`, { headers, body: text })).text);
  const path = `${gateway.url}/api/secrets/x`;
  heard.set(`${what}, API`, (await send(path, { method: "PUT", headers, body: text })).text);
}

/** Every address of the API that can be read. */
async function listenEverywhere(): Promise<void> {
  await until("the calls are logged", async () => {
    const { body } = await gateway.api("GET", "/api/calls?limit=100");
    return z.object({ calls: z.array(z.unknown()) }).parse(body).calls.length >= 10;
  });
  const { body } = await gateway.api("GET", "/openapi.json");
  const { paths } = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(body);
  const readable = Object.keys(paths).filter((path) => paths[path]?.["get"] !== undefined);
  expect(readable.length).toBeGreaterThan(10);
  const names = [
    "child",
    "remote",
    "failing",
    "crashing",
    "refusing",
    "nowhere",
    "consenting",
    "lacking",
  ];
  const addresses = readable.flatMap((path) =>
    path.includes("{") ? names.map((name) => path.replaceAll(/\{\w+\}/g, name)) : [path],
  );
  addresses.push("/api/audit/export?format=csv", "/api/audit/export?format=ndjson");
  for (const path of addresses) {
    const answer = await fetch(gateway.url + path, {
      headers: { authorization: `Bearer ${canaries.adminKey}` },
    });
    if (path.includes("export")) expect([path, answer.status]).toEqual([path, 200]);
    heard.set(`GET ${path}`, await answer.text());
  }
  heard.set("/metrics", await (await fetch(gateway.metricsUrl)).text());
}

/** All rows as text, but for what is sealed and for hashes. */
async function readDatabase(): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const tables = await client.query(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'signalbox' AND table_type = 'BASE TABLE'",
  );
  for (const { table_name: name } of tables.rows) {
    const rows = await client.query(
      `SELECT (to_jsonb(row) - 'sealed' - 'hash')::text AS text FROM signalbox.${String(name)} AS row`,
    );
    heard.set(`table ${String(name)}`, rows.rows.map((row) => String(row.text)).join("\n"));
  }
  await client.end();
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
