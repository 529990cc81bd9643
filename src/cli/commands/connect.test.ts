import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

let api: FakeApi;
let home: string;

beforeEach(async () => {
  const record = {
    id: "key_1",
    name: "desk",
    role: "caller",
    bundles: ["coding"],
    prefix: "sbx_made",
  };
  api = await FakeApi.start({
    "POST /api/keys": [201, { key: "sbx_made", record }],
    "GET /api/bundles/coding": [200, { name: "coding", origin: "store", options: {} }],
    "GET /api/bundles/nope": [
      404,
      { code: "BUNDLE_NOT_FOUND", message: 'There is no bundle "nope".' },
    ],
  });
  home = await mkdtemp(join(tmpdir(), "signalbox-connect-"));
  await writeFile(join(home, "gateway.json"), JSON.stringify({ url: api.url, pid: 1 }));
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const answer = z.object({
  url: z.string(),
  snippets: z.array(z.object({ title: z.string(), file: z.string().optional(), text: z.string() })),
});

async function connect(
  client: string,
  ...more: string[]
): Promise<{ url: string; texts: string[] }> {
  const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home, SIGNALBOX_KEY: "sbx_mine" } });
  expect(await runCli(["connect", client, ...more, "--json"], terminal.io)).toBe(0);
  expect(terminal.stdout()).not.toContain("sbx_mine");
  const { url, snippets } = answer.parse(JSON.parse(terminal.stdout()));
  return { url, texts: snippets.map(({ text }) => text) };
}

test("Claude Code gets a command and a file that refers to the environment", async () => {
  const { url, texts } = await connect("claude-code");
  expect(url).toBe(`${api.url}/mcp`);
  expect(texts[0]).toBe(
    `claude mcp add --transport http signalbox ${url} --header "Authorization: Bearer $SIGNALBOX_KEY"`,
  );
  expect(JSON.parse(texts[1] ?? "")).toEqual({
    mcpServers: {
      signalbox: { type: "http", url, headers: { Authorization: "Bearer ${SIGNALBOX_KEY}" } },
    },
  });
});

test("Claude Desktop gets the stdio bridge with absolute paths", async () => {
  const { texts } = await connect("claude-desktop", "--bundle", "coding");
  expect(JSON.parse(texts[0] ?? "")).toEqual({
    mcpServers: {
      "signalbox-coding": {
        command: "/opt/node",
        args: ["/opt/signalbox.mjs", "stdio", "--home", home, "--bundle", "coding"],
        env: { SIGNALBOX_KEY: "<your key>" },
      },
    },
  });
});

test("Cursor, VS Code and Gemini get their own ways to name the key", async () => {
  const url = `${api.url}/mcp`;
  expect(JSON.parse((await connect("cursor")).texts[0] ?? "")).toEqual({
    mcpServers: { signalbox: { url, headers: { Authorization: "Bearer ${env:SIGNALBOX_KEY}" } } },
  });
  expect(JSON.parse((await connect("vscode")).texts[0] ?? "")).toEqual({
    inputs: [
      { type: "promptString", id: "signalbox-key", description: "Signalbox key", password: true },
    ],
    servers: {
      signalbox: { type: "http", url, headers: { Authorization: "Bearer ${input:signalbox-key}" } },
    },
  });
  expect(JSON.parse((await connect("gemini")).texts[0] ?? "")).toEqual({
    mcpServers: {
      signalbox: { httpUrl: url, headers: { Authorization: "Bearer ${SIGNALBOX_KEY}" } },
    },
  });
});

test("Codex gets TOML that names the variable", async () => {
  const { url, texts } = await connect("codex");
  expect(parse(texts[1] ?? "")).toEqual({
    mcp_servers: { signalbox: { url, bearer_token_env_var: "SIGNALBOX_KEY" } },
  });
});

test("plain HTTP gets both eras", async () => {
  const { texts } = await connect("http");
  expect(texts[1]).toContain("-H 'Mcp-Method: tools/list'");
  expect(texts[2]).toContain('"method":"initialize"');
  expect(texts[2]).toContain('-H "Mcp-Session-Id: $SESSION"');
});

test("--create-key makes a caller key for the bundle and writes it out once", async () => {
  const { texts } = await connect("cursor", "--create-key", "desk", "--bundle", "coding");
  expect(api.requests.at(-1)?.body).toEqual({ name: "desk", role: "caller", bundles: ["coding"] });
  expect(texts[0]).toContain('"Bearer sbx_made"');
});

test("a bundle that does not exist ends with exit code 5 before a key is made", async () => {
  const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home, SIGNALBOX_KEY: "sbx_mine" } });
  const args = ["connect", "http", "--bundle", "nope", "--create-key", "desk"];
  expect(await runCli(args, terminal.io)).toBe(5);
  expect(terminal.stderr()).toContain('There is no bundle "nope".');
  expect(terminal.stdout()).toBe("");
  expect(api.requests.map(({ method }) => method)).toEqual(["GET"]);
});

test("a bundle that cannot be asked for is noted: no key, a key that may not read, no gateway", async () => {
  const note = async (env: Record<string, string>): Promise<string> => {
    const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home, ...env } });
    expect(await runCli(["connect", "http", "--bundle", "nope"], terminal.io)).toBe(0);
    expect(terminal.stdout()).toContain("/mcp/nope");
    return terminal.stderr();
  };
  const unchecked = 'Whether there is a bundle "nope" could not be checked: ';
  expect(await note({})).toContain(`${unchecked}no key.`);
  const gone = { SIGNALBOX_URL: "http://127.0.0.1:1", SIGNALBOX_KEY: "sbx_mine" };
  expect(await note(gone)).toContain(`${unchecked}The gateway at`);
  api.answer({
    "GET /api/bundles/nope": [403, { code: "FORBIDDEN", message: "Your key may not read this." }],
  });
  expect(await note({ SIGNALBOX_KEY: "sbx_mine" })).toContain(`${unchecked}Your key may not`);
});

test("for a person the texts stand alone on stdout, each below where it goes", async () => {
  const terminal = fakeTerminal({ env: { SIGNALBOX_HOME: home } });
  expect(await runCli(["connect", "gemini"], terminal.io)).toBe(0);
  expect(terminal.stdout()).toMatch(
    /^Put this in the file below:\n {2}~\/\.gemini\/settings\.json[^\n]*\n\n\{\n/,
  );
  expect(terminal.stderr()).toContain("signalbox keys create");
});
