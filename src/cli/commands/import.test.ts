import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeApi } from "../fake-api.ts";
import { fakeTerminal } from "../fake-terminal.ts";
import type { FakeTerminalOptions } from "../fake-terminal.ts";
import { runCli } from "../run-cli.ts";

let api: FakeApi;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-import-"));
  api = await FakeApi.start({
    "GET /api/servers": [
      200,
      { servers: [{ name: "taken", origin: "store", readOnly: false, options: {} }] },
    ],
    "POST /api/servers": ({ body }) => [201, body],
    "POST /api/servers/files/test": [200, { ok: true, ms: 5, tools: 14 }],
    "POST /api/servers/search/test": [
      200,
      { ok: false, ms: 5, error: { code: "SERVER_UNREACHABLE", message: "No route." } },
    ],
  });
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, content: string | object): Promise<void> {
  await mkdir(join(folder, name, ".."), { recursive: true });
  await writeFile(
    join(folder, name),
    typeof content === "string" ? content : JSON.stringify(content),
  );
}

async function run(
  argv: readonly string[],
  options: FakeTerminalOptions = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key", ...options.env };
  const terminal = fakeTerminal({ cwd: folder, ...options, env });
  const io = { ...terminal.io, userHome: join(folder, "home") };
  const code = await runCli(["import", ...argv], io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

function added(): unknown[] {
  return api.requests
    .filter(({ method, path }) => method === "POST" && path === "/api/servers")
    .map(({ body }) => body);
}

const two = {
  mcpServers: {
    files: {
      command: "npx",
      args: ["-y", "files", "${workspaceFolder}"],
      env: { API_TOKEN: "${API_TOKEN}", MODE: "m0de-value" },
    },
    search: { url: "https://search.example.com/mcp" },
  },
};

describe("on a terminal", () => {
  test("shows each server, asks before it is added, and asks for what has no value without showing it", async () => {
    await write(".mcp.json", two);
    const ran = await run([".mcp.json"], {
      tty: true,
      answers: [
        [/Add files\? \[y\/N\] $/, "y"],
        [/API_TOKEN: $/, "s3cret"],
        [/Add search\? \[y\/N\] $/, ""],
      ],
    });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain(
      `files: runs npx -y files ${folder}\n  variables API_TOKEN=*** MODE=***\n  asks for API_TOKEN`,
    );
    expect(ran.stderr + ran.stdout).not.toMatch(/s3cret|m0de-value/);
    expect(ran.stdout).toBe("files: added, 14 tools\nsearch: declined. You said no.\n");
    expect(added()).toEqual([
      {
        name: "files",
        command: "npx",
        args: ["-y", "files", folder],
        env: { API_TOKEN: "s3cret", MODE: "m0de-value" },
      },
    ]);
  });
});

describe("without a terminal", () => {
  test("nothing is added unless --yes says so", async () => {
    await write(".mcp.json", two);
    const ran = await run([".mcp.json"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("--yes");
    expect(added()).toEqual([]);
  });

  test("a value that is missing is named, and nothing is added", async () => {
    await write(".mcp.json", two);
    const ran = await run([".mcp.json", "--yes"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("API_TOKEN (for files)");
    expect(added()).toEqual([]);
  });

  test("with --yes and every value everything is added, tested and summed up", async () => {
    await write(".mcp.json", two);
    const ran = await run([".mcp.json", "--yes", "--json"], { env: { API_TOKEN: "t" } });
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      servers: [
        { name: "files", outcome: "added", test: { ok: true } },
        {
          name: "search",
          outcome: "added",
          test: { ok: false, error: { code: "SERVER_UNREACHABLE" } },
        },
      ],
    });
    expect(added()).toHaveLength(2);
  });

  test("what the gateway refuses does not stop the others", async () => {
    await write(".mcp.json", two);
    api.answer({
      "POST /api/servers": ({ body }) =>
        JSON.stringify(body).includes("search")
          ? [201, body]
          : [409, { code: "NAME_TAKEN", message: "Taken.", requestId: "r" }],
    });
    const ran = await run([".mcp.json", "--yes"], { env: { API_TOKEN: "t" } });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain("files: failed. Taken.\nsearch: added");
  });
});

test("--dry-run shows everything masked, adds nothing and needs no gateway", async () => {
  await write(
    "x/.vscode/mcp.json",
    `{
    // comment
    "servers": { "My Server": { "command": "run", "env": { "TOKEN": "s3cret" } }, "sock": { "url": "unix:///x" } },
  }`,
  );
  const ran = await run(["x/.vscode/mcp.json", "--dry-run"], {
    env: { SIGNALBOX_URL: "http://127.0.0.1:1" },
  });
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("my-server: runs run\n  variables TOKEN=***\n");
  expect(ran.stdout).toContain("sock: skipped. It listens on a local socket");
  expect(ran.stdout).not.toContain("s3cret");
  expect(ran.stderr).toContain("Not compared with what the gateway has");
  expect((await run(["x/.vscode/mcp.json", "--dry-run", "--json"])).stdout).not.toContain("s3cret");
});

test("without a file the known places are looked through", async () => {
  await write("home/.cursor/mcp.json", { mcpServers: { files: { command: "a" } } });
  await write("home/.claude.json", { mcpServers: { taken: { command: "b" } } });
  await write(".vscode/mcp.json", "{ broken");
  const ran = await run(["--yes"]);
  expect(ran.stderr).toContain(`Cursor: ${join(folder, "home/.cursor/mcp.json")}, 1 server`);
  expect(ran.stderr).toContain(
    `VS Code (this project): ${join(folder, ".vscode/mcp.json")} is passed over`,
  );
  expect(ran.stdout).toContain("files: added, 14 tools");
  expect(ran.stdout).toContain("taken: skipped. The gateway already has a server named taken.");
});

test("a file of variables is read in, below what the entry sets itself", async () => {
  await write(".env.server", "A=file\nB=file\n");
  await write(".mcp.json", {
    mcpServers: {
      files: { command: "x", env: { B: "entry" }, envFile: "${workspaceFolder}/.env.server" },
    },
  });
  await run([".mcp.json", "--yes"]);
  expect(added()).toEqual([
    { name: "files", command: "x", args: [], env: { A: "file", B: "entry" } },
  ]);
});

test("no known file, an unreadable one and one of another kind are said", async () => {
  expect(await run([])).toMatchObject({
    code: 5,
    stderr: expect.stringContaining("No client's file was found"),
  });
  expect(await run(["none.json"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("cannot be opened"),
  });
  await write("bad.json", '{"mcpServers": {');
  expect(await run(["bad.json"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("line 1, column 17"),
  });
  await write("other.json", { a: 1 });
  expect(await run(["other.json"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("none of the shapes"),
  });
});
