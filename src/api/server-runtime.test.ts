// How a server fares and what an operator can do about it, over the API, with a real gateway and a real upstream behind it.
import { expect, onTestFinished, test } from "vitest";
import { startApi, type Fixture } from "../../test/support/api-over-http.ts";
import { SignalboxError } from "../foundation/index.ts";
import { modern, remote, runGateway, type RunningGateway } from "../gateway/running-gateway.ts";
import {
  discovery,
  fakeHttpServer,
  json,
  type FakeHttpServer,
} from "../upstream/transports/fake-http-server.ts";
import type { ApiDeps } from "./ports.ts";

interface Scene extends Fixture {
  readonly running: RunningGateway;
  /** The server's endpoints, as they stand in their addresses. */
  readonly endpoints: readonly [string, string];
  readonly peers: readonly [FakeHttpServer, FakeHttpServer];
  readonly call: () => Promise<number>;
}

/** The server "fixed" with two endpoints, behind a gateway that the API steers. */
async function scene(overrides: Partial<ApiDeps> = {}, options: object = {}): Promise<Scene> {
  const peers = [await peer(), await peer()] as const;
  const definition = remote("fixed", "", {
    endpoints: peers.map(({ url }) => ({ url: `${url}?key=hunter22` })),
    retry_policy: { max_attempts: 1 },
    ...options,
  });
  Reflect.deleteProperty(definition.options, "url");
  const running = await runGateway({ servers: [definition] });
  onTestFinished(() => running.close());
  const fixture = await startApi(overrides);
  const { gateway } = running;
  Object.assign(fixture.gateway, {
    serverFacts: (name: string) => gateway.serverFacts(name),
    drainEndpoint: (...how: [string, string, boolean]) => gateway.drainEndpoint(...how),
    setBreaker: (...how: [string, "open" | "closed", string?]) => gateway.setBreaker(...how),
  });
  const [one, two] = peers.map(({ url }) => new URL(url).host);
  return {
    ...fixture,
    running,
    peers,
    endpoints: [one ?? "", two ?? ""],
    call: async () => {
      const asked = await modern(`${running.url}/mcp`, "tools/call", { name: "fixed__put" });
      const answer = await asked.whole();
      return Number(answer.error["code"] ?? 0);
    },
  };
}

async function peer(): Promise<FakeHttpServer> {
  const started = await fakeHttpServer((request, response) => {
    if (discovery(request, response)) return;
    const { id, method } = request.message;
    const result =
      method === "tools/list"
        ? { resultType: "complete", tools: [{ name: "put", inputSchema: { type: "object" } }] }
        : { resultType: "complete", content: [] };
    json(response, { jsonrpc: "2.0", id, result });
  });
  onTestFinished(() => started.close());
  return started;
}

const callsOf = (one: FakeHttpServer): number => one.calls("tools/call").length;
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

test("a server in detail shows its endpoints, what guards it and why, with its times as text", async () => {
  const { ask, call, endpoints, running } = await scene();
  expect(await call()).toBe(0);
  running.gateway.setBreaker("fixed", "open", "put");
  const { status, json: shown, text } = await ask("operator", "GET", "/api/servers/fixed");
  expect(status).toBe(200);
  expect(shown.runtime).toMatchObject({
    primary: endpoints[0],
    strategy: "round_robin",
    endpoints: [
      {
        id: endpoints[0],
        url: `http://${endpoints[0]}/mcp`,
        state: "connected",
        since: isoTime,
        uptime: expect.any(Number),
        reconnects: 0,
        era: "modern",
        revision: "2026-07-28",
        lanes: 1,
        connections: { busy: 0, waiting: 0, max: 512 },
        balance: { score: 1, weight: 1, priority: 0 },
      },
      { id: endpoints[1] },
    ],
    breakers: {
      server: { state: "closed", since: isoTime, failures: 0 },
      tools: { put: { state: "open", since: isoTime, reason: "opened by an operator" } },
    },
    bulkhead: { running: 0, waiting: 0 },
    retries: { repeated: 0, recovered: 0 },
  });
  const [first] = shown.runtime.endpoints;
  expect(first.history.map(({ from, to }: Record<string, string>) => [from, to])).toEqual([
    ["idle", "connecting"],
    ["connecting", "connected"],
  ]);
  expect(first.history[1]).toEqual({
    from: "connecting",
    to: "connected",
    at: isoTime,
    reason: "speaks 2026-07-28",
  });
  expect(text).not.toContain("hunter22");
});

test("a server that is switched off has no runtime", async () => {
  const { ask } = await scene();
  await ask("admin", "POST", "/api/servers", { name: "off", command: "x", enabled: false });
  expect((await ask("operator", "GET", "/api/servers/off")).json).not.toHaveProperty("runtime");
});

test("a local server in a crash loop shows since when and when it is tried again", async () => {
  const definition = remote("fixed", "", { command: process.execPath, args: ["-e", "0"] });
  Reflect.deleteProperty(definition.options, "url");
  const running = await runGateway({ servers: [definition] });
  onTestFinished(() => running.close());
  const { ask, gateway } = await startApi();
  const facts = running.gateway.serverFacts("fixed");
  const crashLoop = {
    looping: true,
    since: Date.UTC(2026, 10, 20, 8),
    recentEnds: 5,
    endsInARow: 5,
    retryAfterMs: 12_000,
  };
  Object.assign(gateway, { serverFacts: () => ({ ...facts, crashLoop }) });
  const { json: shown } = await ask("operator", "GET", "/api/servers/fixed");
  expect(shown.runtime.crashLoop).toEqual({ ...crashLoop, since: "2026-11-20T08:00:00.000Z" });
  expect(shown.runtime.endpoints).toMatchObject([{ id: "local", processes: expect.any(Array) }]);
});

test("a drained endpoint gets no calls until it is taken back", async () => {
  const { ask, call, endpoints, peers } = await scene();
  const [one, two] = peers;
  const at = `/api/servers/fixed/endpoints/${encodeURIComponent(endpoints[0])}`;
  const states = async (): Promise<string[]> => {
    const { json: shown } = await ask("operator", "GET", "/api/servers/fixed");
    return shown.runtime.endpoints.map(({ state }: { state: string }) => state);
  };
  const drained = await ask("operator", "POST", `${at}/drain`);
  expect([drained.status, drained.text]).toEqual([204, ""]);
  expect((await states())[0]).toBe("draining");
  for (let count = 0; count < 4; count++) expect(await call()).toBe(0);
  expect([callsOf(one), callsOf(two)]).toEqual([0, 4]);
  expect((await ask("operator", "POST", `${at}/resume`, {})).status).toBe(204);
  for (let count = 0; count < 4; count++) expect(await call()).toBe(0);
  expect(callsOf(one)).toBe(2);
});

test("draining twice and taking back what was not drained changes nothing", async () => {
  const { ask, endpoints } = await scene();
  const at = `/api/servers/fixed/endpoints/${encodeURIComponent(endpoints[1])}`;
  expect((await ask("operator", "POST", `${at}/resume`)).status).toBe(204);
  for (let count = 0; count < 2; count++)
    expect((await ask("operator", "POST", `${at}/drain`)).status).toBe(204);
  const { json: shown } = await ask("operator", "GET", "/api/servers/fixed");
  const [, second] = shown.runtime.endpoints;
  expect(second.history.map(({ to }: { to: string }) => to)).toEqual(["draining"]);
});

test("a breaker is opened and closed by hand, for the server or one tool of it", async () => {
  const { ask, call, running } = await scene();
  const state = async (): Promise<unknown> => {
    const { json: shown } = await ask("operator", "GET", "/api/servers/fixed");
    const { server, tools } = shown.runtime.breakers;
    return [server.state, tools.put?.state ?? "closed"];
  };
  const set = async (body: object): Promise<number> =>
    (await ask("operator", "POST", "/api/servers/fixed/breaker", body)).status;
  expect(await set({ state: "open", tool: "put" })).toBe(204);
  expect(await state()).toEqual(["closed", "open"]);
  expect(await call()).not.toBe(0);
  expect(running.calls.at(-1)).toMatchObject({ errorCode: "BREAKER_OPEN" });
  expect(await set({ state: "closed", tool: "put" })).toBe(204);
  expect(await call()).toBe(0);
  expect(await set({ state: "open" })).toBe(204);
  expect(await set({ state: "open", tool: "put" })).toBe(204);
  expect(await state()).toEqual(["open", "open"]);
  expect(await set({ state: "closed" })).toBe(204);
  expect(await state()).toEqual(["closed", "closed"]);
  expect(await call()).toBe(0);
});

test("the history is the store's, the newest first, by server, number and time", async () => {
  const asked: unknown[] = [];
  const at = Date.UTC(2026, 10, 20, 8);
  const { ask } = await startApi({
    linkHistory: async (filter) => {
      asked.push(filter);
      const row = {
        at,
        endpoint: "a:1",
        from: "connected",
        to: "reconnecting",
        reason: "it broke",
      };
      return await Promise.resolve([{ ...row, code: "SERVER_CLOSED" }, row]);
    },
  });
  const { status, json: shown } = await ask("operator", "GET", "/api/servers/fixed/history");
  expect(status).toBe(200);
  const entry = {
    at: "2026-11-20T08:00:00.000Z",
    endpoint: "a:1",
    from: "connected",
    to: "reconnecting",
    reason: "it broke",
  };
  expect(shown).toEqual({ history: [{ ...entry, code: "SERVER_CLOSED" }, entry] });
  await ask(
    "operator",
    "GET",
    "/api/servers/fixed/history?limit=7&before=2026-11-20T08%3A00%3A00.000Z",
  );
  expect(asked).toEqual([
    { server: "fixed", limit: 100 },
    { server: "fixed", limit: 7, before: at },
  ]);
});

test("without a database there is no history, and it says so", async () => {
  const { ask } = await startApi({
    linkHistory: async () => {
      await Promise.resolve();
      throw new SignalboxError("STORE_UNAVAILABLE", "The database does not answer.");
    },
  });
  const { status, json: shown } = await ask("operator", "GET", "/api/servers/fixed/history");
  expect([status, shown.code]).toEqual([503, "STORE_UNAVAILABLE"]);
});

test.each([
  ["GET", "/api/servers/none", undefined],
  ["GET", "/api/servers/none/history", undefined],
  ["POST", "/api/servers/none/endpoints/a/drain", undefined],
  ["POST", "/api/servers/none/endpoints/a/resume", undefined],
  ["POST", "/api/servers/none/breaker", { state: "open" }],
])("%s %s is 404, as there is no such server", async (method, path, body) => {
  const { ask } = await startApi();
  const { status, json: shown } = await ask("operator", method, path, body);
  expect([status, shown.code]).toEqual([404, "SERVER_NOT_FOUND"]);
});

test("an endpoint that the server does not have is 404, and those it has are named", async () => {
  const { ask, endpoints } = await scene();
  for (const verb of ["drain", "resume"]) {
    const path = `/api/servers/fixed/endpoints/nowhere/${verb}`;
    const { status, json: shown } = await ask("operator", "POST", path);
    expect([status, shown.code]).toEqual([404, "ENDPOINT_NOT_FOUND"]);
    expect(shown.message).toContain(`"${endpoints[0]}", "${endpoints[1]}"`);
  }
});

test("what a server that is switched off cannot do is refused, not silently left undone", async () => {
  const { ask } = await scene();
  await ask("admin", "POST", "/api/servers", { name: "off", command: "x", enabled: false });
  for (const [path, body] of [
    ["endpoints/local/drain", undefined],
    ["endpoints/local/resume", undefined],
    ["breaker", { state: "open" }],
  ] as const) {
    const { status, json: shown } = await ask("operator", "POST", `/api/servers/off/${path}`, body);
    expect([path, status, shown.code]).toEqual([path, 503, "SERVER_DISABLED"]);
  }
});

test.each([
  ["POST", "/api/servers/fixed/breaker", undefined],
  ["POST", "/api/servers/fixed/breaker", {}],
  ["POST", "/api/servers/fixed/breaker", { state: "half_open" }],
  ["POST", "/api/servers/fixed/breaker", { state: "open", tool: "" }],
  ["POST", "/api/servers/fixed/breaker", { state: "open", tools: ["put"] }],
  ["POST", "/api/servers/fixed/endpoints/a/drain", { force: true }],
  ["GET", "/api/servers/fixed/history?limit=0", undefined],
  ["GET", "/api/servers/fixed/history?limit=1001", undefined],
  ["GET", "/api/servers/fixed/history?limit=some", undefined],
  ["GET", "/api/servers/fixed/history?before=yesterday", undefined],
  ["GET", "/api/servers/fixed/history?after=2026-11-20T08:00:00Z", undefined],
])("%s %s with %j is refused before anything is done", async (method, path, body) => {
  const { ask, gateway } = await startApi();
  const { status, json: shown } = await ask("operator", method, path, body);
  expect([status, shown.code]).toEqual([400, "BODY_INVALID"]);
  expect(gateway.steered).toEqual([]);
});

test("who may only call sees and steers nothing of this", async () => {
  const { ask, gateway } = await startApi();
  for (const [method, path, scope] of [
    ["GET", "/api/servers/fixed", "read"],
    ["GET", "/api/servers/fixed/history", "read"],
    ["POST", "/api/servers/fixed/endpoints/a.example/drain", "operate"],
    ["POST", "/api/servers/fixed/endpoints/a.example/resume", "operate"],
    ["POST", "/api/servers/fixed/breaker", "operate"],
  ] as const) {
    const body = path.endsWith("breaker") ? { state: "open" } : undefined;
    const refused = await ask("caller", method, path, body);
    expect([path, refused.status]).toEqual([path, 403]);
    expect(refused.json).toMatchObject({ code: "FORBIDDEN", details: { scope } });
    expect((await ask(undefined, method, path, body)).status).toBe(401);
  }
  expect(gateway.steered).toEqual([]);
});
