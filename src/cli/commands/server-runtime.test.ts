import { expect, test } from "vitest";
import { againstFakeApi } from "../fake-run.ts";

const cli = againstFakeApi();
const { run } = cli;

const at = (minute: number): string => `2026-11-20T08:${String(minute).padStart(2, "0")}:00.000Z`;
const step = (minute: number, from: string, to: string, reason: string): object => ({
  at: at(minute),
  from,
  to,
  reason,
});
const first = {
  id: "one.example",
  url: "https://one.example/mcp",
  state: "connected",
  since: at(5),
  uptime: 0.98765,
  reconnects: 2,
  lanes: 1,
  connections: { open: 5, busy: 3, waiting: 0, max: 50 },
  balance: { score: 0.987, latencyMs: 12.34, inFlight: 3, weight: 1, ejectedUntil: at(9) },
  history: [
    step(4, "connected", "reconnecting", "the connection broke"),
    step(5, "reconnecting", "connected", "speaks 2026-07-28"),
  ],
};
const second = {
  id: "two.example",
  state: "error",
  since: at(7),
  balance: {},
  lastError: { code: "SERVER_TIMEOUT", message: "It did not answer.", at: at(7) },
  history: [step(7, "connecting", "error", "It did not answer.")],
};
const shop = {
  name: "shop",
  status: { state: "degraded", calls: 0, errors: 0 },
  runtime: {
    primary: "one.example",
    strategy: "least_connections",
    endpoints: [first, second],
    breakers: {
      server: { state: "closed", failures: 0 },
      tools: {
        put: { state: "half_open", failures: 0 },
        get: { state: "open", failures: 0, reason: "opened by an operator" },
      },
    },
    bulkhead: { running: 4, waiting: 1 },
    retries: { repeated: 7, recovered: 5 },
    uptime: [{ endpoint: "one.example", day: 0.995, month: 1 }, { endpoint: "two.example" }],
    cache: { keys: 12, bytes: 1_500_000, hits: 9, misses: 3, hitRate: 0.75 },
  },
};

test("show tells of endpoints, breakers, queues and repeats, and what happened last", async () => {
  cli.api.answer({ "GET /api/servers/shop": [200, shop] });
  const { code, stdout, stderr } = await run("servers", "show", "shop");
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe(
    [
      "shop: degraded, least_connections over 2 endpoints",
      "",
      "ENDPOINT     STATE      SINCE                     UPTIME  LOST  SCORE  LATENCY  RUNNING",
      "one.example  connected  2026-11-20T08:05:00.000Z  98.8 %  2     0.99   12.3 ms  3",
      "two.example  error      2026-11-20T08:07:00.000Z          0                     0",
      "two.example: It did not answer. (SERVER_TIMEOUT)",
      "one.example: 5 connections, 3 in use, 0 waiting",
      "one.example: left out by the balance until 2026-11-20T08:09:00.000Z",
      "one.example: up 99.5 % of 24 h, 100.0 % of 30 d",
      "",
      "breaker: closed",
      "breaker of put: half open",
      "breaker of get: open (opened by an operator)",
      "running 4, waiting 1",
      "repeated 7, recovered 5",
      "cache: 12 answers, 1.5 MB, 75.0 % of lookups hit",
      "",
      "WHEN                      ENDPOINT     FROM          TO            WHY",
      "2026-11-20T08:07:00.000Z  two.example  connecting    error         It did not answer.",
      "2026-11-20T08:05:00.000Z  one.example  reconnecting  connected     speaks 2026-07-28",
      "2026-11-20T08:04:00.000Z  one.example  connected     reconnecting  the connection broke",
      "",
    ].join("\n"),
  );
});

test("show has the eight newest steps, and of two at the same time the later one first", async () => {
  const history = Array.from({ length: 12 }, (_, index) =>
    step(Math.floor(index / 2), "connected", "degraded", `step ${index}`),
  );
  const runtime = { ...shop.runtime, endpoints: [{ ...first, history }] };
  cli.api.answer({ "GET /api/servers/shop": [200, { ...shop, runtime }] });
  const { stdout } = await run("servers", "show", "shop");
  expect(stdout).toContain("over 1 endpoint\n");
  expect(stdout.match(/step \d+/g)).toEqual([11, 10, 9, 8, 7, 6, 5, 4].map((n) => `step ${n}`));
});

test("a server that is switched off is shown by its state alone", async () => {
  cli.api.answer({ "GET /api/servers/off": [200, { name: "off", status: { state: "disabled" } }] });
  expect((await run("servers", "show", "off")).stdout).toBe("off: disabled\n");
});

test("with --json a server is shown as the API has it", async () => {
  cli.api.answer({ "GET /api/servers/shop": [200, shop] });
  expect(JSON.parse((await run("servers", "show", "shop", "--json")).stdout)).toEqual(shop);
});

test("what a server says of itself cannot steer the terminal", async () => {
  const lastError = { code: "X", message: "\u001B]0;owned\u0007", at: at(1) };
  const runtime = { ...shop.runtime, endpoints: [{ ...first, lastError }] };
  cli.api.answer({ "GET /api/servers/shop": [200, { ...shop, runtime }] });
  const { stdout } = await run("servers", "show", "shop");
  expect(stdout).toContain("owned");
  expect(stdout).not.toContain("\u001B");
  expect(stdout).not.toContain("\u0007");
});

test("an endpoint is drained and taken back by its id, whatever stands in it", async () => {
  const path = "/api/servers/shop/endpoints/one.example%3A8080%232";
  cli.api.answer({ [`POST ${path}/drain`]: [204], [`POST ${path}/resume`]: [204] });
  const drained = await run("servers", "drain", "shop", "one.example:8080#2");
  expect(drained).toEqual({
    code: 0,
    stdout: "one.example:8080#2 of shop gets no new calls.\n",
    stderr: "",
  });
  const resumed = await run("servers", "resume", "shop", "one.example:8080#2");
  expect(resumed.stdout).toBe("one.example:8080#2 of shop gets calls again.\n");
  const { stdout } = await run("servers", "drain", "shop", "one.example:8080#2", "--json");
  expect(JSON.parse(stdout)).toEqual({
    name: "shop",
    endpoint: "one.example:8080#2",
    drained: true,
  });
  expect(cli.api.requests.map(({ body }) => body)).toEqual([{}, {}, {}]);
});

test("an endpoint that is not there ends with 5 and what the gateway says", async () => {
  const message = 'Server "shop" has no endpoint "nowhere"; it has "one.example".';
  cli.api.answer({
    "POST /api/servers/shop/endpoints/nowhere/drain": [
      404,
      { code: "ENDPOINT_NOT_FOUND", message, requestId: "req_1" },
    ],
  });
  const { code, stdout, stderr } = await run("servers", "drain", "shop", "nowhere");
  expect([code, stdout]).toEqual([5, ""]);
  expect(stderr).toContain(message);
});

test("a breaker is opened and closed, the server's or a tool's", async () => {
  cli.api.answer({ "POST /api/servers/shop/breaker": [204] });
  const said = [
    await run("servers", "breaker", "shop", "open"),
    await run("servers", "breaker", "shop", "close"),
    await run("servers", "breaker", "shop", "open", "--tool", "put"),
  ];
  expect(said.map(({ stdout }) => stdout)).toEqual([
    "The breaker of shop is open.\n",
    "The breaker of shop is closed.\n",
    "The breaker of put of shop is open.\n",
  ]);
  const { stdout } = await run("servers", "breaker", "shop", "close", "--tool", "put", "--json");
  expect(JSON.parse(stdout)).toEqual({ name: "shop", state: "closed", tool: "put" });
  expect(cli.api.requests.map(({ body }) => body)).toEqual([
    { state: "open" },
    { state: "closed" },
    { state: "open", tool: "put" },
    { state: "closed", tool: "put" },
  ]);
});

test.each([
  [["servers", "breaker", "shop", "half_open"]],
  [["servers", "breaker", "shop"]],
  [["servers", "drain", "shop"]],
  [["servers", "show"]],
])("%j is a mistake in writing: it ends with 2 and asks the gateway nothing", async (argv) => {
  const { code, stderr } = await run(...argv);
  expect(code).toBe(2);
  expect(stderr).toMatch(/\(USAGE\)\n$/);
  expect(cli.api.requests).toEqual([]);
});
