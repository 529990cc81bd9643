// The configuration each client takes. Facts checked against the clients' own documentation: Gemini's `url` means SSE and
// `httpUrl` streamable HTTP; Codex takes no key in its file, only the name of a variable; VS Code asks with `inputs`.
import { shellWords } from "../shell-words.ts";

export const clients = [
  "claude-code",
  "claude-desktop",
  "cursor",
  "vscode",
  "codex",
  "gemini",
  "http",
] as const;
export type Client = (typeof clients)[number];

export interface Connection {
  /** The MCP endpoint, with the bundle. */
  url: string;
  /** The name the client will list. */
  name: string;
  /** A key to write out; without it, a reference to SIGNALBOX_KEY or a placeholder. */
  key: string | undefined;
  /** The command that serves the same on stdio, absolute. */
  stdioCommand: readonly string[];
}

export interface Snippet {
  /** What to do with the text, as a sentence. */
  title: string;
  /** The file it goes into, when it goes into one. */
  file?: string;
  text: string;
}

const variable = "SIGNALBOX_KEY";

/** What to paste or run, one way after another. */
export function snippetsFor(client: Client, connection: Connection): Snippet[] {
  return makers[client](connection);
}

const makers: Readonly<Record<Client, (connection: Connection) => Snippet[]>> = {
  "claude-code": claudeCode,
  "claude-desktop": claudeDesktop,
  cursor,
  vscode,
  codex,
  gemini,
  http,
};

function claudeCode({ name, url, key }: Connection): Snippet[] {
  const bearer = `Authorization: Bearer ${key ?? `$${variable}`}`;
  return [
    {
      title: "Run this, for you alone:",
      text: `claude mcp add --transport http ${name} ${url} --header "${bearer}"`,
    },
    {
      title: "Or put this in the project, for everyone who works on it:",
      file: ".mcp.json",
      text: json({
        mcpServers: {
          [name]: { type: "http", url, headers: bearerHeader(key, `\${${variable}}`) },
        },
      }),
    },
  ];
}

function claudeDesktop({ name, key, stdioCommand }: Connection): Snippet[] {
  const [command, ...args] = stdioCommand;
  return [
    {
      title:
        "Claude Desktop spawns its servers, so it gets the stdio bridge. Put this in the file below and restart it:",
      file: "claude_desktop_config.json (Settings > Developer > Edit Config)",
      text: json({
        mcpServers: { [name]: { command, args, env: { [variable]: key ?? "<your key>" } } },
      }),
    },
  ];
}

function cursor({ name, url, key }: Connection): Snippet[] {
  return [
    {
      title: "Put this in the file below:",
      file: "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
      text: json({
        mcpServers: { [name]: { url, headers: bearerHeader(key, `\${env:${variable}}`) } },
      }),
    },
  ];
}

function vscode({ name, url, key }: Connection): Snippet[] {
  const id = `${name}-key`;
  const inputs = [{ type: "promptString", id, description: "Signalbox key", password: true }];
  const servers = { [name]: { type: "http", url, headers: bearerHeader(key, `\${input:${id}}`) } };
  return [
    {
      title:
        key === undefined
          ? "Put this in the file below; VS Code asks for the key once and keeps it:"
          : "Put this in the file below:",
      file: ".vscode/mcp.json, or the profile's (command: MCP: Open User Configuration)",
      text: json(key === undefined ? { inputs, servers } : { servers }),
    },
  ];
}

function codex({ name, url, key }: Connection): Snippet[] {
  return [
    {
      title: "Codex takes the key from a variable of the shell that starts it:",
      text: `export ${variable}=${key ?? "'<your key>'"}`,
    },
    {
      title: "Put this in the file below:",
      file: "~/.codex/config.toml",
      text: [
        `[mcp_servers.${name}]`,
        `url = "${url}"`,
        `bearer_token_env_var = "${variable}"`,
      ].join("\n"),
    },
    {
      title: "Or run:",
      text: `codex mcp add ${name} --url ${url} --bearer-token-env-var ${variable}`,
    },
  ];
}

function gemini({ name, url, key }: Connection): Snippet[] {
  return [
    {
      title: "Put this in the file below:",
      file: "~/.gemini/settings.json, or .gemini/settings.json in a project",
      text: json({
        mcpServers: { [name]: { httpUrl: url, headers: bearerHeader(key, `\${${variable}}`) } },
      }),
    },
  ];
}

function http({ url, key }: Connection): Snippet[] {
  const modernBody = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
    params: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "curl", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  };
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "curl", version: "1" },
    },
  };
  const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
  const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
  const session = ['-H "Mcp-Session-Id: $SESSION"', "-H 'MCP-Protocol-Version: 2025-11-25'"];
  return [
    { title: "The key, for both:", text: `export ${variable}=${key ?? "'<your key>'"}` },
    {
      title: "Today's protocol (2026-07-28), one request and no session:",
      text: curl(url, modernBody, [
        "-H 'MCP-Protocol-Version: 2026-07-28'",
        "-H 'Mcp-Method: tools/list'",
      ]),
    },
    {
      title: "Earlier protocols (here 2025-11-25), a session first:",
      text: [
        `SESSION=$(${curl(url, initialize, ["-o /dev/null", "-D -"])} | tr -d '\\r' | awk 'tolower($1) == "mcp-session-id:" { print $2 }')`,
        curl(url, initialized, session),
        curl(url, list, session),
      ].join("\n"),
    },
  ];
}

function curl(url: string, body: unknown, parts: readonly string[]): string {
  return [
    `curl -sS ${shellWords([url])}`,
    `-H "Authorization: Bearer $${variable}"`,
    "-H 'Content-Type: application/json'",
    "-H 'Accept: application/json, text/event-stream'",
    ...parts,
    `-d ${shellWords([JSON.stringify(body)])}`,
  ].join(" \\\n  ");
}

function bearerHeader(key: string | undefined, reference: string): Record<string, string> {
  return { Authorization: `Bearer ${key ?? reference}` };
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
