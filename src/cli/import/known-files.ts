import { join } from "node:path";

export interface KnownFile {
  client: string;
  file: string;
}

export interface Places {
  platform: NodeJS.Platform;
  env: Readonly<Record<string, string | undefined>>;
  userHome: string;
  cwd: string;
}

/** Where the clients keep their servers on this platform, whether the files exist or not. */
export function knownFiles(places: Places): KnownFile[] {
  const { userHome, cwd } = places;
  const settings = settingsFolder(places);
  return [
    { client: "Claude Desktop", file: join(settings, "Claude", "claude_desktop_config.json") },
    { client: "Claude Code", file: join(userHome, ".claude.json") },
    { client: "Claude Code (this project)", file: join(cwd, ".mcp.json") },
    { client: "Cursor", file: join(userHome, ".cursor", "mcp.json") },
    { client: "Cursor (this project)", file: join(cwd, ".cursor", "mcp.json") },
    { client: "VS Code", file: join(settings, "Code", "User", "mcp.json") },
    { client: "VS Code (this project)", file: join(cwd, ".vscode", "mcp.json") },
    { client: "Copilot CLI", file: join(userHome, ".copilot", "mcp-config.json") },
    { client: "MCP Inspector", file: join(userHome, ".mcp-inspector", "mcp.json") },
    { client: "server.json (this project)", file: join(cwd, "server.json") },
  ];
}

function settingsFolder({ platform, env, userHome }: Places): string {
  if (platform === "win32") return env["APPDATA"] ?? join(userHome, "AppData", "Roaming");
  if (platform === "darwin") return join(userHome, "Library", "Application Support");
  return env["XDG_CONFIG_HOME"] ?? join(userHome, ".config");
}
