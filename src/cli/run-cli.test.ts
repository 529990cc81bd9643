import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeApi } from "./fake-api.ts";
import type { Answers } from "./fake-api.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import type { FakeTerminalOptions } from "./fake-terminal.ts";
import { runCli } from "./run-cli.ts";

let api: FakeApi;
let folder: string;

beforeEach(async () => {
  api = await FakeApi.start();
  folder = await mkdtemp(join(tmpdir(), "signalbox-cli-"));
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(argv: readonly string[], options: FakeTerminalOptions = {}): Promise<Ran> {
  const env = { SIGNALBOX_URL: api.url, SIGNALBOX_KEY: "sbx_key", ...options.env };
  const terminal = fakeTerminal({ cwd: folder, ...options, env });
  const code = await runCli(argv, terminal.io);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

function refusing(status: number, code: string): Answers {
  return { "GET /api/servers": [status, { code, message: "No.", requestId: "req_7", docs: "x" }] };
}

const everything = {
  name: "everything",
  origin: "store",
  readOnly: false,
  options: { command: "npx", args: ["-y", "@modelcontextprotocol/server-everything"] },
  status: {
    state: "connected",
    transport: "stdio",
    era: "legacy",
    revision: "2025-11-25",
    tools: 13,
    calls: 0,
    errors: 0,
  },
};
const broken = {
  name: "broken",
  origin: "config",
  readOnly: true,
  options: { url: "https://broken.example.com/mcp" },
  status: {
    state: "error",
    transport: "streamable-http",
    calls: 0,
    errors: 1,
    lastError: {
      code: "SERVER_TIMEOUT",
      message: "It did not answer.",
      at: "2026-11-20T08:00:00.000Z",
    },
  },
};

describe("exit codes", () => {
  test.each([
    [401, "KEY_INVALID", 4],
    [403, "FORBIDDEN", 4],
    [404, "SERVER_NOT_FOUND", 5],
    [409, "CONFLICT", 6],
    [413, "BODY_TOO_LARGE", 6],
    [400, "BODY_INVALID", 2],
    [500, "INTERNAL", 1],
    [503, "STORE_UNAVAILABLE", 1],
  ])("an answer %i %s ends with %#", async (status, code, exitCode) => {
    api.answer(refusing(status, code));
    const ran = await run(["servers", "list"]);
    expect(ran.code).toBe(exitCode);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain(code);
    expect(ran.stderr).toContain("req_7");
  });

  test("a gateway that does not answer ends with 3 and says how to start it", async () => {
    const { url } = api;
    await writeFile(join(folder, "gateway.json"), JSON.stringify({ url, pid: 1 }));
    await api[Symbol.asyncDispose]();
    const ran = await run(["status"], { env: { SIGNALBOX_URL: "", SIGNALBOX_HOME: folder } });
    expect(ran).toMatchObject({ code: 3, stdout: "" });
    expect(ran.stderr).toContain(
      `The gateway for ${folder} (${url}) does not answer: start it with \`npm start\`.`,
    );
    api = await FakeApi.start();
  });

  test("an address where none answers ends with 3 and says what to check", async () => {
    const ran = await run(["status"], { env: { SIGNALBOX_URL: "http://127.0.0.1:1" } });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain("The gateway at http://127.0.0.1:1 does not answer.");
    expect(ran.stderr).toContain("Check --url or SIGNALBOX_URL");
  });

  test("a home where none runs ends with 3 and names the home", async () => {
    const ran = await run(["status"], { env: { SIGNALBOX_URL: "", SIGNALBOX_HOME: folder } });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(
      `No gateway is running for ${folder}: start it with \`npm start\`.`,
    );
  });

  test.each([
    [["frobnicate"]],
    [["servers", "add"]],
    [["tools", "--no-such-option"]],
    [["connect", "netscape"]],
  ])("%j is a mistake in writing and ends with 2", async (argv) => {
    const ran = await run(argv);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/^error .+ \(USAGE\)\n$/);
    expect(api.requests).toEqual([]);
  });

  test.each([[["--help"]], [["servers", "add", "--help"]], [["--version"]]])(
    "%j ends with 0",
    async (argv) => {
      const ran = await run(argv);
      expect(ran.code).toBe(0);
      expect(ran.stdout).not.toBe("");
      expect(ran.stderr).toBe("");
    },
  );
});

describe("what is printed", () => {
  test("servers are a table with the reason of a failing one below", async () => {
    api.answer({ "GET /api/servers": [200, { servers: [everything, broken] }] });
    const { stdout, stderr } = await run(["servers"]);
    expect(stdout).toBe(
      [
        "NAME        STATE      SPEAKS      TOOLS  FROM    ADDRESS",
        "everything  connected  2025-11-25  13     store   npx -y @modelcontextprotocol/server-everything",
        "broken      error                         config  https://broken.example.com/mcp",
        "broken: It did not answer. (SERVER_TIMEOUT)",
        "",
      ].join("\n"),
    );
    expect(stderr).toBe("");
  });

  test("with --json it is one document, before or after the command", async () => {
    api.answer({ "GET /api/servers": [200, { servers: [everything] }] });
    for (const argv of [
      ["--json", "servers"],
      ["servers", "list", "--json"],
      ["servers", "--json", "list"],
    ]) {
      expect(JSON.parse((await run(argv)).stdout)).toEqual({ servers: [everything] });
    }
  });

  test("with --json an error is one JSON line on stderr and stdout stays empty", async () => {
    api.answer(refusing(409, "CONFLICT"));
    const ran = await run(["servers", "--json"]);
    expect(ran.stdout).toBe("");
    expect(JSON.parse(ran.stderr)).toEqual({
      error: { code: "CONFLICT", message: "No.", requestId: "req_7" },
    });
  });

  test("colours appear on a terminal only, and not with NO_COLOR or --no-color", async () => {
    api.answer({ "GET /api/servers": [200, { servers: [broken] }] });
    const colour = "\u001B[33m";
    expect((await run(["servers"], { tty: true })).stdout).toContain(colour);
    expect((await run(["servers"])).stdout).not.toContain(colour);
    expect((await run(["servers"], { tty: true, env: { NO_COLOR: "1" } })).stdout).not.toContain(
      colour,
    );
    expect((await run(["servers", "--no-color"], { tty: true })).stdout).not.toContain(colour);
  });

  test("control characters from a server do not reach the terminal", async () => {
    const status = { ...broken.status, lastError: { code: "X", message: "\u001B]0;owned\u0007" } };
    api.answer({ "GET /api/servers": [200, { servers: [{ ...broken, status }] }] });
    const { stdout } = await run(["servers"]);
    expect(stdout).not.toContain("\u001B");
    expect(stdout).not.toContain("\u0007");
  });

  test("servers tell why one that is connected is missing from the lists", async () => {
    const missing = {
      reason: "SERVER_TIMEOUT",
      message: "No list yet.",
      since: "2026-11-20T08:00:00.000Z",
    };
    const mute = {
      ...broken,
      name: "mute",
      status: { ...broken.status, state: "connected" },
      missing,
    };
    api.answer({
      "GET /api/servers": [
        200,
        { servers: [mute, { ...mute, name: "old", missing: { reason: "X" } }] },
      ],
    });
    const { stdout } = await run(["servers"]);
    expect(stdout).toContain("mute: No list yet. (SERVER_TIMEOUT)");
    expect(stdout).toContain("old: X");
  });

  test("tools tell which servers are missing and why", async () => {
    api.answer({
      "GET /api/catalog?bundle=coding": [
        200,
        {
          tools: [{ name: "a__b", server: "a", original: "b", description: "Does b.\nAt length." }],
          missing: [
            { server: "broken", reason: "SERVER_TIMEOUT", since: "2026-11-20T08:00:00.000Z" },
          ],
        },
      ],
    });
    const { stdout } = await run(["tools", "--bundle", "coding"]);
    expect(stdout).toContain("a__b  Does b.");
    expect(stdout).toContain("broken is missing: SERVER_TIMEOUT, since 2026-11-20T08:00:00.000Z");
  });
});

describe("keys", () => {
  test("are never taken from the command line", async () => {
    for (const argv of [
      ["--key", "sbx_x", "status"],
      ["status", "--key=sbx_x"],
    ]) {
      const ran = await run(argv);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain("SIGNALBOX_KEY");
      expect(ran.stderr).not.toContain("sbx_x");
    }
  });

  test("come from --key-file, then SIGNALBOX_KEY, then SIGNALBOX_ADMIN_KEY, then the home", async () => {
    api.answer({ "GET /api/servers": [200, { servers: [] }] });
    await writeFile(join(folder, "key"), "sbx_file\n");
    await writeFile(join(folder, "admin.key"), "sbx_home\n");
    await writeFile(join(folder, "gateway.json"), JSON.stringify({ url: api.url, pid: 1 }));
    const env = {
      SIGNALBOX_URL: "",
      SIGNALBOX_HOME: folder,
      SIGNALBOX_KEY: "",
      SIGNALBOX_ADMIN_KEY: "",
    };
    await run(["servers", "--key-file", "key"]);
    await run(["servers"], {
      env: { ...env, SIGNALBOX_KEY: "sbx_env", SIGNALBOX_ADMIN_KEY: "sbx_admin" },
    });
    await run(["servers"], { env: { ...env, SIGNALBOX_ADMIN_KEY: "sbx_admin" } });
    await run(["servers"], { env });
    expect(api.requests.map(({ authorization }) => authorization)).toEqual([
      "Bearer sbx_file",
      "Bearer sbx_env",
      "Bearer sbx_admin",
      "Bearer sbx_home",
    ]);
  });

  test("a home's admin key is not sent to an address that is not its gateway's", async () => {
    api.answer({ "GET /api/servers": [200, { servers: [] }] });
    await writeFile(join(folder, "admin.key"), "sbx_home");
    await writeFile(
      join(folder, "gateway.json"),
      JSON.stringify({ url: "http://127.0.0.1:1", pid: 1 }),
    );
    await run(["servers"], { env: { SIGNALBOX_HOME: folder, SIGNALBOX_KEY: "" } });
    expect(api.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test("an unreadable key file is said", async () => {
    await writeFile(join(folder, "two"), "one two");
    await chmod(join(folder, "two"), 0o600);
    expect((await run(["status", "--key-file", "two"])).stderr).toContain("does not hold one key");
    expect((await run(["status", "--key-file", "none"])).stderr).toContain("cannot be read");
  });

  test("are created with what they may do, and shown once", async () => {
    const record = {
      id: "key_1",
      name: "laptop",
      role: "caller",
      bundles: ["coding"],
      prefix: "sbx_abc",
    };
    api.answer({ "POST /api/keys": [201, { key: "sbx_secret", record }] });
    const ran = await run([
      "keys",
      "create",
      "laptop",
      "--bundle",
      "coding",
      "--expires-in",
      "30d",
    ]);
    expect(ran.stdout).toBe("sbx_secret\n");
    expect(api.requests[0]?.body).toMatchObject({
      name: "laptop",
      role: "caller",
      bundles: ["coding"],
    });
    expect(JSON.parse((await run(["keys", "create", "laptop", "--json"])).stdout)).toEqual({
      key: "sbx_secret",
      record,
    });
  });

  test("are revoked by id or by a name that only one has", async () => {
    const key = (id: string, name: string): unknown => ({
      id,
      name,
      role: "caller",
      bundles: "all",
      prefix: "sbx_",
    });
    api.answer({
      "GET /api/keys": [
        200,
        { keys: [key("key_1", "a"), key("key_2", "twice"), key("key_3", "twice")] },
      ],
      "DELETE /api/keys/key_1": [200, key("key_1", "a")],
    });
    expect((await run(["keys", "revoke", "a"])).code).toBe(0);
    expect((await run(["keys", "revoke", "key_1"])).code).toBe(0);
    expect((await run(["keys", "revoke", "twice"])).code).toBe(2);
    expect((await run(["keys", "revoke", "nobody"])).code).toBe(5);
  });
});

describe("servers add", () => {
  const works: Answers = {
    "POST /api/servers": ({ body }) => [201, body],
    "POST /api/servers/everything/test": [
      200,
      { ok: true, ms: 812, era: "legacy", revision: "2025-11-25", tools: 13 },
    ],
    "POST /api/servers/files/test": [200, { ok: true, ms: 12, tools: 1 }],
    "POST /api/servers/search/test": [
      200,
      {
        ok: false,
        ms: 5000,
        error: { code: "SERVER_TIMEOUT", message: "It did not answer within 5s." },
      },
    ],
  };

  test("knows presets, says what will be spawned and what was found", async () => {
    api.answer(works);
    const ran = await run(["servers", "add", "everything"]);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("spawned as: npx -y @modelcontextprotocol/server-everything");
    expect(ran.stdout).toContain("ok everything: 13 tools · 2025-11-25, legacy · 812 ms");
    expect(api.requests[0]?.body).toEqual({
      name: "everything",
      command: "npx",
      args: ["-y", "@modelcontextprotocol/server-everything"],
    });
  });

  test("lists presets, and shows how one runs beside an agent", async () => {
    const listed = await run(["servers", "presets"]);
    expect(listed.stdout).toMatch(/^playwright +local +drives a browser$/m);
    expect(listed.stdout).toMatch(/^neon-remote +remote /m);
    const shown = await run(["servers", "presets", "playwright", "--json"]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      location: "local",
      configuration: {
        mcpServers: {
          playwright: {
            command: "npx",
            args: ["-y", "@playwright/mcp", "--headless", "--isolated"],
          },
        },
      },
    });
    expect((await run(["servers", "presets", "n8n-remote"])).stdout).toContain(
      '"url": "<address>/mcp-server/http"',
    );
    expect((await run(["servers", "presets", "none"])).stderr).toContain("There is no preset");
    expect(api.requests).toEqual([]);
  });

  test("says what is to be known of a preset", async () => {
    api.answer(works);
    const ran = await run(["servers", "add", "playwright"]);
    expect(ran.stderr).toContain("leave it out of bundles");
  });

  test("takes a command after --, whose options stay its own", async () => {
    api.answer(works);
    await run([
      "servers",
      "add",
      "files",
      "--env",
      "LOG=1=2",
      "--cwd",
      "sub",
      "--",
      "node",
      "s.js",
      "--json",
      "--url",
      "x",
    ]);
    expect(api.requests[0]?.body).toEqual({
      name: "files",
      command: "node",
      args: ["s.js", "--json", "--url", "x"],
      env: { LOG: "1=2" },
      cwd: join(folder, "sub"),
    });
  });

  test("takes an address with headers, one from the environment, while --url before the command is the gateway's", async () => {
    api.answer(works);
    const argv = [
      "servers",
      "add",
      "search",
      "--url",
      "https://s.example.com/mcp",
      "--header",
      "X-Team: a: b",
    ];
    const more = [
      "--header-env",
      "Authorization=AUTH",
      "--era",
      "modern",
      "--timeout",
      "30s",
      "--no-test",
    ];
    const ran = await run(["--url", api.url, ...argv, ...more], {
      env: { AUTH: "Bearer s3cret", SIGNALBOX_URL: "" },
    });
    expect(ran.code).toBe(0);
    expect(ran.stdout + ran.stderr).not.toContain("s3cret");
    expect(api.requests.map(({ body }) => body)).toEqual([
      {
        name: "search",
        url: "https://s.example.com/mcp",
        headers: { "X-Team": "a: b", Authorization: "Bearer s3cret" },
        protocol_era: "modern",
        timeout: 30_000,
      },
    ]);
  });

  test("a server that does not pass its test stays added, with the reason and the remedy, and ends with 1", async () => {
    api.answer(works);
    const ran = await run(["servers", "add", "search", "--url", "https://s.example.com/mcp"]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain("failed search: It did not answer within 5s. (SERVER_TIMEOUT)");
    expect(ran.stdout).toContain("signalbox servers remove search");
  });

  test.each([
    [["Upper", "--url", "http://x"], "cannot name a server"],
    [["a__b", "--url", "http://x"], "cannot name a server"],
    [["x"], "What is"],
    [["filesystem"], "needs <folder>"],
    [["x", "--url", "ftp://x"], "not an http"],
    [["x", "--url", "http://x", "--", "node"], "not both"],
    [["x", "--url", "http://x", "--env", "A=1"], "for commands"],
    [["x", "--header", "A: b", "--", "node"], "for remote servers"],
    [["x", "--url", "http://x", "--header", "nonsense"], "Name: value"],
    [["x", "--url", "http://x", "--header-env", "A=UNSET_VARIABLE"], "UNSET_VARIABLE is not set"],
    [["x", "--url", "http://x", "--era", "ancient"], "--era is one of"],
    [["x", "--url", "http://x", "--timeout", "soon"], "duration"],
    [["x", "--preset", "nope"], "no preset"],
  ])("%j is refused before anything is sent", async (argv, sentence) => {
    const ran = await run(["servers", "add", ...argv]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(sentence);
    expect(api.requests).toEqual([]);
  });
});

describe("removing", () => {
  test("asks on a terminal and leaves it when the answer is no", async () => {
    api.answer({ "DELETE /api/servers/files": [204] });
    const no = await run(["servers", "remove", "files"], {
      tty: true,
      answers: [[/Remove the server files\? \[y\/N\] $/, "n"]],
    });
    expect(no.code).toBe(2);
    expect(api.requests).toEqual([]);
    const yes = await run(["servers", "remove", "files"], {
      tty: true,
      answers: [[/\[y\/N\] $/, "y"]],
    });
    expect(yes.code).toBe(0);
    expect(api.requests).toHaveLength(1);
  });

  test("does not ask without a terminal or with --yes", async () => {
    api.answer({ "DELETE /api/servers/files": [204], "DELETE /api/bundles/b": [204] });
    expect((await run(["servers", "rm", "files"])).code).toBe(0);
    expect((await run(["bundles", "remove", "b", "--yes"], { tty: true })).code).toBe(0);
  });
});

describe("bundles", () => {
  test("are created and tell where they are served", async () => {
    api.answer({ "POST /api/bundles": ({ body }) => [201, body] });
    const ran = await run([
      "bundles",
      "create",
      "coding",
      "--include",
      "files__*",
      "--include",
      "b__c",
      "--names",
      "bare",
    ]);
    expect(ran.stdout).toContain(`${api.url}/mcp/coding`);
    expect(api.requests[0]?.body).toEqual({
      name: "coding",
      include: ["files__*", "b__c"],
      names: "bare",
    });
  });
});

describe("commands of the composition root", () => {
  test("serve and config print are handed over with what was typed after them", async () => {
    const terminal = fakeTerminal();
    const given: string[][] = [];
    const take = (argv: readonly string[]): Promise<number> => {
      given.push([...argv]);
      return Promise.resolve(7);
    };
    const io = { ...terminal.io, serve: take, configPrint: take };
    expect(await runCli(["serve", "--port=9000", "--home", "/x"], io)).toBe(7);
    expect(await runCli(["config", "print", "--with-origin"], io)).toBe(7);
    expect(given).toEqual([["--port=9000", "--home", "/x"], ["--with-origin"]]);
  });
});
