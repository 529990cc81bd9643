import { describe, expect, test } from "vitest";
import { serversInFile } from "./client-file.ts";
import type { FoundEntry } from "./found-server.ts";

function options(entries: FoundEntry[] | undefined): Record<string, unknown> {
  return Object.fromEntries(
    (entries ?? []).map((entry) => [
      entry.originalName,
      entry.kind === "server" ? entry.options : entry.reason,
    ]),
  );
}

describe("each client's file", () => {
  test("Claude Desktop: commands under mcpServers", () => {
    const file = {
      mcpServers: { files: { command: "npx", args: ["-y", "x", 3], env: { A: "1", PORT: 80 } } },
      globalShortcut: "x",
    };
    expect(options(serversInFile(file, "/c/claude_desktop_config.json"))).toEqual({
      files: { command: "npx", args: ["-y", "x", "3"], env: { A: "1", PORT: "80" } },
    });
  });

  test("Claude Code: types, and the servers of each project", () => {
    const file = {
      numStartups: 3,
      mcpServers: {
        http: { type: "http", url: "https://a.example.com/mcp", headers: { A: "b" } },
        alias: { type: "streamable-http", url: "https://b.example.com/mcp" },
        old: { type: "sse", url: "https://c.example.com/sse" },
      },
      projects: {
        "/home/ada/app": {
          mcpServers: { local: { type: "stdio", command: "node", args: ["s.js"] } },
        },
        "/home/ada/none": { allowedTools: [] },
      },
    };
    const found = serversInFile(file, "/home/ada/.claude.json");
    expect(options(found)).toEqual({
      http: { url: "https://a.example.com/mcp", headers: { A: "b" }, transport: "streamable-http" },
      alias: { url: "https://b.example.com/mcp", transport: "streamable-http" },
      old: { url: "https://c.example.com/sse", transport: "http-sse" },
      local: { command: "node", args: ["s.js"] },
    });
    expect(found?.at(-1)).toMatchObject({
      folder: "/home/ada/app",
      notes: ["It was set up for the project /home/ada/app only."],
    });
  });

  test("Cursor: an address without a type may speak either transport", () => {
    const found = serversInFile(
      {
        mcpServers: {
          a: { url: "https://a.example.com/mcp" },
          b: { command: "x", envFile: "${workspaceFolder}/.env" },
        },
      },
      "/home/ada/app/.cursor/mcp.json",
    );
    expect(options(found)).toEqual({
      a: { url: "https://a.example.com/mcp" },
      b: { command: "x", args: [] },
    });
    expect(found?.[1]).toMatchObject({
      folder: "/home/ada/app",
      envFile: "${workspaceFolder}/.env",
    });
  });

  test("VS Code: servers with inputs, in mcp.json or below mcp in settings.json", () => {
    const content = {
      inputs: [{ type: "promptString", id: "token", description: "The token", password: true }],
      servers: {
        gh: {
          type: "http",
          url: "https://gh.example.com/mcp",
          headers: { Authorization: "Bearer ${input:token}" },
        },
      },
    };
    for (const file of [content, { "editor.fontSize": 12, mcp: content }]) {
      const [entry] = serversInFile(file, "/p/.vscode/mcp.json") ?? [];
      expect(entry).toMatchObject({ kind: "server", folder: "/p" });
      expect(entry?.kind === "server" && entry.inputs.get("input:token")).toEqual({
        description: "The token",
        secret: true,
      });
    }
  });

  test("Inspector: the era and the roots", () => {
    const file = {
      mcpServers: {
        a: {
          command: "x",
          protocolEra: "modern",
          roots: ["file:///a", { uri: "file:///b", name: "B" }],
        },
      },
    };
    expect(options(serversInFile(file, "/x/mcp.json"))).toEqual({
      a: {
        command: "x",
        args: [],
        protocol_era: "modern",
        roots: [{ uri: "file:///a" }, { uri: "file:///b", name: "B" }],
      },
    });
  });

  test("a bare map of servers", () => {
    expect(options(serversInFile({ a: { command: "x" } }, "/x/.mcp.json"))).toEqual({
      a: { command: "x", args: [] },
    });
  });

  test("anything else is no client's file", () => {
    for (const content of [null, [], "x", {}, { name: "x" }, { a: 1 }]) {
      expect(serversInFile(content, "/x.json")).toBeUndefined();
    }
  });
});

test("what the gateway does not reach is explained", () => {
  const file = {
    mcpServers: {
      socket: { url: "unix:///var/run/x.sock" },
      pipe: { type: "http", url: "pipe:///x" },
      ws: { url: "wss://x" },
      sdk: { type: "sdk", command: "x" },
      empty: {},
      noUrl: { type: "http", command: "x" },
      wrong: { command: "x", args: "not a list" },
    },
  };
  const reasons = options(serversInFile(file, "/x.json"));
  expect(reasons["socket"]).toContain("local socket");
  expect(reasons["pipe"]).toContain("local socket");
  expect(reasons["ws"]).toContain("WebSocket");
  expect(reasons["sdk"]).toContain('"sdk"');
  expect(reasons["empty"]).toContain("neither");
  expect(reasons["noUrl"]).toContain("no url");
  expect(reasons["wrong"]).toContain("args");
});

test("what is left behind is said", () => {
  const [entry] =
    serversInFile(
      { mcpServers: { a: { url: "https://x", oauth: { clientId: "c" }, disabled: true } } },
      "/x.json",
    ) ?? [];
  expect(entry).toMatchObject({
    options: { enabled: false },
    notes: [expect.stringContaining("OAuth"), expect.stringContaining("disabled")],
  });
});

describe("server.json", () => {
  const server = (part: object): unknown => ({
    name: "io.github.ada/weather",
    description: "x",
    version: "1.0.0",
    ...part,
  });
  const only = (part: object): unknown =>
    options(serversInFile(server(part), "/p/server.json"))["weather"];

  test.each([
    ["npm", "@ada/weather", "npx", ["-y", "@ada/weather@1.2.0"]],
    ["pypi", "ada-weather", "uvx", ["ada-weather==1.2.0"]],
    ["nuget", "Ada.Weather", "dnx", ["Ada.Weather@1.2.0", "--yes"]],
    ["oci", "ghcr.io/ada/weather", "docker", ["run", "-i", "--rm", "ghcr.io/ada/weather:1.2.0"]],
  ])("a %s package", (registryType, identifier, command, args) => {
    expect(
      only({
        packages: [{ registryType, identifier, version: "1.2.0", transport: { type: "stdio" } }],
      }),
    ).toEqual({ command, args });
  });

  test("an image that names its tag keeps it, and variables are passed into the container", () => {
    const environmentVariables = [
      { name: "TOKEN", isRequired: true, isSecret: true },
      { name: "LEVEL", default: "info" },
      { name: "OPTIONAL" },
    ];
    expect(
      only({
        packages: [{ registryType: "oci", identifier: "docker.io/ada/w:2", environmentVariables }],
      }),
    ).toEqual({
      command: "docker",
      args: ["run", "-i", "--rm", "-e", "TOKEN", "-e", "LEVEL", "docker.io/ada/w:2"],
      env: { TOKEN: "${input:TOKEN}", LEVEL: "info" },
    });
  });

  test("arguments stay arguments, whatever is in them", () => {
    const packageArguments = [
      {
        type: "named",
        name: "--dir",
        value: "{root}/a b; rm",
        variables: { root: { isRequired: true, description: "Root" } },
      },
      { type: "positional", valueHint: "mode", default: "fast" },
      { type: "named", name: "--verbose" },
      { type: "positional", valueHint: "unset" },
    ];
    const runtimeArguments = [{ type: "named", name: "--node-options", value: "-x" }];
    expect(
      only({
        packages: [
          {
            registryType: "npm",
            identifier: "w",
            version: "1.0.0",
            runtimeArguments,
            packageArguments,
          },
        ],
      }),
    ).toEqual({
      command: "npx",
      args: [
        "-y",
        "--node-options",
        "-x",
        "w@1.0.0",
        "--dir",
        "${input:root}/a b; rm",
        "fast",
        "--verbose",
      ],
    });
  });

  test("a remote, with the variables of its address and its headers", () => {
    const remotes = [
      {
        type: "streamable-http",
        url: "https://{tenant}.example.com/mcp",
        variables: { tenant: { isRequired: true } },
        headers: [
          {
            name: "X-Key",
            value: "Key {key}",
            variables: { key: { isSecret: true, isRequired: true } },
          },
          { name: "X-Optional" },
        ],
      },
    ];
    expect(only({ remotes })).toEqual({
      url: "https://${input:tenant}.example.com/mcp",
      transport: "streamable-http",
      headers: { "X-Key": "Key ${input:key}" },
    });
  });

  test("the first way that can be run is taken, and none is explained", () => {
    const mcpb = { registryType: "mcpb", identifier: "https://x/y.mcpb" };
    expect(only({ packages: [mcpb], remotes: [{ type: "sse", url: "https://x/sse" }] })).toEqual({
      url: "https://x/sse",
      transport: "http-sse",
    });
    expect(only({ packages: [mcpb] })).toContain('"mcpb"');
  });
});
