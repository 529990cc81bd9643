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

const sent = (): unknown[] => api.requests.map(({ body }) => body);
const rules = [
  { effect: "allow", servers: ["files"] },
  { effect: "deny", tools: ["w*", "x"] },
];
const reader = { name: "reader", origin: "store", options: { scopes: ["call", "read"], rules } };

test("access check says yes or no, and ends with 1 for no", async () => {
  api.answer({ "POST /api/access/check": [200, { allowed: true }] });
  expect(await run("access", "check", "neon", "read")).toMatchObject({ code: 0, stdout: "yes\n" });
  api.answer({ "POST /api/access/check": [200, { allowed: false }] });
  expect(await run("access", "check", "neon", "write", "--for", "key_1")).toMatchObject({
    code: 1,
    stdout: "no\n",
  });
  expect(JSON.parse((await run("access", "check", "a", "call", "--json")).stdout)).toEqual({
    allowed: false,
  });
  expect(sent()).toEqual([
    { server: "neon", permission: "read" },
    { server: "neon", permission: "write", key: "key_1" },
    { server: "a", permission: "call" },
  ]);
});

test("access explain says why, with the rule that decided", async () => {
  const told = {
    allowed: false,
    reason: 'Rule 2 of the role "reader" denies it.',
    rule: { of: "role", place: 2, rule: rules[1] },
  };
  api.answer({ "POST /api/access/explain": [200, told] });
  expect(await run("access", "explain", "--tool", "files__w", "--for", "key_1")).toMatchObject({
    code: 1,
    stdout: 'no  Rule 2 of the role "reader" denies it.\n     deny tools=w*,x\n',
  });
  await run("access", "explain", "--server", "files", "--action", "manage", "--bundle", "b");
  expect(sent()).toEqual([
    { tool: "files__w", key: "key_1" },
    { server: "files", action: "manage", bundle: "b" },
  ]);
  for (const args of [[], ["--tool", "a", "--server", "b"]]) {
    expect((await run("access", "explain", ...args)).code).toBe(2);
  }
});

test("roles are listed and shown with their rules", async () => {
  api.answer({
    "GET /api/roles": [200, { roles: [reader] }],
    "GET /api/roles/reader": [200, reader],
  });
  expect((await run("roles")).stdout).toBe(
    "NAME    SCOPES     RULES  FROM\nreader  call read  2      store\n",
  );
  expect((await run("roles", "show", "reader")).stdout).toBe(
    "reader\n  scopes: call read\n  1. allow servers=files\n  2. deny tools=w*,x\n",
  );
});

test("roles are created, updated and removed", async () => {
  api.answer({
    "POST /api/roles": [201, reader],
    "PUT /api/roles/reader": [200, reader],
    "DELETE /api/roles/reader": [204],
  });
  const given = JSON.stringify(rules);
  expect((await run("roles", "create", "reader", "--rules", given)).stdout).toBe(
    "created reader\n",
  );
  const scopes = ["--scope", "call", "--scope", "read"];
  expect((await run("roles", "update", "reader", ...scopes, "--rules", "[]")).stdout).toBe(
    "updated reader\n",
  );
  expect((await run("roles", "remove", "reader", "--yes")).stdout).toBe("removed reader\n");
  expect(sent()).toEqual([
    { name: "reader", rules },
    { scopes: ["call", "read"], rules: [] },
    undefined,
  ]);
  for (const wrong of ["{}", "nothing", "@/nowhere/at/all"]) {
    expect((await run("roles", "create", "reader", "--rules", wrong)).code).toBe(2);
  }
  expect((await run("roles", "create", "reader")).code).toBe(2);
});

test("projects are listed, created and removed", async () => {
  const project = {
    name: "payments",
    origin: "store",
    options: { title: "Payments" },
    servers: 2,
    bundles: 1,
    keys: 0,
  };
  api.answer({
    "GET /api/projects": [200, { projects: [project] }],
    "POST /api/projects": [201, project],
    "DELETE /api/projects/payments": [
      409,
      { code: "CONFLICT", message: "The project still has 2 servers." },
    ],
  });
  expect((await run("projects")).stdout).toBe(
    "NAME      TITLE     SERVERS  BUNDLES  KEYS  FROM\npayments  Payments  2        1        0     store\n",
  );
  await run("projects", "create", "payments", "--title", "Payments");
  expect(sent().at(-1)).toEqual({ name: "payments", title: "Payments" });
  const refused = await run("projects", "remove", "payments", "--yes");
  expect([refused.code, refused.stdout]).toEqual([6, ""]);
  expect(refused.stderr).toContain("still has 2 servers");
});

test("a key is made for a project, with what limits it as rules", async () => {
  const record = { id: "key_1", name: "k", role: "caller", project: "payments" };
  api.answer({ "POST /api/keys": [201, { key: "sbx_new", record }] });
  await run("keys", "create", "k", "--project", "payments");
  await run(
    "keys",
    "create",
    "k",
    "--allow-server",
    "a*",
    "--allow-tool",
    "x",
    "--allow-tool",
    "y",
  );
  await run("keys", "create", "k", "--deny-tool", "z", "--read-only");
  const plain = { name: "k", role: "caller", bundles: "all" };
  expect(sent()).toEqual([
    { ...plain, project: "payments" },
    { ...plain, rules: [{ effect: "allow", servers: ["a*"], tools: ["x", "y"] }] },
    {
      ...plain,
      rules: [
        { effect: "deny", tools: ["z"] },
        { effect: "deny", actions: ["write"] },
      ],
    },
  ]);
});

test("servers and bundles are added to a project", async () => {
  api.answer({ "POST /api/servers": [201, {}], "POST /api/bundles": [201, {}] });
  await run("servers", "add", "a", "--url", "https://a.example/mcp", "--project", "p", "--no-test");
  await run("bundles", "create", "b", "--include", "a__*", "--project", "p");
  expect(sent()).toEqual([
    expect.objectContaining({ name: "a", project: "p" }),
    { name: "b", include: ["a__*"], project: "p" },
  ]);
});
