import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal, type FakeTerminalOptions } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

const stored = {
  name: "github",
  project: "default",
  updatedAt: "2026-11-20T08:00:00.000Z",
  current: true,
  usedBy: ["github", "issues"],
};
let api: FakeApi;
beforeAll(async () => {
  api = await FakeApi.start();
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
});
beforeEach(() => {
  api.requests.length = 0;
  api.answer({
    "PUT /api/secrets/github": [201, stored],
    "GET /api/secrets": [200, { secrets: [stored] }],
    "DELETE /api/secrets/github": [204],
  });
});

async function run(
  argv: readonly string[],
  options: FakeTerminalOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_test" };
  const terminal = fakeTerminal({ env, ...options });
  const code = await runCli(["secrets", ...argv], terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("set takes the value from standard input, less its last line end", async () => {
  const { code, stdout } = await run(["set", "github"], { input: "two\nlines\n" });
  expect([code, stdout]).toEqual([0, "stored github, for github, issues\n"]);
  expect(api.requests[0]).toMatchObject({ method: "PUT", body: { value: "two\nlines" } });
});

test("set asks a person without showing what is typed", async () => {
  const { code, stdout, stderr } = await run(["set", "github", "--owner", "key_1"], {
    tty: true,
    answers: [[/Value of github: $/, "typed-by-hand"]],
  });
  expect(code).toBe(0);
  expect(api.requests[0]?.body).toEqual({ value: "typed-by-hand", owner: "key_1" });
  expect(stdout + stderr).not.toContain("typed-by-hand");
});

test("a value on the command line is refused and not repeated", async () => {
  const { code, stdout, stderr } = await run(["set", "github", "hunter2hunter2"], { input: "x" });
  expect(code).toBe(2);
  expect(stdout + stderr).not.toContain("hunter2");
  expect(api.requests).toEqual([]);
});

test("nothing, and too much, is not stored", async () => {
  expect((await run(["set", "github"], { input: "\n" })).code).toBe(2);
  expect((await run(["set", "github"], { input: "x".repeat(70_000) })).code).toBe(2);
  expect(api.requests).toEqual([]);
});

test("list shows who uses what, and no value", async () => {
  const { stdout } = await run(["list"]);
  expect(stdout).toBe(
    "NAME    PROJECT  OWNER  CHANGED           LAST USED  USED BY\n" +
      "github  default         2026-11-20 08:00  never      github issues\n",
  );
  expect(JSON.parse((await run(["--json"])).stdout)).toEqual({ secrets: [stored] });
});

test("list says where another key has sealed", async () => {
  api.answer({ "GET /api/secrets": [200, { secrets: [{ ...stored, current: false }] }] });
  expect((await run(["list"])).stderr).toContain("signalbox secrets rotate");
  api.answer({ "GET /api/secrets": [200, { secrets: [] }] });
  expect((await run(["list"])).stdout).toBe("No secrets.\n");
});

test("delete tells a person which servers will fail", async () => {
  const answers = [[/Delete github\? github, issues will fail\. \[y\/N\] $/, "y"]] as const;
  expect((await run(["delete", "github"], { tty: true, answers })).code).toBe(0);
  const no = [[/\[y\/N\] $/, "n"]] as const;
  expect((await run(["delete", "github"], { tty: true, answers: no })).code).toBe(2);
  expect(api.requests.filter(({ method }) => method === "DELETE")).toHaveLength(1);
  expect((await run(["delete", "github"])).stdout).toBe("deleted github\n");
});

const rotation = z.object({ after: z.string() });

test("rotate goes on until everything was seen, and fails where something could not be opened", async () => {
  const portions = [
    { table: "secrets", resealed: 2, unreadable: [], left: 2, next: 'secrets:["b"]' },
    { table: "secrets", resealed: 1, unreadable: ["lost"], left: 1, next: "connections:" },
    { table: "connections", resealed: 4, unreadable: [], left: 0 },
  ];
  api.answer({
    "POST /api/secrets/rotate": ({ body }) => [
      200,
      portions[["", 'secrets:["b"]', "connections:"].indexOf(rotation.parse(body).after)],
    ],
  });
  const { code, stdout, stderr } = await run(["rotate"]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/secrets +3 +1\nconnections +4 +0\n/);
  expect(stderr).toContain("No configured key opens lost.");
  expect(api.requests.map(({ body }) => body)).toEqual([
    { after: "" },
    { after: 'secrets:["b"]' },
    { after: "connections:" },
  ]);
});

test("rotate fails where a gateway has sealed with an earlier key meanwhile", async () => {
  const portion = { table: "connections", resealed: 0, unreadable: [], left: 1 };
  api.answer({ "POST /api/secrets/rotate": [200, portion] });
  const { code, stdout, stderr } = await run(["rotate", "--json"]);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    left: 1,
    tables: [{ table: "connections", left: 1 }],
  });
  expect(stderr).toContain("1 were sealed with an earlier key while this ran.");
});

test("generate prints another good secret every time, without a gateway", async () => {
  const one = (await run(["generate"])).stdout;
  expect(Buffer.from(one, "base64")).toHaveLength(32);
  expect((await run(["generate"])).stdout).not.toBe(one);
  expect(Buffer.from((await run(["generate", "--bytes", "48"])).stdout, "base64")).toHaveLength(48);
  expect((await run(["generate", "--bytes", "3"])).code).toBe(2);
  expect(api.requests).toEqual([]);
});
