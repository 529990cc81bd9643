// The gateway as an OAuth client of MCP servers, with a real authorization server: a person consents over HTTP.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import {
  startAuthorizationServer,
  startProtectedServer,
  type AuthorizationServer,
  type ProtectedMcpServer,
} from "../support/authorization-server.ts";
import { Browser, consent } from "../support/browser.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/until.ts";

let authorization: AuthorizationServer;
let server: ProtectedMcpServer;
let gateway: TestGateway;

beforeAll(async () => {
  authorization = await startAuthorizationServer();
  server = await startProtectedServer(authorization);
  gateway = await startGateway({
    settings: { outbound: { allow: ["127.0.0.1:*"] } },
    servers: {
      own: { url: server.url, oauth: {} },
      all: { url: server.url, oauth: { mode: "gateway" } },
    },
  });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await server?.[Symbol.asyncDispose]();
  await authorization?.[Symbol.asyncDispose]();
}, 60_000);

describe("a server on which each principal connects", () => {
  test("is shown with what is to be done, and its calls are answered with the link", async () => {
    const { body } = await gateway.api("GET", "/api/servers/own");
    expect(body).toMatchObject({
      status: {
        state: "needs_auth",
        lastError: {
          code: "CONSENT_NEEDED",
          message: expect.stringContaining("signalbox servers login own"),
        },
      },
    });
    const { result } = await call("own__whoami", gateway.key);
    expect(result).toMatchObject({ isError: true, resultType: "complete" });
    expect(linkIn(result)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/connect\?ticket=/);
  });

  test("is used in the name of whoever consented, and stays listed for those who have not", async () => {
    const alice = await newKey("alice");
    const bob = await newKey("bob");
    await connect("own", alice, "alice");
    await until("the tools are listed", async () => (await toolNames(bob)).includes("own__whoami"));
    expect(await textOf("own__whoami", alice)).toBe("You are alice");
    const refused = await call("own__whoami", bob);
    const page = await consent(new Browser(), linkIn(refused.result), "bob");
    expect(page.text).toContain("Connected to <b>own</b>");
    expect(await textOf("own__whoami", bob)).toBe("You are bob");
    expect(await textOf("own__whoami", alice)).toBe("You are alice");
  });

  test("gets neither the key of the caller nor another's token", async () => {
    const carol = await newKey("carol");
    await connect("own", carol, "carol");
    expect(await textOf("own__whoami", carol)).toBe("You are carol");
    const headers = [...server.seen].join(" ");
    expect(headers).not.toContain(carol);
    expect(headers).not.toContain(gateway.key);
  });

  test("asks a client that shows links by URL elicitation, and the call goes on once its user has connected", async () => {
    const dora = await newKey("dora");
    const first = await call("own__whoami", dora, { capabilities: { elicitation: { url: {} } } });
    expect(first.result).toMatchObject({
      resultType: "input_required",
      inputRequests: {
        "signalbox-connect": { method: "elicitation/create", params: { mode: "url" } },
      },
    });
    const link = z
      .object({
        inputRequests: z.object({
          "signalbox-connect": z.object({ params: z.object({ url: z.string() }) }),
        }),
      })
      .parse(first.result).inputRequests["signalbox-connect"].params.url;
    // The client calls again when its user agrees to open the link, before anything is connected.
    const again = call("own__whoami", dora, {
      capabilities: { elicitation: { url: {} } },
      params: { inputResponses: { "signalbox-connect": { action: "accept" } } },
    });
    await consent(new Browser(), link, "dora");
    expect(textIn((await again).result)).toBe("You are dora");
  });

  test("does not ask a user again who has declined", async () => {
    const eve = await newKey("eve");
    const declined = await call("own__whoami", eve, {
      capabilities: { elicitation: { url: {} } },
      params: { inputResponses: { "signalbox-connect": { action: "decline" } } },
    });
    expect(declined.result).toMatchObject({ resultType: "complete", isError: true });
  });

  test("tells a client of 2025-11-25 by the error of that revision", async () => {
    const frank = await newKey("frank");
    const session = await legacySession(frank, { elicitation: { url: {} } });
    const answer = await session("tools/call", { name: "own__whoami", arguments: {} });
    expect(answer["error"]).toMatchObject({
      code: -32042,
      data: {
        elicitations: [{ mode: "url", url: expect.stringContaining("/connect?ticket=") }],
      },
    });
  });

  test("asks for more scopes where a tool takes more, and keeps those there are", async () => {
    const gil = await newKey("gil");
    await connect("own", gil, "gil");
    const refused = await call("own__write", gil);
    expect(refused.result).toMatchObject({ isError: true });
    await consent(new Browser(), linkIn(refused.result), "gil");
    expect(await textOf("own__write", gil)).toBe("gil wrote");
    const { connections } = await connectionsOf(gil);
    const own = connections.find((one) => one.server === "own");
    expect(own?.scopes).toEqual(expect.arrayContaining(["mcp:read", "mcp:write"]));
  });

  test("is not asked for scopes that were granted and still refused", async () => {
    const hal = await newKey("hal");
    await connect("own", hal, "hal");
    server.writeScope = "mcp:read mcp:never";
    try {
      const first = await call("own__write", hal);
      await consent(new Browser(), linkIn(first.result), "hal").catch(() => undefined);
      const refused = await call("own__write", hal);
      expect(JSON.stringify(refused)).toContain("SERVER_UNAUTHORIZED");
    } finally {
      server.writeScope = "mcp:write";
    }
  });

  test("forgets a connection that is ended, and has its tokens revoked", async () => {
    const ida = await newKey("ida");
    await connect("own", ida, "ida");
    expect(await textOf("own__whoami", ida)).toBe("You are ida");
    const before = authorization.revoked.length;
    const answer = await api("DELETE", "/api/connections/own", ida);
    expect(answer.body).toEqual({ removed: true });
    expect(authorization.revoked.slice(before)).toContain("refresh_token");
    expect((await call("own__whoami", ida)).result).toMatchObject({ isError: true });
    expect((await api("DELETE", "/api/connections/own", ida)).body).toEqual({ removed: false });
  });

  test("ends the connections of a key that is revoked", async () => {
    const { key, id } = await newKeyWithId("jim");
    await connect("own", key, "jim");
    const before = authorization.revoked.length;
    await gateway.api("DELETE", `/api/keys/${id}`);
    const revoked = (): boolean => authorization.revoked.slice(before).includes("refresh_token");
    await until("the tokens are revoked", revoked);
    expect((await api("GET", "/api/connections", key)).status).toBe(401);
  });
});

describe("a server whose connection all share", () => {
  test("is connected by an operator alone, and then serves every caller", async () => {
    const kim = await newKey("kim");
    const refused = await call("all__whoami", kim);
    expect(JSON.stringify(refused)).toContain("CONSENT_NEEDED");
    expect(JSON.stringify(refused)).not.toContain("/connect?ticket=");
    expect((await api("POST", "/api/connections/all", kim)).status).toBe(403);
    await connect("all", gateway.key, "robot");
    await until("the tools are listed", async () => (await toolNames(kim)).includes("all__whoami"));
    expect(await textOf("all__whoami", kim)).toBe("You are robot");
  });
});

describe("a link", () => {
  test("starts nothing in a browser that was not shown its page", async () => {
    const key = await newKey("lea");
    const link = await linkFor("own", key);
    const shown = await new Browser().open(link);
    const start = new URL(startIn(shown.text), shown.url).href;
    const other = await new Browser().open(start);
    expect(other.status).toBe(410);
    expect(other.url.origin).toBe(gateway.url);
  });

  test("works once", async () => {
    const key = await newKey("mia");
    const browser = new Browser();
    const shown = await browser.open(await linkFor("own", key));
    const start = new URL(startIn(shown.text), shown.url).href;
    expect((await browser.open(start)).url.origin).toBe(authorization.issuer);
    expect((await browser.open(start)).status).toBe(410);
  });

  test("that was changed is refused", async () => {
    const link = await linkFor("own", await newKey("nat"));
    for (const broken of [`${link}x`, link.replace(/ticket=.{8}/, "ticket=AAAAAAAA")])
      expect((await new Browser().open(broken)).status).toBe(410);
  });

  test("leads to a page that cannot be framed, runs no scripts and is kept nowhere", async () => {
    const page = await new Browser().open(await linkFor("own", await newKey("oli")));
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; frame-ancestors 'none'/,
    );
    expect(page.headers.get("x-frame-options")).toBe("DENY");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.headers.get("referrer-policy")).toBe("same-origin");
    expect(page.headers.get("set-cookie")).toMatch(/HttpOnly; SameSite=Lax/);
    expect(page.text).toContain("<b>oli</b>");
    expect(page.text).not.toContain("<script");
  });
});

test("the gateway's own pages may send forms, also behind a proxy that names another host", async () => {
  const outside = "https://gateway.example.com";
  const behind = await startGateway({ settings: { public_url: outside } });
  onTestFinished(() => behind.stop());
  const send = (origin: string): Promise<Response> =>
    fetch(`${behind.url}/connect/end?ticket=none`, { method: "POST", headers: { origin } });
  const ours = await send(outside);
  expect(ours.status).toBe(410);
  expect(ours.headers.get("content-type")).toContain("text/html");
  expect((await send("https://elsewhere.example.com")).status).toBe(403);
});

describe("an answer of the authorization server", () => {
  test("is taken once, and only in the browser it belongs to", async () => {
    const key = await newKey("pia");
    const browser = new Browser();
    const shown = await browser.open(await linkFor("own", key));
    const begun = await browser.open(new URL(startIn(shown.text), shown.url).href);
    expect(begun.url.origin).toBe(authorization.issuer);
    const forged = `${gateway.url}/connect/callback?code=x&state=${"A".repeat(43)}&iss=${authorization.issuer}`;
    expect((await browser.open(forged)).status).toBe(410);
    expect((await connectionsOf(key)).connections).toContainEqual(
      expect.objectContaining({ server: "own", state: "needed" }),
    );
  });

  test("that says no is shown as such", async () => {
    const key = await newKey("quin");
    const browser = new Browser();
    const shown = await browser.open(await linkFor("own", key));
    const asked = await browser.open(new URL(startIn(shown.text), shown.url).href);
    const cancel = /href="([^"]*\/abort)"/.exec(asked.text)?.[1];
    expect(cancel).toBeDefined();
    const page = await browser.open(new URL(cancel ?? "", asked.url).href);
    expect(page.status).toBe(200);
    expect(page.text).toContain("Not connected to <b>own</b>: access was not allowed.");
  });
});

test("each step of a connection is on record with the person, the address and the request", async () => {
  const { key, id } = await newKeyWithId("rose");
  await connect("own", key, "rose");
  const asked = await fetch(`${gateway.url}/api/connections/own`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${key}`, "x-request-id": "rose-leaves" },
  });
  expect(asked.status).toBe(200);
  const shape = z.object({ records: z.array(z.looseObject({ action: z.string() })) });
  const records = await until("all is on record", async () => {
    const { body } = await gateway.api("GET", `/api/audit?actor=${id}`);
    const found = shape.parse(body).records;
    return found.length >= 3 && found;
  });
  const common = {
    target: "server:own",
    outcome: "ok",
    address: expect.stringContaining("127.0.0.1"),
  };
  expect(records).toMatchObject([
    { action: "connection.remove", ...common, requestId: "rose-leaves" },
    { action: "connection.complete", ...common, requestId: expect.stringMatching(/^req_/) },
    { action: "connection.start", ...common, requestId: expect.stringMatching(/^req_/) },
  ]);
});

test("the stored tokens are readable to nobody who has only the database", async () => {
  const sealed = await gateway.api("GET", "/api/connections");
  expect(JSON.stringify(sealed.body)).not.toMatch(/Bearer|access_token|refresh/i);
});

// --- asking the gateway

interface Answer {
  readonly result?: unknown;
  readonly error?: unknown;
}

let lastId = 0;

async function call(
  name: string,
  key: string,
  more: { capabilities?: object; params?: object } = {},
): Promise<Answer> {
  const body = await modern("tools/call", { name, arguments: {}, ...more.params }, key, {
    name,
    capabilities: more.capabilities ?? {},
  });
  return z.object({ result: z.unknown().optional(), error: z.unknown().optional() }).parse(body);
}

async function toolNames(key: string): Promise<string[]> {
  const body = await modern("tools/list", {}, key, { capabilities: {} });
  const shape = z.object({ result: z.object({ tools: z.array(z.object({ name: z.string() })) }) });
  return shape.parse(body).result.tools.map((tool) => tool.name);
}

async function modern(
  method: string,
  params: object,
  key: string,
  more: { name?: string; capabilities: object },
): Promise<unknown> {
  const answer = await fetch(`${gateway.url}/mcp`, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      authorization: `Bearer ${key}`,
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(more.name !== undefined && { "mcp-name": more.name }),
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: ++lastId,
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": more.capabilities,
        },
      },
    }),
  });
  return messageIn(await answer.text());
}

async function legacySession(
  key: string,
  capabilities: object,
): Promise<(method: string, params: object) => Promise<Record<string, unknown>>> {
  const headers: Record<string, string> = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    authorization: `Bearer ${key}`,
  };
  const send = async (method: string, params: object): Promise<Record<string, unknown>> => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: ++lastId, method, params });
    const answer = await fetch(`${gateway.url}/mcp`, { method: "POST", headers, body });
    headers["mcp-session-id"] ??= answer.headers.get("mcp-session-id") ?? "";
    return z.record(z.string(), z.unknown()).parse(messageIn(await answer.text()));
  };
  const clientInfo = { name: "old", version: "1" };
  await send("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
  return send;
}

// An answer that takes long comes as an event stream.
function messageIn(text: string): unknown {
  const data = [...text.matchAll(/^data: (\{.*)$/gm)].at(-1)?.[1];
  return JSON.parse(data ?? text);
}

async function textOf(name: string, key: string): Promise<string> {
  const { result, error } = await call(name, key);
  return textIn(result) || JSON.stringify(error);
}

function textIn(result: unknown): string {
  const shape = z.object({ content: z.array(z.object({ text: z.string() })) });
  return shape.safeParse(result).data?.content[0]?.text ?? "";
}

function linkIn(result: unknown): string {
  return /https?:\/\/\S+/.exec(textIn(result))?.[0] ?? "";
}

function startIn(html: string): string {
  return (/class="go" href="([^"]+)"/.exec(html)?.[1] ?? "").replaceAll("&#38;", "&");
}

async function api(
  method: string,
  path: string,
  key: string,
): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(gateway.url + path, { method, headers });
  return { status: answer.status, body: await answer.json() };
}

const connectionList = z.object({
  connections: z.array(
    z.looseObject({ server: z.string(), scopes: z.array(z.string()).optional() }),
  ),
});

async function connectionsOf(key: string): Promise<z.infer<typeof connectionList>> {
  return connectionList.parse((await api("GET", "/api/connections", key)).body);
}

async function linkFor(name: string, key: string): Promise<string> {
  const { body } = await api("POST", `/api/connections/${name}`, key);
  return z.object({ url: z.string() }).parse(body).url;
}

async function connect(name: string, key: string, account: string): Promise<void> {
  const page = await consent(new Browser(), await linkFor(name, key), account);
  expect(page.text).toContain(`Connected to <b>${name}</b>`);
}

async function newKeyWithId(name: string): Promise<{ key: string; id: string }> {
  const { body } = await gateway.api("POST", "/api/keys", { name });
  const made = z.object({ key: z.string(), record: z.object({ id: z.string() }) }).parse(body);
  return { key: made.key, id: made.record.id };
}

async function newKey(name: string): Promise<string> {
  return (await newKeyWithId(name)).key;
}
