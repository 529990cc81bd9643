// How tokens are renewed, with a real authorization server that lets a refresh token be used once, and a real database.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  Connections,
  OutboundFetch,
  OutboundGuard,
  Roles,
  createSealer,
  type Principal,
  type ProtectedServer,
} from "../../src/access/index.ts";
import {
  GATEWAY_ACTOR,
  SignalboxError,
  manualClock,
  silentLog,
} from "../../src/foundation/index.ts";
import type { AuditEvent, Clock } from "../../src/foundation/index.ts";
import type { Store } from "../../src/store/index.ts";
import {
  openTestDatabase,
  openTestStore,
  type TestDatabase,
} from "../../src/store/test-database.ts";
import {
  startAuthorizationServer,
  startProtectedServer,
  type AuthorizationServer,
  type ProtectedMcpServer,
} from "../support/authorization-server.ts";
import { Browser, agree } from "../support/browser.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const machine = { client_id: "machine", client_secret: "a secret: with % + & and (more)" };

let authorization: AuthorizationServer;
let mcp: ProtectedMcpServer;
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  authorization = await startAuthorizationServer({
    clients: [
      {
        ...machine,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: "signer",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "k1", kty: "EC" }] },
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
  });
  mcp = await startProtectedServer(authorization);
  database = await openTestDatabase();
  store = await openTestStore(database);
}, 120_000);

afterAll(async () => {
  await store?.close();
  await database?.[Symbol.asyncDispose]();
  await mcp?.[Symbol.asyncDispose]();
  await authorization?.[Symbol.asyncDispose]();
}, 60_000);

describe("a token that has run out", () => {
  test("is renewed once, however many calls want it at the same time", async () => {
    const { server, clock, connections } = await connected("fifty");
    clock.advance(3_700_000);
    const before = refreshes();
    const tokens = connections.tokensFor(server);
    const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get("fifty")));
    expect(new Set(got).size).toBe(1);
    expect(refreshes()).toBe(before + 1);
    expect(await accepts(got[0])).toBe(true);
  });

  test("is renewed once by two gateways on one database, and both have the new one", async () => {
    const { server, clock, connections } = await connected("pair");
    const second = await openTestStore(database);
    onTestFinished(() => second.close());
    const other = connectionsOver(second, [server], clock);
    expect(await other.tokensFor(server).get("pair")).toBe(
      await connections.tokensFor(server).get("pair"),
    );
    clock.advance(3_700_000);
    const before = refreshes();
    const got = await Promise.all(
      [connections, other].flatMap((one) =>
        Array.from({ length: 25 }, () => one.tokensFor(server).get("pair")),
      ),
    );
    expect(new Set(got).size).toBe(1);
    expect(refreshes()).toBe(before + 1);
    expect(await accepts(got[0])).toBe(true);
  });

  test("is renewed before it runs out, while calls go on with the old one", async () => {
    const { server, clock, connections } = await connected("early");
    const tokens = connections.tokensFor(server);
    const old = await tokens.get("early");
    clock.advance(3_600_000 - 50_000);
    const before = refreshes();
    for (let call = 0; call < 20; call++) expect(tokens.now("early")).toBe(old);
    await expect.poll(() => tokens.now("early")).not.toBe(old);
    expect(refreshes()).toBe(before + 1);
  });

  test("is over where the authorization server no longer renews it", async () => {
    const { server, clock, connections, events } = await connected("ended");
    const row = await store.connections.get(server.name, "ended");
    await revokeEverywhere(connections, server);
    clock.advance(3_700_000);
    expect(await connections.tokensFor(server).get("ended")).toBe("");
    expect(row).toBeDefined();
    expect(await store.connections.get(server.name, "ended")).toBeUndefined();
    expect(events.filter(({ action }) => action === "connection.renew")).toEqual([
      {
        action: "connection.renew",
        actor: GATEWAY_ACTOR,
        target: `server:${server.name}`,
        outcome: "failed",
        code: "CONSENT_NEEDED",
        details: { principal: "ended" },
      },
    ]);
  });

  test("that cannot be renewed for now is on record once a minute, and with no token in it", async () => {
    const { server, clock, connections, events } = await connected("away");
    const token = await connections.tokensFor(server).get("away");
    const cut = connectionsOver(store, [server], clock, {
      events,
      http: {
        fetch: () => Promise.reject(new SignalboxError("OUTBOUND_FAILED", "Nobody is there.")),
      },
    });
    clock.advance(3_700_000);
    const attempt = async (): Promise<void> => {
      await expect(cut.tokensFor(server).get("away")).rejects.toMatchObject({
        code: "OUTBOUND_FAILED",
      });
    };
    const told = (): number => events.filter(({ action }) => action === "connection.renew").length;
    await attempt();
    await attempt();
    expect(told()).toBe(1);
    clock.advance(60_000);
    await attempt();
    expect(told()).toBe(2);
    expect(events.at(-1)).toMatchObject({ outcome: "failed", code: "OUTBOUND_FAILED" });
    expect(JSON.stringify(events)).not.toContain(token.slice("Bearer ".length));
  });
});

describe("a token that the server refuses", () => {
  test("is renewed once, and after that only a new consent helps", async () => {
    const { server, connections } = await connected("refused");
    const tokens = connections.tokensFor(server);
    const used = await tokens.get("refused");
    const before = refreshes();
    const refusal = { subject: "refused", status: 401, challenge: 'Bearer error="invalid_token"' };
    const all = Array.from({ length: 50 }, () => tokens.refused({ ...refusal, used }));
    const [renewed = "", ...others] = await Promise.all(all);
    expect(renewed).not.toBe(used);
    expect(new Set(others)).toEqual(new Set([renewed]));
    expect(refreshes()).toBe(before + 1);
    await expect(tokens.refused({ ...refusal, used: renewed })).rejects.toMatchObject({
      code: "CONSENT_NEEDED",
    });
    expect(tokens.now("refused")).toBe("");
    expect(refreshes()).toBe(before + 1);
  });

  test("is not shown to another authorization server that the server names now", async () => {
    const { server, connections } = await connected("moved");
    await using elsewhere = await startAuthorizationServer();
    mcp.metadata = { authorization_servers: [elsewhere.issuer] };
    onTestFinished(() => void (mcp.metadata = {}));
    const tokens = connections.tokensFor(server);
    const used = await tokens.get("moved");
    const refusal = { subject: "moved", used, status: 401, challenge: undefined };
    await expect(tokens.refused(refusal)).rejects.toMatchObject({ code: "CONSENT_NEEDED" });
    expect(elsewhere.grants).toEqual([]);
  });

  test("is not sent to a server of the same name at another address", async () => {
    const { server, clock } = await connected("renamed");
    const other = { ...server, url: "https://elsewhere.example/mcp" };
    const tokens = connectionsOver(store, [other], clock).tokensFor(other);
    expect(await tokens.get("renamed")).toBe("");
  });
});

describe("the gateway's own credentials", () => {
  const own: ProtectedServer["oauth"] = {
    grant: "client_credentials",
    scopes: ["mcp:read"],
  };

  test.each([
    ["a secret", { ...machine }],
    [
      "a signature",
      {
        client_id: "signer",
        key_id: "k1",
        private_key: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      },
    ],
  ])(
    "prove themselves by %s, are asked for a token once, and widen it where that is asked",
    async (_, proof) => {
      const server: ProtectedServer = {
        name: `own-${proof.client_id}`,
        url: mcp.url,
        oauth: { ...own, ...proof, issuer: authorization.issuer },
      };
      const connections = connectionsOver(store, [server], manualClock(Date.now()));
      const tokens = connections.tokensFor(server);
      const before = authorization.grants.length;
      const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get("anyone")));
      expect(new Set(got).size).toBe(1);
      expect(authorization.grants.slice(before)).toEqual(["client_credentials"]);
      expect(await accepts(got[0])).toBe(true);
      const challenge = 'Bearer error="insufficient_scope", scope="mcp:write"';
      const refusal = { subject: "anyone", used: got[0] ?? "", status: 403, challenge };
      const wider = await tokens.refused(refusal);
      expect(wider).not.toBe(got[0]);
      await expect(tokens.refused({ ...refusal, used: wider })).rejects.toMatchObject({
        code: "SERVER_UNAUTHORIZED",
      });
    },
  );

  test("work without the database, and are given up where they are refused", async () => {
    const oauth = { ...own, ...machine, issuer: authorization.issuer };
    const server: ProtectedServer = { name: "no-store", url: mcp.url, oauth };
    const away = await openTestStore(database);
    await away.close();
    const tokens = connectionsOver(away, [server], manualClock(Date.now())).tokensFor(server);
    expect(await accepts(await tokens.get(undefined))).toBe(true);
    const wrong = { ...server, name: "wrong", oauth: { ...oauth, client_secret: "wrong" } };
    const refused = connectionsOver(store, [wrong], manualClock(Date.now())).tokensFor(wrong);
    await expect(refused.get(undefined)).rejects.toMatchObject({
      code: "OAUTH_FAILED",
      message: expect.stringContaining("invalid_client"),
    });
  });
});

test("what the database holds of a connection can be read by nobody without the key", async () => {
  const { server, clock, connections } = await connected("sealed");
  const header = await connections.tokensFor(server).get("sealed");
  const row = await store.connections.get(server.name, "sealed");
  expect(JSON.stringify(row)).not.toContain(header.slice("Bearer ".length));
  const stranger = connectionsOver(store, [server], clock, { key: Buffer.alloc(32, 9) });
  expect(await stranger.tokensFor(server).get("sealed")).toBe("");
});

// --- a gateway's connections, without the rest of it

interface Connected {
  readonly server: ProtectedServer;
  readonly clock: ReturnType<typeof manualClock>;
  readonly connections: Connections;
  readonly events: AuditEvent[];
}

/** A server to which `account` has just connected the principal of the same name. */
async function connected(account: string): Promise<Connected> {
  const server: ProtectedServer = { name: `s-${account}`, url: mcp.url, oauth: {} };
  const clock = manualClock(Date.now());
  const back = createServer();
  back.listen(0, "127.0.0.1");
  await once(back, "listening");
  const address = back.address();
  const publicUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const events: AuditEvent[] = [];
  const connections = connectionsOver(store, [server], clock, { events, publicUrl });
  const principal = personOf(account);
  const { url } = connections.begin(principal, { server: server.name, scopes: [] });
  const ticket = new URL(url).searchParams.get("ticket") ?? "";
  const { view, cookie } = await connections.page(ticket, undefined);
  const start = new URL(view.servers[0]?.start ?? "", publicUrl).searchParams.get("ticket") ?? "";
  const finished = Promise.withResolvers<unknown>();
  back.on("request", (request, response) => {
    response.end("done");
    const answer = new URL(request.url ?? "", publicUrl).searchParams;
    connections.finish(answer, cookie).then(finished.resolve, finished.reject);
  });
  const browser = new Browser();
  await agree(browser, await browser.open(await connections.start(start, cookie)), account);
  await finished.promise;
  back.closeAllConnections();
  back.close();
  return { server, clock, connections, events };
}

function connectionsOver(
  over: Store,
  servers: readonly ProtectedServer[],
  clock: Clock,
  given: {
    key?: Buffer;
    publicUrl?: string;
    http?: Pick<OutboundFetch, "fetch">;
    events?: AuditEvent[];
  } = {},
): Connections {
  const { key = Buffer.alloc(32, 1), publicUrl = "http://127.0.0.1:1" } = given;
  return new Connections({
    store: over.connections,
    http:
      given.http ??
      new OutboundFetch({
        guard: new OutboundGuard({ allow: ["127.0.0.1:*"], deny: [] }),
        timeoutMs: 10_000,
        responseBytesMax: 256 * 1024,
      }),
    audit: (event) => void given.events?.push(event),
    sealerFor: (purpose) => createSealer(key, purpose),
    clock,
    log: silentLog,
    publicUrl: () => publicUrl,
    clientName: "Signalbox",
    servers: () => servers,
    principal: personOf,
    sees: () => true,
    changed: () => undefined,
  });
}

function personOf(id: string): Principal {
  const plain = { kind: "person", role: "caller", project: "default", bundles: "all" } as const;
  return new Roles().principal({ id, name: id, ...plain });
}

// The authorization server ends the grant, of which the gateway is not told.
async function revokeEverywhere(connections: Connections, server: ProtectedServer): Promise<void> {
  const header = await connections.tokensFor(server).get("ended");
  const token = await authorization.provider.AccessToken.find(header.slice("Bearer ".length));
  const grant = await authorization.provider.Grant.find(token?.grantId ?? "");
  await grant?.destroy();
}

function refreshes(): number {
  return authorization.grants.filter((grant) => grant === "refresh_token").length;
}

async function accepts(header: string | undefined): Promise<boolean> {
  const answer = await fetch(mcp.url, {
    method: "POST",
    headers: { authorization: header ?? "", "content-type": "application/json" },
    body: "{}",
  });
  await answer.body?.cancel();
  return answer.status !== 401;
}
