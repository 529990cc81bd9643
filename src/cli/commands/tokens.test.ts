import { expect, onTestFinished, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

const created = { token: "a.made.token", expiresAt: "2026-11-21T08:00:00.000Z" };

async function run(...argv: string[]): Promise<{ api: FakeApi; code: number; stdout: string }> {
  const api = await FakeApi.start();
  onTestFinished(async () => {
    await api[Symbol.asyncDispose]();
  });
  api.answer({ "POST /api/tokens": [201, created] });
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key" };
  const terminal = fakeTerminal({ env });
  const code = await runCli(argv, terminal.io);
  return { api, code, stdout: terminal.stdout() };
}

test("create asks for a token and prints it alone", async () => {
  const { code, stdout, api } = await run(
    "tokens",
    "create",
    "agent-7",
    "--bundle",
    "coding",
    "--expires-in",
    "8h",
  );
  expect([code, stdout]).toEqual([0, "a.made.token\n"]);
  expect(api.requests.at(-1)?.body).toEqual({
    subject: "agent-7",
    role: "caller",
    bundles: ["coding"],
    expiresIn: "8h",
  });
});

test("create --json prints what the API answered", async () => {
  const { stdout } = await run("tokens", "create", "agent-7", "--json");
  expect(JSON.parse(stdout)).toEqual(created);
});
