// Every address there is, asked with every kind of credential. What should happen follows from the table of surfaces and the
// scopes of the roles; nothing here is written for one address, so a new one is covered on the day it is added.
import { request } from "node:http";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { builtinRoles, type Surface } from "../../src/access/index.ts";
import { openTestDatabase, type TestDatabase } from "../../src/store/test-database.ts";
import { surfaces } from "../../src/surfaces.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";
import { modernRequest, send } from "../support/wire.ts";

/** The scopes of every role that is tried, own ones among them. */
const roles: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(builtinRoles).map(([name, { scopes }]) => [name, scopes])),
  reader: ["own", "call", "read"],
  nothing: ["own"],
};
const projects = ["default", "*", "elsewhere"] as const;

interface Credential {
  readonly what: string;
  readonly key?: string;
  /** The cookie of a person's session, in place of a key. */
  readonly cookie?: string;
  /** Absent where the credential is good for nothing. */
  readonly holder?: { readonly role: string; readonly project: string };
  /** The code of the refusal where it is good for nothing. */
  readonly refusal?: string;
}

const PASSWORD = "four random words here";
/** What a page of the gateway says with each request. */
const ownPage = { "sec-fetch-site": "same-origin", "x-signalbox-request": "1" };

const created = z.object({ key: z.string(), record: z.object({ id: z.string() }) });

let database: TestDatabase;
let gateway: TestGateway;
const credentials: Credential[] = [];
let ourKeyId = "";
let ourCallId = "";
let ourPersonId = "";

beforeAll(async () => {
  database = await openTestDatabase();
  gateway = await startGateway({
    env: { DATABASE_URL: database.url },
    servers: { ours: { url: "http://127.0.0.1:9/mcp" } },
    bundles: { ours: { include: ["ours__*"] } },
    settings: {
      projects: { elsewhere: {} },
      roles: {
        reader: { scopes: ["call", "read"], rules: [{ effect: "allow", actions: ["read"] }] },
        nothing: { scopes: [], rules: [] },
      },
      limits: { list_timeout: "200ms" },
      auth: { lock_out: { enabled: false } },
    },
  });
  const make = async (body: object): Promise<z.infer<typeof created>> =>
    created.parse((await gateway.api("POST", "/api/keys", body)).body);
  credentials.push({ what: "no credential", refusal: "KEY_MISSING" });
  credentials.push({ what: "garbage", key: `sbx_${"x".repeat(43)}`, refusal: "KEY_INVALID" });
  const expiring = await make({
    name: "expired",
    role: "admin",
    project: "*",
    expiresAt: Date.now() + 500,
  });
  const revoked = await make({ name: "revoked", role: "admin", project: "*" });
  await gateway.api("DELETE", `/api/keys/${revoked.record.id}`);
  for (const role of Object.keys(roles)) {
    for (const project of projects) {
      const { key, record } = await make({ name: `${role} of ${project}`, role, project });
      if (role === "caller" && project === "default") ourKeyId = record.id;
      credentials.push({ what: `${role} of ${project}`, key, holder: { role, project } });
    }
  }
  ourCallId = await aCallOf(credentials.find(({ what }) => what === "caller of default")?.key);
  await makePeople();
  credentials.push({ what: "revoked", key: revoked.key, refusal: "KEY_REVOKED" });
  credentials.push({ what: "expired", key: expiring.key, refusal: "KEY_EXPIRED" });
  await until("the key has expired", async () => {
    const { code } = await ask(`${gateway.url}/api/status`, "GET", expiring.key);
    return code === "KEY_EXPIRED";
  });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await database?.[Symbol.asyncDispose]();
}, 60_000);

const person = z.object({ id: z.string() });

/** People with sessions: open ones of several roles and projects, and those that came to an end. */
async function makePeople(): Promise<void> {
  const made = async (role: string, project: string, what = `${role} of ${project}`) => {
    const name = what.replaceAll(" ", "-").replace("*", "all");
    const given = { name, role, project, password: PASSWORD };
    const { id } = person.parse((await gateway.api("POST", "/api/people", given)).body);
    const cookie = await signIn(name);
    return { id, cookie };
  };
  for (const [role, project] of [
    ["caller", "default"],
    ["admin", "*"],
    ["admin", "elsewhere"],
    ["nothing", "default"],
  ] as const) {
    const { id, cookie } = await made(role, project);
    if (role === "caller") ourPersonId = id;
    credentials.push({ what: `person: ${role} of ${project}`, cookie, holder: { role, project } });
  }
  const [expired, revoked, disabled] = [
    await made("admin", "*", "expired"),
    await made("admin", "*", "revoked"),
    await made("admin", "*", "disabled"),
  ];
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    "UPDATE signalbox.sessions SET expires_at = now() - interval '1 second' WHERE person_id = $1",
    [expired.id],
  );
  await client.end();
  await ask(`${gateway.url}/api/auth/sign-out`, "POST", undefined, {
    cookie: revoked.cookie,
    ...ownPage,
  });
  await gateway.api("PUT", `/api/people/${disabled.id}`, { disabled: true });
  for (const [what, { cookie }] of Object.entries({ expired, revoked, disabled }))
    credentials.push({ what: `person: ${what}`, cookie, refusal: "SESSION_INVALID" });
}

/** Signs a person in over the API; the cookie. */
async function signIn(name: string): Promise<string> {
  const answer = await fetch(`${gateway.url}/api/auth/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password: PASSWORD }),
  });
  const [cookie = ""] = answer.headers.getSetCookie();
  return cookie.split(";")[0] ?? "";
}

/** The id of a call that a key has made. */
async function aCallOf(key = ""): Promise<string> {
  const { headers, body } = modernRequest(key, "tools/call", {
    name: "signalbox__list_servers",
    arguments: {},
  });
  await send(`${gateway.url}/mcp`, { headers, body });
  const calls = z.object({ calls: z.array(z.object({ id: z.string() })) });
  return await until("the call is logged", async () => {
    const { body: page } = await gateway.api("GET", "/api/calls");
    return calls.parse(page).calls[0]?.id;
  });
}

interface Answered {
  status: number;
  code: string | undefined;
  message: string;
  details: Record<string, unknown>;
}

const refusal = z.looseObject({
  code: z.string().optional(),
  message: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});

/** One request, as it stands; a stream is left as soon as it begins. */
function ask(url: string, method: string, key?: string, headers: object = {}): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const sent = request(
    url,
    {
      method,
      headers: {
        accept: "application/json, text/event-stream",
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...headers,
      },
    },
    (answer) => {
      const status = answer.statusCode ?? 0;
      if (answer.headers["content-type"]?.startsWith("text/event-stream") === true) {
        answer.destroy();
        resolve({ status, code: undefined, message: "", details: {} });
        return;
      }
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => (text += chunk));
      answer.on("end", () => {
        const isJson = answer.headers["content-type"]?.startsWith("application/json") === true;
        const body = refusal.safeParse(isJson && text !== "" ? JSON.parse(text) : {}).data;
        const { code, message = "", details = {} } = body ?? {};
        resolve({ status, code, message, details });
      });
    },
  );
  sent.on("upgrade", (_, socket) => {
    socket.destroy();
    resolve({ status: 101, code: undefined, message: "", details: {} });
  });
  sent.on("error", reject);
  sent.end();
  return promise;
}

function urlOf({ listener, path }: Surface, name = "nothing"): string {
  if (listener === "metrics") return gateway.metricsUrl;
  return gateway.url + path.replaceAll(/\{\w+\}/g, name);
}

/** What the table says should happen: nothing in the way, or the code of the refusal. */
function expected(
  { path, scope, gatewayWide }: Surface,
  { holder, refusal: code, cookie }: Credential,
): string {
  if (scope === "public") return "admitted";
  // A session is for people at the API; agents bring a key or a token.
  if (cookie !== undefined && isMcp(path)) return "KEY_MISSING";
  if (holder === undefined) return code ?? "";
  const { role, project } = holder;
  if (roles[role]?.includes(scope) !== true) return "FORBIDDEN";
  return gatewayWide && project !== "*" ? "FORBIDDEN" : "admitted";
}

function isMcp(path: string): boolean {
  return path.startsWith("/mcp") || path === "/sse" || path === "/messages";
}

function seen({ path }: Surface, { status, code, details }: Answered): string {
  if (status === 401) return code ?? "401";
  // What a handler refuses for a reason of its own is past the door.
  if (status === 403 && (isMcp(path) || "scope" in details || "project" in details))
    return code ?? "";
  return "admitted";
}

test("the table has every surface once, each with its scope", () => {
  const names = surfaces.map(({ listener, method, path }) => `${listener} ${method} ${path}`);
  expect(new Set(names).size).toBe(names.length);
  for (const name of ["main POST /mcp", "main GET /sse", "main GET /", "metrics GET /metrics"]) {
    expect(names).toContain(name);
  }
  const open = surfaces.filter(({ scope }) => scope === "public");
  expect(open.map(({ listener, path }) => `${listener} ${path}`).toSorted()).toEqual([
    "main /",
    "main /.well-known/oauth-protected-resource",
    "main /.well-known/oauth-protected-resource/mcp/{bundle}",
    "main /.well-known/oauth-protected-resource/{endpoint}",
    "main /api/auth/sign-in",
    "main /auth/oidc/callback",
    "main /auth/oidc/start",
    "main /connect",
    "main /connect/callback",
    "main /connect/client.json",
    "main /connect/end",
    "main /connect/start",
    "main /health",
    "main /ready",
    "main /sign-in",
    "main /sign-in",
    "main /sign-out",
    "metrics /metrics",
  ]);
});

test("every surface admits the credentials whose scopes include its own, and no others", async () => {
  const wrong: object[] = [];
  // Signing out is tried last, since it ends what is tried with.
  const signOutLast = surfaces.toSorted(
    (one, other) => Number(endsSession(one)) - Number(endsSession(other)),
  );
  for (const surface of signOutLast) {
    for (const credential of credentials) {
      const { key, cookie } = credential;
      const headers = cookie === undefined ? {} : { cookie, ...ownPage };
      const answer = await ask(urlOf(surface), surface.method, key, headers);
      const [should, does] = [expected(surface, credential), seen(surface, answer)];
      if (should === does && answer.status < 500) continue;
      const { method, path } = surface;
      wrong.push({ surface: `${method} ${path}`, as: credential.what, should, does, answer });
    }
  }
  expect(wrong).toEqual([]);
  expect(credentials.length).toBeGreaterThan(20);
}, 180_000);

function endsSession({ path }: Surface): boolean {
  return path.endsWith("/sign-out");
}

/** What a parameter of a path names, by how the path begins; what is gateway-wide belongs to no project. */
const namedThings: Readonly<Record<string, () => string>> = {
  "/mcp/{bundle}": () => "ours",
  "/api/servers/": () => "ours",
  "/api/bundles/": () => "ours",
  "/api/keys/": () => ourKeyId,
  "/api/people/": () => ourPersonId,
  "/api/projects/": () => "default",
  "/api/calls/": () => ourCallId,
  "/api/pins/": () => "ours",
  "/api/connections/": () => "ours",
  "/api/secrets/": () => "ours",
};
const ofEveryProject = ["/api/roles/", "/.well-known/"];

test("what is of another project is answered like what is not there, whoever asks", async () => {
  const wrong: object[] = [];
  const neighbours = credentials.filter(
    ({ key, holder }) => key !== undefined && holder?.project === "elsewhere",
  );
  for (const surface of surfaces.filter(({ path }) => path.includes("{"))) {
    const { method, path } = surface;
    if (ofEveryProject.some((start) => path.startsWith(start))) continue;
    const kind = Object.keys(namedThings).find((start) => path.startsWith(start)) ?? "";
    const theirs = namedThings[kind]?.();
    if (theirs === undefined) {
      throw new Error(`Say in this file what the parameter of ${path} names, so that it is tried.`);
    }
    for (const { key, what } of neighbours) {
      const told = async (name: string): Promise<string> => {
        const { status, code, message } = await ask(urlOf(surface, name), method, key);
        return `${String(status)} ${String(code)} ${message.replaceAll(name, "NAME")}`;
      };
      const [ours, none] = [await told(theirs), await told("nothing-of-this-name")];
      if (ours !== none) wrong.push({ surface: `${method} ${path}`, as: what, ours, none });
    }
  }
  expect(wrong).toEqual([]);
  expect((await gateway.api("GET", "/api/servers/ours")).status).toBe(200);
  expect((await gateway.api("GET", "/api/bundles/ours")).status).toBe(200);
  expect((await gateway.api("GET", `/api/calls/${ourCallId}`)).status).toBe(200);
  expect((await gateway.api("GET", `/api/people/${ourPersonId}`)).body).not.toHaveProperty(
    "disabledAt",
  );
  const { body } = await gateway.api("GET", "/api/keys");
  const keys = z.object({ keys: z.array(z.looseObject({ id: z.string() })) }).parse(body).keys;
  expect(keys.find(({ id }) => id === ourKeyId)).not.toHaveProperty("revokedAt");
}, 120_000);

test("a method that is not in the table is not served, and nothing becomes a WebSocket", async () => {
  const admin = credentials.find(({ what }) => what === "admin of *")?.key;
  const paths = new Map(
    surfaces.map((surface) => [`${surface.listener} ${surface.path}`, surface]),
  );
  for (const surface of paths.values()) {
    const { listener, path } = surface;
    const served = surfaces
      .filter((one) => one.listener === listener && covers(one.path, path))
      .map(({ method }) => method);
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      if (served.includes(method)) continue;
      const { status } = await ask(urlOf(surface), method, admin);
      const what = `${method} ${path}`;
      expect([what, [404, 405].includes(status) ? "not served" : status]).toEqual([
        what,
        "not served",
      ]);
    }
    const upgrade = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    };
    expect((await ask(urlOf(surface), served[0] ?? "GET", admin, upgrade)).status).not.toBe(101);
  }
}, 120_000);

test("each key is told what it may do with a server, and what it is told holds", async () => {
  const asked = async (holder: string, permission: string): Promise<unknown> => {
    const key = credentials.find(({ what }) => what === holder)?.key;
    const answer = await fetch(`${gateway.url}/api/access/check`, {
      method: "POST",
      headers: { authorization: `Bearer ${key ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify({ server: "ours", permission }),
    });
    return z.object({ allowed: z.boolean() }).parse(await answer.json()).allowed;
  };
  for (const [holder, read, write, manage] of [
    ["caller of default", true, true, false],
    ["caller of *", true, true, false],
    ["caller of elsewhere", false, false, false],
    ["developer of default", true, true, true],
    ["developer of elsewhere", false, false, false],
    ["reader of default", true, false, false],
    ["auditor of *", false, false, false],
    ["nothing of *", false, false, false],
  ] as const) {
    const told = [];
    for (const permission of ["read", "write", "manage"])
      told.push(await asked(holder, permission));
    expect([holder, ...told]).toEqual([holder, read, write, manage]);
    expect([holder, await asked(holder, "call")]).toEqual([holder, read || write]);
  }
});

/** Whether an address is also one of the addresses of a path with parameters. */
function covers(pattern: string, path: string): boolean {
  const parts = pattern.split("/");
  const given = path.split("/");
  return (
    parts.length === given.length &&
    parts.every((part, n) => part.startsWith("{") || part === given[n])
  );
}

test("an address that is not in the table does not exist", async () => {
  const admin = credentials.find(({ what }) => what === "admin of *")?.key;
  for (const path of [
    "/api",
    "/api/nothing",
    "/admin",
    "/mcp/a/b",
    "/metrics/x",
    "/.env",
    "/sse/x",
  ]) {
    const { status } = await ask(gateway.url + path, "GET", admin);
    expect([path, status]).toEqual([path, 404]);
  }
});
