// Tokens at a real gateway over real HTTP, from an issuer whose keys are fetched over HTTP too.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { defineService, defineTool, text } from "@signalbox/kit";
import {
  SignJWT,
  UnsecuredJWT,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type CryptoKey,
  type JWTPayload,
} from "jose";
import { beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import {
  ProtectedResources,
  RefusalReports,
  authOptions,
  bearerTokens,
  fetchJson,
  hashKey,
  issueToken,
} from "../access/index.ts";
import { manualClock, silentLog, type AuditEvent, type ManualClock } from "../foundation/index.ts";
import {
  LegacyClient,
  builtin,
  bundle,
  keyRecord,
  modern,
  sendRequest,
  start,
  until,
  type Answer,
  type RunningGateway,
} from "./running-gateway.ts";

const SECRET = "a-shared-secret-of-these-tests-0123456789";
const BASE = "https://mcp.example.com";
const service = defineService({
  name: "files",
  version: "1.0.0",
  description: "Files.",
  tools: [
    defineTool({
      name: "read",
      description: "Reads.",
      input: z.looseObject({}),
      annotations: { readOnlyHint: true },
      handler: () => text("read"),
    }),
    defineTool({
      name: "write",
      description: "Writes.",
      input: z.looseObject({}),
      handler: () => text("written"),
    }),
  ],
});

let rsa: { publicKey: CryptoKey; privateKey: CryptoKey };
let other: { publicKey: CryptoKey; privateKey: CryptoKey };
let elliptic: { publicKey: CryptoKey; privateKey: CryptoKey };

beforeAll(async () => {
  const extractable = { extractable: true };
  [rsa, other, elliptic] = await Promise.all([
    generateKeyPair("RS256", extractable),
    generateKeyPair("RS256", extractable),
    generateKeyPair("ES256", extractable),
  ]);
});

/** An issuer that publishes its keys and its word on opaque tokens. */
interface TestIssuer {
  readonly url: string;
  keys: object[];
  up: boolean;
  /** Its keys are sent when this is over. */
  held: Promise<void>;
  /** What it says of a token. */
  readonly said: Map<string, object>;
  readonly asked: string[];
}

async function startIssuer(): Promise<TestIssuer> {
  const answers = (req: IncomingMessage, res: ServerResponse): void => {
    issuer.asked.push(req.url ?? "");
    if (!issuer.up) {
      res.writeHead(500).end();
      return;
    }
    if (req.url === "/.well-known/oauth-authorization-server") {
      const { url } = issuer;
      json(res, { issuer: url, jwks_uri: `${url}/jwks`, introspection_endpoint: `${url}/said` });
    } else if (req.url === "/jwks") {
      void issuer.held.then(() => json(res, { keys: issuer.keys }));
    } else if (req.url === "/said") {
      const basic = `Basic ${Buffer.from("gateway:s%26cret").toString("base64")}`;
      if (req.headers.authorization !== basic) {
        res.writeHead(401).end("{}");
        return;
      }
      let form = "";
      req.on("data", (chunk: Buffer) => (form += chunk.toString()));
      req.on("end", () => {
        json(
          res,
          issuer.said.get(new URLSearchParams(form).get("token") ?? "") ?? { active: false },
        );
      });
    } else res.writeHead(404).end();
  };
  const server = createServer(answers).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const issuer: TestIssuer = {
    url: `http://127.0.0.1:${port}`,
    keys: [
      { ...(await exportJWK(rsa.publicKey)), kid: "one", alg: "RS256", use: "sig" },
      { ...(await exportJWK(elliptic.publicKey)), kid: "two", alg: "ES256", use: "sig" },
    ],
    up: true,
    held: Promise.resolve(),
    said: new Map(),
    asked: [],
  };
  return issuer;
}

function json(res: ServerResponse, body: object): void {
  res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

interface Setup {
  readonly running: RunningGateway;
  readonly issuer: TestIssuer;
  readonly clock: ManualClock;
  readonly events: AuditEvent[];
  /** Asks for the tools at a path with a token. */
  readonly list: (token: string, path?: string) => Promise<Answer>;
  readonly call: (token: string, tool: string) => Promise<Answer>;
}

async function setUp(settings: object = {}, jwt: object = { secret: SECRET }): Promise<Setup> {
  const issuer = await startIssuer();
  const clock = manualClock(Date.now());
  const auth = authOptions.parse({
    jwt,
    oauth: { issuers: { test: { issuer: issuer.url, ...settings } } },
  });
  const resources = new ProtectedResources({
    base: () => BASE,
    issuers: [issuer.url],
    initialScopes: auth.oauth.initial_scopes,
  });
  const events: AuditEvent[] = [];
  const running = await start(
    {
      servers: [builtin(service)],
      bundles: [bundle("coding")],
      keys: [keyRecord("good", hashKey("good"))],
    },
    {
      authRequired: true,
      clock,
      auth: {
        resources,
        tokens: bearerTokens({ ...auth, resources, fetchJson, clock, log: silentLog }),
        reports: new RefusalReports((event) => void events.push(event), clock),
      },
    },
  );
  const send = async (token: string, path: string, method: string, params = {}): Promise<Answer> =>
    (
      await modern(running.url + path, method, params, {
        headers: { authorization: `Bearer ${token}` },
      })
    ).whole();
  return {
    running,
    issuer,
    clock,
    events,
    list: (token, path = "/mcp") => send(token, path, "tools/list"),
    call: (token, tool) => send(token, "/mcp", "tools/call", { name: tool, arguments: {} }),
  };
}

let setup: Setup;
beforeEach(async (context) => {
  if (context.task.name.startsWith("(own) ")) return;
  setup = await setUp();
});

/** A right token of the issuer, but for what is said. */
function issued(
  claims: { [Name in keyof JWTPayload]?: JWTPayload[Name] | undefined } = {},
  more: {
    header?: object;
    key?: CryptoKey | Uint8Array;
    alg?: string;
    endsIn?: number;
    at?: Setup;
  } = {},
): Promise<string> {
  const { clock, issuer } = more.at ?? setup;
  const now = Math.floor(clock.now() / 1000);
  const payload: Record<string, unknown> = {
    iss: issuer.url,
    sub: "ada",
    aud: `${BASE}/mcp`,
    scope: "mcp:write",
    iat: now,
    exp: now + (more.endsIn ?? 300),
    ...claims,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: more.alg ?? "RS256", kid: "one", typ: "at+jwt", ...more.header })
    .sign(more.key ?? rsa.privateKey, { crit: { "x-ours": true } });
}

test("a token of the issuer calls, and later calls ask nobody", async () => {
  const token = await issued({ name: "Ada" });
  expect((await setup.list(token)).status).toBe(200);
  const asked = setup.issuer.asked.length;
  setup.issuer.up = false;
  expect((await setup.call(token, "files__write")).result).toMatchObject({
    content: [{ text: "written" }],
  });
  expect(setup.issuer.asked).toHaveLength(asked);
  await until("the call is recorded", () => setup.running.calls.length === 1);
  expect(setup.running.calls[0]).toMatchObject({
    principalId: "oauth:test:ada",
    principalName: "Ada",
  });
});

test("tokens of an elliptic key and without a key's name are accepted", async () => {
  const curve = { key: elliptic.privateKey, alg: "ES256" };
  expect((await setup.list(await issued({}, { ...curve, header: { kid: "two" } }))).status).toBe(
    200,
  );
  setup.issuer.keys.push({ ...(await exportJWK(other.publicKey)), kid: "three", alg: "RS256" });
  const nameless = await issued({}, { header: { kid: undefined } });
  expect((await setup.list(nameless)).status).toBe(200);
});

test("every token that is not for this gateway, or not right, is refused and audited", async () => {
  const publicText = await exportSPKI(rsa.publicKey);
  const now = Math.floor(setup.clock.now() / 1000);
  const whole = await issued();
  const [header = "", , signature = ""] = whole.split(".");
  const forged = Buffer.from(JSON.stringify({ sub: "eve", iss: setup.issuer.url })).toString(
    "base64url",
  );
  const cases: [string, string, string, string][] = [
    [
      "for another resource",
      await issued({ aud: "https://other.example/mcp" }),
      "TOKEN_AUDIENCE",
      "audience",
    ],
    [
      "for a bundle's endpoint",
      await issued({ aud: `${BASE}/mcp/coding` }),
      "TOKEN_AUDIENCE",
      "audience",
    ],
    [
      "for the address with a slash",
      await issued({ aud: `${BASE}/mcp/` }),
      "TOKEN_AUDIENCE",
      "audience",
    ],
    ["for nobody", await issued({ aud: undefined }), "TOKEN_AUDIENCE", "audience"],
    ["of another issuer", await issued({ iss: "https://evil.example" }), "TOKEN_INVALID", "issuer"],
    ["of no issuer", await issued({ iss: undefined }), "TOKEN_INVALID", "issuer"],
    [
      "without a signature (alg none)",
      new UnsecuredJWT({
        sub: "eve",
        iss: setup.issuer.url,
        aud: `${BASE}/mcp`,
        exp: now + 300,
      }).encode(),
      "TOKEN_INVALID",
      "algorithm",
    ],
    [
      "signed with the public key as the secret",
      await issued({}, { alg: "HS256", key: new TextEncoder().encode(publicText) }),
      "TOKEN_INVALID",
      "signature",
    ],
    [
      "signed with another secret algorithm",
      await issued({}, { alg: "HS512", key: new TextEncoder().encode(SECRET.repeat(2)) }),
      "TOKEN_INVALID",
      "algorithm",
    ],
    [
      "signed with an algorithm not on the list",
      await issued({}, { alg: "RS384", key: (await generateKeyPair("RS384")).privateKey }),
      "TOKEN_INVALID",
      "algorithm",
    ],
    [
      "signed by another's key",
      await issued({}, { key: other.privateKey }),
      "TOKEN_INVALID",
      "signature",
    ],
    [
      "signed with a key unknown",
      await issued({}, { header: { kid: "nine" } }),
      "TOKEN_INVALID",
      "unknown_key",
    ],
    ["with changed claims", [header, forged, signature].join("."), "TOKEN_INVALID", "signature"],
    ["expired", await issued({}, { endsIn: -31 }), "TOKEN_EXPIRED", "expired"],
    ["without an end", await issued({ exp: undefined }), "TOKEN_INVALID", "claims"],
    ["not valid yet", await issued({ nbf: now + 40 }), "TOKEN_INVALID", "not_yet_valid"],
    [
      "of another kind",
      await issued({}, { header: { typ: "logout+jwt" } }),
      "TOKEN_INVALID",
      "type",
    ],
    ["bound to its holder's key", await issued({ cnf: { jkt: "x" } }), "TOKEN_INVALID", "bound"],
    ["for no subject", await issued({ sub: undefined }), "TOKEN_INVALID", "subject"],
    [
      "that asks for an unknown extension",
      await issued({}, { header: { crit: ["x-ours"], "x-ours": 1 } }),
      "TOKEN_INVALID",
      "malformed",
    ],
  ];
  for (const [what, token, code, reason] of cases) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, so that each event is its own
    const answer = await setup.list(token);
    expect([what, answer.status, JSON.parse(answer.text)]).toMatchObject([
      what,
      401,
      { code, details: { reason } },
    ]);
    expect([what, answer.headers["www-authenticate"]]).toEqual([
      what,
      `Bearer realm="signalbox", error="invalid_token", scope="mcp:read mcp:call", ` +
        `resource_metadata="${BASE}/.well-known/oauth-protected-resource/mcp"`,
    ]);
    const event = setup.events.find(({ details }) => details?.["reason"] === reason);
    expect([what, event]).toMatchObject([
      what,
      { action: "auth.refuse", outcome: "denied", code, address: "127.0.0.1" },
    ]);
  }
  expect(JSON.stringify(setup.events)).not.toContain("eyJ");
  expect(setup.running.calls).toEqual([]);
});

test("clocks may differ by the configured skew", async () => {
  const now = Math.floor(setup.clock.now() / 1000);
  expect((await setup.list(await issued({}, { endsIn: -20 }))).status).toBe(200);
  expect((await setup.list(await issued({ nbf: now + 20 }))).status).toBe(200);
});

test("a kept token ends when it expires", async () => {
  const token = await issued({}, { endsIn: 60 });
  expect((await setup.list(token)).status).toBe(200);
  setup.clock.advance(91_000);
  expect(JSON.parse((await setup.list(token)).text)).toMatchObject({ code: "TOKEN_EXPIRED" });
});

test("each endpoint takes the tokens issued for it alone", async () => {
  const places = ["/mcp", "/mcp/coding", "/sse"] as const;
  for (const own of places) {
    // oxlint-disable-next-line no-await-in-loop -- the endpoints in turn
    const token = await issued({ aud: ["https://other.example", BASE + own] });
    for (const place of ["/mcp", "/mcp/coding"] as const) {
      // oxlint-disable-next-line no-await-in-loop -- the endpoints in turn
      const { status } = await setup.list(token, place);
      expect([own, place, status]).toEqual([own, place, own === place ? 200 : 401]);
    }
    // oxlint-disable-next-line no-await-in-loop -- the endpoints in turn
    const messages = await setup.list(token, "/messages?sessionId=x");
    expect([own, messages.status]).toEqual([own, own === "/sse" ? 404 : 401]);
  }
});

test("a token counts only in the Authorization header, as the only credential", async () => {
  const token = await issued();
  const url = `${setup.running.url}/mcp`;
  const bare = await modern(`${url}?access_token=${token}`, "tools/list");
  expect(bare.status).toBe(401);
  for (const headers of [
    { "x-api-key": token },
    { authorization: `Bearer ${token}`, "x-api-key": "good" },
    { authorization: `Bearer ${token}`, "x-mcp-key": "wrong" },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await (await modern(url, "tools/list", {}, { headers })).whole();
    expect(JSON.parse(answer.text)).toMatchObject({ code: "KEY_INVALID" });
  }
  expect((await modern(url, "tools/list", {}, { key: "good" })).status).toBe(200);
});

test("a header that cannot be read is a bad request", async () => {
  const token = await issued();
  for (const authorization of ["Bearer", `Bearer ${token} x`, `Bearer ${token}, Bearer ${token}`]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await (
      await modern(`${setup.running.url}/mcp`, "tools/list", {}, { headers: { authorization } })
    ).whole();
    expect([authorization, answer.status]).toEqual([authorization, 400]);
    expect(answer.headers["www-authenticate"]).toContain('error="invalid_request"');
  }
});

test("a request without a token is told where to get one and for what", async () => {
  const answer = await (await modern(`${setup.running.url}/mcp/coding`, "tools/list")).whole();
  expect(answer.status).toBe(401);
  expect(answer.headers["www-authenticate"]).toBe(
    `Bearer realm="signalbox", scope="mcp:read mcp:call", ` +
      `resource_metadata="${BASE}/.well-known/oauth-protected-resource/mcp/coding"`,
  );
});

test("scopes limit what a token may do, and the answer names all that are needed", async () => {
  const [none, reading, calling, writing] = await Promise.all(
    ["openid", "mcp:read", "openid mcp:call", "mcp:write"].map((scope) => issued({ scope })),
  );
  const statuses = async (token = ""): Promise<number[]> => [
    (await setup.list(token)).status,
    (await setup.call(token, "files__read")).status,
    (await setup.call(token, "files__write")).status,
  ];
  await setup.list(writing ?? "");
  expect(await statuses(none)).toEqual([403, 403, 403]);
  expect(await statuses(reading)).toEqual([200, 403, 403]);
  expect(await statuses(calling)).toEqual([200, 200, 403]);
  expect(await statuses(writing)).toEqual([200, 200, 200]);
  const refused = await setup.call(calling ?? "", "files__write");
  expect(JSON.parse(refused.text)).toMatchObject({ code: "TOKEN_SCOPE" });
  expect(refused.headers["www-authenticate"]).toBe(
    `Bearer realm="signalbox", error="insufficient_scope", scope="mcp:read mcp:call mcp:write", ` +
      `resource_metadata="${BASE}/.well-known/oauth-protected-resource/mcp"`,
  );
});

test("an old session asks for scopes too, and goes on under a newer token until that ends", async () => {
  const { running, clock } = setup;
  const first = await issued({ scope: "mcp:call" }, { endsIn: 60 });
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
  const body = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "t", version: "1" },
    },
  };
  const accept = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
  };
  const url = `${running.url}/mcp`;
  const opened = await sendRequest(url, {
    headers: { ...accept, ...bearer(first) },
    body: JSON.stringify(body),
  });
  const session = { ...accept, "mcp-session-id": String(opened.headers["mcp-session-id"]) };
  const post = async (token: string, method: string, params = {}): Promise<number> =>
    (
      await sendRequest(url, {
        headers: { ...session, ...bearer(token) },
        body: JSON.stringify({ jsonrpc: "2.0", id: 2, method, params }),
      })
    ).status;
  expect(await post(first, "tools/list")).toBe(200);
  expect(await post(first, "tools/call", { name: "files__write" })).toBe(403);
  const second = await issued({}, { endsIn: 600 });
  expect(await post(second, "tools/call", { name: "files__write" })).toBe(200);
  const stream = await sendRequest(url, {
    method: "GET",
    headers: { ...session, ...bearer(second) },
  });
  clock.advance(100_000);
  const stranger = await issued({ sub: "eve" });
  expect(await post(stranger, "tools/list")).toBe(404);
  expect(await post(second, "tools/list")).toBe(200);
  expect(stream.closed).toBe(false);
  clock.advance(600_000);
  await stream.whole();
  expect(await post(await issued(), "tools/list")).toBe(404);
});

test("the issuer's new keys are found, but made-up names do not make it be asked without end", async () => {
  expect((await setup.list(await issued())).status).toBe(200);
  const fetched = (): number => setup.issuer.asked.filter((path) => path === "/jwks").length;
  setup.issuer.keys = [{ ...(await exportJWK(other.publicKey)), kid: "new", alg: "RS256" }];
  const renewed = (): Promise<string> =>
    issued({}, { key: other.privateKey, header: { kid: "new" } });
  expect((await setup.list(await renewed())).status).toBe(401);
  setup.clock.advance(31_000);
  expect((await setup.list(await renewed())).status).toBe(200);
  const before = fetched();
  for (let name = 0; name < 20; name++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await setup.list(await issued({}, { header: { kid: `made-up-${name}` } }));
  }
  expect(fetched()).toBe(before);
});

test("an issuer that is away is no reason to refuse a token, and none to accept it", async () => {
  setup.issuer.up = false;
  const answer = await setup.list(await issued());
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.text)).toMatchObject({ code: "AUTH_UNAVAILABLE" });
  expect(answer.headers["retry-after"]).toBe("5");
  setup.issuer.up = true;
  setup.clock.advance(6_000);
  expect((await setup.list(await issued())).status).toBe(200);
});

test("a body that comes while its token is looked at is not lost, and many with one token are one check", async () => {
  const token = await issued();
  const answers = await Promise.all(
    Array.from({ length: 30 }, () =>
      modern(
        `${setup.running.url}/mcp`,
        "tools/call",
        { name: "files__read", arguments: { filler: "x".repeat(300_000) } },
        { headers: { authorization: `Bearer ${token}` } },
      ),
    ),
  );
  const texts = await Promise.all(answers.map(async (answer) => (await answer.whole()).status));
  expect(new Set(texts)).toEqual(new Set([200]));
  expect(setup.issuer.asked.filter((path) => path === "/jwks")).toHaveLength(1);
});

test("(own) opaque tokens are asked about, for a while, with the gateway's own credential", async () => {
  const own = await setUp({
    introspect: "opaque",
    client_id: "gateway",
    client_secret: "s&cret",
    roles: { chief: "operator" },
  });
  const { issuer, clock, list, events } = own;
  const said = {
    active: true,
    sub: "ada",
    aud: `${BASE}/mcp`,
    scope: "mcp:call",
    roles: ["chief"],
  };
  issuer.said.set("right", said);
  issuer.said.set("elsewhere", { ...said, aud: "https://other.example" });
  issuer.said.set("nowhere", { active: true, sub: "ada" });
  issuer.said.set("over", { ...said, exp: Math.floor(clock.now() / 1000) - 60 });
  issuer.said.set("proving", { ...said, token_type: "DPoP" });
  const asked = (): number => issuer.asked.filter((path) => path === "/said").length;
  expect((await list("right")).status).toBe(200);
  expect((await list("right")).status).toBe(200);
  expect(asked()).toBe(1);
  for (const [token, code] of [
    ["elsewhere", "TOKEN_AUDIENCE"],
    ["nowhere", "TOKEN_AUDIENCE"],
    ["over", "TOKEN_EXPIRED"],
    ["proving", "TOKEN_INVALID"],
    ["unheard-of", "TOKEN_INVALID"],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await list(token ?? "");
    expect([token, JSON.parse(answer.text)]).toMatchObject([token, { code }]);
  }
  const before = asked();
  await list("unheard-of");
  expect(asked()).toBe(before);
  issuer.said.set("right", { active: false });
  expect((await list("right")).status).toBe(200);
  clock.advance(30_001);
  expect(JSON.parse((await list("right")).text)).toMatchObject({
    code: "TOKEN_INVALID",
    details: { reason: "inactive" },
  });
  expect(events).toContainEqual(
    expect.objectContaining({ details: expect.objectContaining({ reason: "inactive" }) }),
  );
  expect(JSON.parse((await list("sbx_looks-like-a-key-of-ours")).text)).toMatchObject({
    code: "KEY_INVALID",
  });
  expect(asked()).toBe(before + 1);
});

test("(own) an issuer without such words gives roles, bundles and scopes by settings", async () => {
  const own = await setUp({
    audiences: ["api://signalbox"],
    default_scopes: ["mcp:call"],
    roles_claim: "realm.roles",
    roles: { chiefs: "operator" },
    bundles_claim: "https://example.com/bundles",
  });
  const token = await issued(
    {
      aud: "api://signalbox",
      scope: undefined,
      realm: { roles: ["everyone", "chiefs"] },
      "https://example.com/bundles": ["coding"],
    },
    { at: own },
  );
  expect((await own.list(token, "/mcp/coding")).status).toBe(200);
  expect((await own.list(token)).status).toBe(403);
  const narrowed = await issued({ aud: "api://signalbox", scope: "mcp:tools:coding" }, { at: own });
  expect((await own.list(narrowed, "/mcp/coding")).status).toBe(200);
  expect((await own.list(narrowed)).status).toBe(403);
});

test("a token signed with the shared secret works, and only with that secret", async () => {
  const { clock, list, call } = setup;
  const options = authOptions.parse({ jwt: { secret: SECRET } }).jwt;
  const wanted = { subject: "agent-7", role: "caller" as const, bundles: "all" as const };
  const { token } = await issueToken(wanted, options, clock);
  expect((await list(token)).status).toBe(200);
  expect((await call(token, "files__write")).status).toBe(200);
  expect((await list(token, "/mcp/coding")).status).toBe(200);
  const stranger = await issueToken(wanted, { ...options, secret: `${SECRET}x` }, clock);
  expect(JSON.parse((await list(stranger.token)).text)).toMatchObject({
    details: { reason: "signature" },
  });
  const limited = await issueToken({ ...wanted, bundles: ["coding"] }, options, clock);
  expect((await list(limited.token)).status).toBe(403);
  expect((await list(limited.token, "/mcp/coding")).status).toBe(200);
});

test("a token with the secret's signature is refused for another resource, with too long a life, or of no end", async () => {
  const key = new TextEncoder().encode(SECRET);
  const shared = { alg: "HS256", key };
  for (const [claims, reason] of [
    [{ aud: "https://other.example" }, "audience"],
    [{ aud: undefined, exp: Math.floor(setup.clock.now() / 1000) + 90_000 }, "lifetime"],
    [{ aud: undefined, exp: undefined }, "claims"],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await setup.list(await issued(claims, shared));
    expect(JSON.parse(answer.text)).toMatchObject({ details: { reason } });
  }
  expect((await setup.list(await issued({ aud: undefined }, shared))).status).toBe(200);
});

test("(own) without a secret no token signed with one is accepted", async () => {
  const own = await setUp({}, {});
  const empty = await issued({}, { at: own, alg: "HS256", key: Buffer.alloc(32) });
  expect(JSON.parse((await own.list(empty)).text)).toMatchObject({
    details: { reason: "algorithm" },
  });
});

test("a client that goes while its token is looked at calls nothing", async () => {
  const { running, issuer } = setup;
  const { promise, resolve: release } = Promise.withResolvers<void>();
  issuer.held = promise;
  const token = await issued();
  let leave = (): void => {};
  const gone = modern(
    `${running.url}/mcp`,
    "tools/call",
    { name: "files__write", arguments: {} },
    {
      headers: { authorization: `Bearer ${token}` },
      sent: (request) => (leave = () => void request.destroy()),
    },
  );
  await until("the keys are asked for", () => issuer.asked.includes("/jwks"));
  leave();
  await expect(gone).rejects.toThrow(/socket hang up|ECONNRESET/);
  // Another client's request, answered after this one's going was noticed, shows that the gateway has seen it.
  await (await modern(`${running.url}/mcp`, "tools/list", {}, { key: "good" })).whole();
  release();
  expect((await setup.call(token, "files__read")).status).toBe(200);
  await until("the call is recorded", () => running.calls.length > 0);
  expect(running.calls.map(({ publicName }) => publicName)).toEqual(["files__read"]);
});

test("a client of the earlier protocols works with a key beside tokens", async () => {
  const client = await LegacyClient.open(`${setup.running.url}/mcp`, { key: "good" });
  expect((await client.request("tools/list")).status).toBe(200);
});
