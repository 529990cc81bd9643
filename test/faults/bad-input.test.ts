import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startEverything, type TestServer } from "../support/servers.ts";
import {
  legacyRequest,
  modernHeaders,
  modernMeta,
  modernRequest,
  openSession,
  responseIn,
  send,
  type WireRequest,
} from "../support/wire.ts";

const bodyBytesMax = 200_000;

let server: TestServer;
let gateway: TestGateway;
let endpoint: string;

beforeAll(async () => {
  server = await startEverything();
  gateway = await startGateway({
    servers: { both: { url: server.url } },
    settings: { limits: { body_bytes_max: bodyBytesMax, batch_max: 5 } },
  });
  endpoint = `${gateway.url}/mcp`;
}, 120_000);

afterAll(async () => {
  await server?.stop();
  await gateway?.stop();
}, 60_000);

// Whatever was sent, the next caller is served.
afterEach(async () => {
  const call = modernRequest(gateway.key, "tools/call", { name: "both__test_simple_text" });
  const answer = await send(endpoint, call);
  if (responseIn(answer).result === undefined) throw new Error(`not served: ${answer.text}`);
});

interface Case {
  name: string;
  wire: (key: string) => WireRequest;
  status: number;
  code?: number;
  /** The id the answer must carry; by default the request's, 1. */
  id?: unknown;
}

const list = (key: string): ReturnType<typeof modernRequest> => modernRequest(key, "tools/list");

const modernCases: readonly Case[] = [
  {
    name: "malformed JSON",
    wire: (key) => ({ ...list(key), body: '{"jsonrpc":"2.0","id":1,' }),
    status: 400,
    code: -32700,
    id: null,
  },
  {
    name: "an empty body",
    wire: (key) => ({ ...list(key), body: "" }),
    status: 400,
    code: -32700,
    id: null,
  },
  {
    name: "a body that is no object",
    wire: (key) => ({ ...list(key), body: '"hello"' }),
    status: 400,
    code: -32600,
    id: null,
  },
  {
    name: "a batch",
    wire: (key) => ({ ...list(key), body: `[${list(key).body}]` }),
    status: 400,
    code: -32600,
    id: null,
  },
  {
    name: "an id that is null",
    wire: (key) => modernRequest(key, "tools/list", {}, null),
    status: 400,
    code: -32600,
    id: null,
  },
  {
    name: "another JSON-RPC version",
    wire: (key) => ({ ...list(key), body: list(key).body.replace('"2.0"', '"1.0"') }),
    status: 400,
    code: -32600,
    id: 1,
  },
  {
    name: "an unknown method",
    wire: (key) => modernRequest(key, "tools/unknown"),
    status: 404,
    code: -32601,
  },
  {
    name: "a method of the older revisions",
    wire: (key) => modernRequest(key, "ping"),
    status: 404,
    code: -32601,
  },
  {
    name: "an unknown tool",
    wire: (key) => modernRequest(key, "tools/call", { name: "both__nothing" }),
    status: 200,
    code: -32602,
  },
  {
    name: "a tool of an unknown server",
    wire: (key) => modernRequest(key, "tools/call", { name: "nobody__nothing" }),
    status: 200,
    code: -32602,
  },
  {
    name: "an unknown prompt",
    wire: (key) => modernRequest(key, "prompts/get", { name: "both__nothing" }),
    status: 200,
    code: -32602,
  },
  {
    name: "an unknown resource",
    wire: (key) => modernRequest(key, "resources/read", { uri: "test://nowhere" }),
    status: 200,
    code: -32602,
  },
  {
    name: "a bad cursor",
    wire: (key) => modernRequest(key, "tools/list", { cursor: "not one of ours" }),
    status: 200,
    code: -32602,
  },
  {
    name: "an Mcp-Method header that differs from the body",
    wire: (key) => ({ ...list(key), headers: modernHeaders(key, "prompts/list") }),
    status: 400,
    code: -32020,
  },
  {
    name: "no Mcp-Method header",
    wire: (key) => ({ ...list(key), headers: without(list(key).headers, "mcp-method") }),
    status: 400,
    code: -32020,
  },
  {
    name: "an Mcp-Name header that differs from the body",
    wire: (key) => ({
      ...modernRequest(key, "tools/call", { name: "both__test_simple_text" }),
      headers: modernHeaders(key, "tools/call", "both__test_echo"),
    }),
    status: 400,
    code: -32020,
  },
  {
    name: "no Mcp-Name header",
    wire: (key) => ({
      ...modernRequest(key, "tools/call", { name: "both__test_simple_text" }),
      headers: modernHeaders(key, "tools/call"),
    }),
    status: 400,
    code: -32020,
  },
  {
    name: "a version header that differs from the body",
    wire: (key) => ({
      ...list(key),
      headers: { ...list(key).headers, "mcp-protocol-version": "2025-11-25" },
    }),
    status: 400,
    code: -32020,
  },
  {
    name: "no mirrored argument where a tool asks for one",
    wire: (key) =>
      modernRequest(key, "tools/call", {
        name: "both__test_x_mcp_header",
        arguments: { region: "eu" },
      }),
    status: 400,
    code: -32020,
  },
  {
    name: "an unsupported version",
    wire: (key) => ({
      headers: { ...list(key).headers, "mcp-protocol-version": "1900-01-01" },
      body: list(key).body.replaceAll("2026-07-28", "1900-01-01"),
    }),
    status: 400,
    code: -32022,
  },
  {
    name: "no envelope behind a modern version header",
    wire: (key) => ({ ...list(key), body: bare("tools/list", {}) }),
    status: 400,
    code: -32602,
  },
  {
    name: "an envelope without capabilities",
    wire: (key) => ({
      ...list(key),
      body: bare("tools/list", {
        _meta: without<unknown>(modernMeta, "io.modelcontextprotocol/clientCapabilities"),
      }),
    }),
    status: 400,
    code: -32602,
  },
];

describe("in the modern era", () => {
  test.each(modernCases)("$name", async ({ wire, status, code, id = 1 }) => {
    const answer = await send(endpoint, wire(gateway.key));
    expect(answer.status).toBe(status);
    const { error, ...rest } = responseIn(answer);
    expect(error?.code).toBe(code);
    expect(rest.id ?? null).toBe(id);
  });

  test("an unsupported version is told which are supported", async () => {
    const body = list(gateway.key).body.replaceAll("2026-07-28", "1900-01-01");
    const headers = { ...list(gateway.key).headers, "mcp-protocol-version": "1900-01-01" };
    const { error } = responseIn(await send(endpoint, { headers, body }));
    expect(error?.data).toMatchObject({ requested: "1900-01-01" });
    expect(error?.data?.["supported"]).toContain("2026-07-28");
  });
});

describe("in the legacy era", () => {
  let session: Record<string, string>;

  beforeEach(async () => {
    session = await openSession(endpoint, gateway.key);
  });

  test("malformed JSON", async () => {
    const answer = await send(endpoint, { headers: session, body: "{" });
    expect(answer.status).toBe(400);
    expect(responseIn(answer).error?.code).toBe(-32700);
  });

  test.each([
    ["an unknown method", "tools/unknown", {}, -32601],
    ["a method of the modern revision", "server/discover", {}, -32601],
    ["an unknown tool", "tools/call", { name: "both__nothing" }, -32602],
    ["an unknown prompt", "prompts/get", { name: "both__nothing" }, -32602],
    ["a bad cursor", "tools/list", { cursor: "not one of ours" }, -32602],
  ])("%s is answered in band", async (_, method, params, code) => {
    const answer = await send(endpoint, legacyRequest(session, method, params, 7));
    expect(answer.status).toBe(200);
    expect(responseIn(answer)).toMatchObject({ id: 7, error: { code } });
  });

  test("an unknown resource is answered in band with either revision's code", async () => {
    const request = legacyRequest(session, "resources/read", { uri: "test://nowhere" });
    const answer = await send(endpoint, request);
    expect(answer.status).toBe(200);
    expect([-32002, -32602]).toContain(responseIn(answer).error?.code);
  });

  test("a request without a session is refused with 400", async () => {
    const headers = without(session, "mcp-session-id");
    const answer = await send(endpoint, { headers, body: bare("tools/list", {}) });
    expect(answer.status).toBe(400);
  });

  test("an unknown session is answered with 404", async () => {
    const headers = { ...session, "mcp-session-id": "00000000-0000-0000-0000-000000000000" };
    const answer = await send(endpoint, { headers, body: bare("tools/list", {}) });
    expect(answer.status).toBe(404);
  });

  test("a session that ended is answered with 404", async () => {
    const ended = await send(endpoint, { method: "DELETE", headers: session });
    expect(ended.status).toBeLessThan(300);
    const answer = await send(endpoint, legacyRequest(session, "tools/list"));
    expect(answer.status).toBe(404);
  });

  test("a session of another principal is answered with 404", async () => {
    const created = await gateway.api("POST", "/api/keys", {
      name: `other ${Date.now()}`,
      role: "caller",
      bundles: "all",
    });
    expect(created.status).toBe(201);
    const headers = { ...session, authorization: `Bearer ${keyIn(created.body)}` };
    const answer = await send(endpoint, { headers, body: bare("tools/list", {}) });
    expect(answer.status).toBe(404);
  });

  test("an unknown revision in the header is refused with 400", async () => {
    const headers = { ...session, "mcp-protocol-version": "1900-01-01" };
    const answer = await send(endpoint, { headers, body: bare("tools/list", {}) });
    expect(answer.status).toBe(400);
  });

  test("a batch is refused where the revision has none", async () => {
    const answer = await send(endpoint, { headers: session, body: `[${bare("ping", {})}]` });
    expect(answer.status).toBe(400);
    expect(responseIn(answer).error?.code).toBe(-32600);
  });

  test("a batch of 2025-03-26 is answered as one, unknown methods included", async () => {
    const old = await openSession(endpoint, gateway.key, "2025-03-26");
    const batch = [bare("ping", {}, 1), bare("tools/unknown", {}, 2), bare("tools/list", {}, 3)];
    const answer = await send(endpoint, { headers: old, body: `[${batch.join()}]` });
    expect(answer.status).toBe(200);
    for (const id of [1, 2, 3]) expect(answer.text).toMatch(new RegExp(`"id":\\s*${id}\\b`));
  });

  test("a batch above the limit is refused", async () => {
    const old = await openSession(endpoint, gateway.key, "2025-03-26");
    const batch = Array.from({ length: 6 }, (_, index) => bare("ping", {}, index + 1));
    const answer = await send(endpoint, { headers: old, body: `[${batch.join()}]` });
    expect(answer.status).toBe(400);
    expect(responseIn(answer).error?.code).toBe(-32600);
  });
});

describe.each(["modern", "legacy"])("whatever the era, here %s", (era) => {
  let good: { headers: Record<string, string>; body: string };

  beforeEach(async () => {
    good =
      era === "modern"
        ? list(gateway.key)
        : legacyRequest(await openSession(endpoint, gateway.key), "tools/list", { _meta: {} });
  });

  test("another content type is refused with 415", async () => {
    const headers = { ...good.headers, "content-type": "text/plain" };
    expect((await send(endpoint, { ...good, headers })).status).toBe(415);
  });

  test("a body above the limit is refused with 413, announced or not", async () => {
    const padded = good.body.replace("{", `{"padding":"${"x".repeat(bodyBytesMax)}",`);
    expect((await send(endpoint, { ...good, body: padded })).status).toBe(413);
    const headers = { ...good.headers, "transfer-encoding": "chunked" };
    expect((await send(endpoint, { headers, body: padded })).status).toBe(413);
  });

  test("nesting above the limit is refused with 400", async () => {
    const deep = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
    const body = good.body.replace('"params":{', `"params":{"deep":${deep},`);
    const answer = await send(endpoint, { ...good, body });
    expect(answer.status).toBe(400);
  });

  test("a duplicate key and __proto__ harm nothing", async () => {
    const body = good.body.replace(
      '"params":{',
      '"params":{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},',
    );
    expect(responseIn(await send(endpoint, { ...good, body })).result).toBeDefined();
    const twice = good.body.replace('"method"', '"method":"tools/list","method"');
    expect((await send(endpoint, { ...good, body: twice })).status).toBeLessThan(500);
  });

  test("a request without a key, or with a wrong one, is refused with 401", async () => {
    const headers = without(good.headers, "authorization");
    const none = await send(endpoint, { ...good, headers });
    expect(none.status).toBe(401);
    expect(none.headers["www-authenticate"]).toMatch(/^Bearer/);
    const wrong = { ...headers, authorization: `Bearer sbx_${"x".repeat(43)}` };
    expect((await send(endpoint, { ...good, headers: wrong })).status).toBe(401);
  });

  test("a wrong key beside a right one is refused with 401", async () => {
    const headers = { ...good.headers, "x-api-key": `sbx_${"x".repeat(43)}` };
    expect((await send(endpoint, { ...good, headers })).status).toBe(401);
  });

  test("a foreign Host or Origin is refused with 403", async () => {
    const host = { ...good.headers, host: "evil.example" };
    expect((await send(endpoint, { ...good, headers: host })).status).toBe(403);
    const origin = { ...good.headers, origin: "https://evil.example" };
    expect((await send(endpoint, { ...good, headers: origin })).status).toBe(403);
  });

  test("a method other than POST, GET and DELETE is refused with 405", async () => {
    expect((await send(endpoint, { ...good, method: "PUT" })).status).toBe(405);
  });

  test("a bundle that is not there is answered with 404", async () => {
    expect((await send(`${endpoint}/nowhere`, good)).status).toBe(404);
  });
});

function bare(method: string, params: Record<string, unknown>, id: unknown = 1): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

function without<Value>(values: Record<string, Value>, name: string): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== name));
}

function keyIn(body: unknown): string {
  return z.looseObject({ key: z.string() }).parse(body).key;
}
