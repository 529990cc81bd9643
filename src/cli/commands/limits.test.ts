import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

let api: FakeApi;

beforeEach(async () => {
  api = await FakeApi.start();
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

async function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key" };
  const terminal = fakeTerminal({ env });
  const code = await runCli(argv, terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

const key = { id: "key_1", name: "ci", role: "caller" };
const allowance = {
  max: 100,
  windowMs: 60_000,
  remaining: 58,
  resetsAt: "2026-11-20T08:00:54.000Z",
};
const shown = {
  caller: { id: "key_1", name: "ci", role: "caller" },
  own: { rate: { max: 100, windowMs: 60_000 }, quota: { month: 9 } },
  rate: { ...allowance, from: "key" },
  servers: [{ server: "search", per: "all", ...allowance }],
  tools: [{ tools: "files__*", per: "caller", ...allowance }],
  quotas: [
    {
      subject: "principal:key_1",
      period: "day",
      quota: 1_000,
      used: 12,
      remaining: 988,
      resetsAt: "2026-11-21T00:00:00.000Z",
    },
    { subject: "project:web", period: "month", quota: 5, resetsAt: "2026-12-01T00:00:00.000Z" },
  ],
  counting: { store: "memory", up: true, gateways: 1, lease: 0.2 },
};

test("show tells what limits there are, what is left, and when they reset", async () => {
  api.answer({ "GET /api/limits": [200, shown] });
  const { code, stdout } = await run("limits");
  expect(code).toBe(0);
  for (const line of [
    /^caller +100 in 60 s +58 +2026-11-20 08:00:54 +set for this key$/m,
    /^server search +100 in 60 s +58 .*of all callers$/m,
    /^tools files__\* +100 in 60 s .*of each caller$/m,
    /^caller +1000 calls a day +988 +2026-11-21 00:00:00/m,
    /^project web +5 calls a month +unknown /m,
  ])
    expect(stdout).toMatch(line);
  expect(JSON.parse((await run("limits", "show", "--json")).stdout)).toEqual(shown);
});

test("show says that there are none, and finds a key by its name", async () => {
  const none = { ...shown, rate: undefined, servers: [], tools: [], quotas: [] };
  api.answer({
    "GET /api/keys": [200, { keys: [key] }],
    "GET /api/limits?key=key_1": [200, none],
  });
  expect((await run("limits", "show", "ci")).stdout).toBe("No limits for ci.\n");
  expect((await run("limits", "show", "nobody")).code).toBe(5);
});

test("set changes what it names and leaves the rest; clear takes everything away first", async () => {
  api.answer({
    "GET /api/keys": [200, { keys: [key] }],
    "GET /api/limits?key=key_1": [200, shown],
    "PUT /api/keys/key_1/limits": (request) => [200, { key: "key_1", limits: request.body }],
  });
  const sent = async (...argv: string[]): Promise<unknown> => {
    expect((await run("limits", "set", "ci", ...argv)).code).toBe(0);
    return api.requests.at(-1)?.body;
  };
  expect(await sent("--rate", "500/10s", "--per-day", "10000")).toEqual({
    rate: { max: 500, windowMs: 10_000 },
    quota: { month: 9, day: 10_000 },
  });
  expect(await sent("--rate", "none", "--per-month", "none")).toEqual({
    rate: { max: 0 },
    quota: { month: 0 },
  });
  expect(await sent("--clear")).toEqual({});
  expect(await sent("--clear", "--rate", "7")).toEqual({ rate: { max: 7, windowMs: 60_000 } });
});

test("what cannot be read is a mistake of usage, and nothing is changed", async () => {
  for (const argv of [[], ["--rate", "many"], ["--rate", "5/eternity"], ["--per-day", "1.5"]]) {
    expect((await run("limits", "set", "ci", ...argv)).code).toBe(2);
  }
  expect(api.requests.filter(({ method }) => method === "PUT")).toEqual([]);
});
