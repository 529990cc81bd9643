import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal, type FakeTerminalOptions } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

const ada = {
  id: "person_1",
  name: "ada",
  email: "ada@example.com",
  role: "operator",
  project: "*",
  hasPassword: true,
  totp: "on",
  lastSignInAt: "2026-11-20T08:00:00.000Z",
};
const bob = { ...ada, id: "person_2", name: "bob", email: undefined, totp: "off" };
const PASSWORD = "four random words here";

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
    "POST /api/people": [201, ada],
    "GET /api/people": [200, { people: [ada, { ...bob, disabledAt: "2026-11-21T08:00:00.000Z" }] }],
    "PUT /api/people/person_1": [200, ada],
    "PUT /api/people/person_2": [200, bob],
    "POST /api/people/person_1/password": [200, ada],
    "DELETE /api/people/person_1/totp": [200, ada],
    "DELETE /api/people/person_2": [200, { removed: true }],
  });
});

async function run(
  argv: readonly string[],
  options: FakeTerminalOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_test" };
  const terminal = fakeTerminal({ env, ...options });
  const code = await runCli(["people", ...argv], terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("add takes the password from standard input", async () => {
  const argv = ["add", "ada", "--role", "operator", "--project", "*", "--email", "ada@example.com"];
  const { code, stdout } = await run(argv, { input: `${PASSWORD}\n` });
  expect([code, stdout]).toEqual([0, "added ada\n"]);
  expect(api.requests[0]).toMatchObject({
    method: "POST",
    body: { name: "ada", role: "operator", project: "*", password: PASSWORD },
  });
});

test("add asks a person twice, without showing what is typed", async () => {
  const { code, stdout, stderr } = await run(["add", "ada", "--role", "admin"], {
    tty: true,
    answers: [
      [/Password of ada: $/, PASSWORD],
      [/The same again: $/, PASSWORD],
    ],
  });
  expect(code).toBe(0);
  expect(api.requests[0]?.body).toEqual({ name: "ada", role: "admin", password: PASSWORD });
  expect(stdout + stderr).not.toContain(PASSWORD);
});

test("two passwords that differ add nobody", async () => {
  const { code } = await run(["add", "ada", "--role", "admin"], {
    tty: true,
    answers: [
      [/Password of ada: $/, PASSWORD],
      [/The same again: $/, "another one"],
    ],
  });
  expect(code).toBe(2);
  expect(api.requests).toEqual([]);
});

test("a password on the command line is refused and not repeated", async () => {
  for (const argv of [
    ["add", "ada", "hunter2hunter2", "--role", "admin"],
    ["reset-password", "ada", "hunter2hunter2"],
  ]) {
    const { code, stdout, stderr } = await run(argv, { input: "x" });
    expect(code).toBe(2);
    expect(stdout + stderr).not.toContain("hunter2");
  }
  expect(api.requests).toEqual([]);
});

test("add without a password asks for none", async () => {
  const argv = ["add", "ada", "--role", "admin", "--email", "ada@example.com", "--no-password"];
  expect((await run(argv)).code).toBe(0);
  expect(api.requests[0]?.body).toEqual({ name: "ada", role: "admin", email: "ada@example.com" });
});

test("list shows who signs in with what", async () => {
  const { stdout } = await run(["list"]);
  const [, first = "", second = ""] = stdout.split("\n");
  expect(first).toMatch(
    /^ada +ada@example\.com +operator +\* +password \+ code, provider +2026-11-20 08:00 +enabled/,
  );
  expect(second).toMatch(/^bob +operator +\* +password +2026-11-20 08:00 +disabled 2026-11-21/);
  expect(JSON.parse((await run(["--json"])).stdout).people).toHaveLength(2);
});

test.each([
  [["disable", "ada"], "PUT", "/api/people/person_1", { disabled: true }],
  [["enable", "BOB"], "PUT", "/api/people/person_2", { disabled: false }],
  [["reset-totp", "ada@example.com"], "DELETE", "/api/people/person_1/totp", undefined],
  [["remove", "person_2"], "DELETE", "/api/people/person_2", undefined],
])("%j finds the person by name, address or id", async (argv, method, path, body) => {
  expect((await run(argv)).code).toBe(0);
  const asked = api.requests.at(-1);
  expect([asked?.method, asked?.path]).toEqual([method, path]);
  expect(asked?.body).toEqual(body);
});

test("reset-password reads another password", async () => {
  expect((await run(["reset-password", "ada"], { input: PASSWORD })).code).toBe(0);
  expect(api.requests.at(-1)?.body).toEqual({ password: PASSWORD });
});

test("what takes something away asks where somebody can answer", async () => {
  const no = { tty: true, answers: [[/\[y\/N\] $/, "n"]] } satisfies FakeTerminalOptions;
  for (const argv of [
    ["reset-totp", "ada"],
    ["remove", "bob"],
  ]) {
    expect((await run(argv, no)).code).toBe(2);
    expect(api.requests.at(-1)?.method).toBe("GET");
  }
});

test("who is not there is not found", async () => {
  const { code, stderr } = await run(["disable", "eve"]);
  expect(code).toBe(5);
  expect(stderr).toContain('There is no person "eve".');
});
