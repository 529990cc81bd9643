import { expect, test } from "vitest";
import { serverOptions } from "../gateway/index.ts";
import { presetDefinition, presets } from "./presets.ts";
import { serverDefinition, type AddedServer } from "./server-definition.ts";

function added(
  name: string,
  words: readonly string[] = [],
  options: Partial<AddedServer["options"]> = {},
) {
  return serverDefinition({
    name,
    words,
    afterDashes: false,
    options: { header: [], headerEnv: [], env: [], envFrom: [], ...options },
    io: {
      env: { TOKEN: "Bearer t" },
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
    },
  });
}

test("every preset comes to a server that the gateway takes", () => {
  for (const [name, { argumentsNeeded }] of Object.entries(presets)) {
    const words = argumentsNeeded === undefined ? [] : ["https://n8n.example.com/"];
    const { error } = serverOptions.safeParse(added(name, words));
    expect({ name, error }).toEqual({ name, error: undefined });
  }
});

test("a local preset brings its environment and hints, to which one's own are added", () => {
  expect(added("magicui", [], { env: ["LOG=1"] })).toEqual({
    command: "npx",
    args: ["-y", "@magicuidesign/mcp"],
    env: { DO_NOT_TRACK: "1", LOG: "1" },
    annotations: {
      listRegistryItems: { readOnlyHint: true },
      getRegistryItem: { readOnlyHint: true },
      searchRegistryItems: { readOnlyHint: true },
    },
  });
  expect(added("browser", ["--caps", "pdf"], { preset: "playwright" })).toMatchObject({
    args: ["-y", "@playwright/mcp", "--headless", "--isolated", "--caps", "pdf"],
    annotations: { browser_run_code_unsafe: { destructiveHint: true } },
  });
});

test("a vendor's server is logged in to by each caller, unless a token is given", () => {
  expect(added("neon-remote")).toEqual({
    url: "https://mcp.neon.tech/mcp",
    oauth: { mode: "principal" },
  });
  expect(added("github-remote", [], { headerEnv: ["Authorization=TOKEN"] })).toEqual({
    url: "https://api.githubcopilot.com/mcp/",
    headers: { Authorization: "Bearer t" },
  });
  expect(added("github-remote", [], { header: ["X-MCP-Readonly: true"] })).toEqual({
    url: "https://api.githubcopilot.com/mcp/",
    headers: { "X-MCP-Readonly": "true" },
    oauth: { mode: "principal" },
  });
  expect(added("n8n-remote", ["https://n8n.example.com/"])).toMatchObject({
    url: "https://n8n.example.com/mcp-server/http",
  });
});

test("arguments that are missing or not taken are refused with the way it is done", () => {
  expect(() => presetDefinition("n8n-remote", [])).toThrow("needs <address>");
  expect(() => presetDefinition("filesystem", [])).toThrow("needs <folder>...");
  expect(() => presetDefinition("neon-remote", ["x"])).toThrow("takes no such arguments: x");
  expect(() => presetDefinition("none", [])).toThrow("there are everything");
});
