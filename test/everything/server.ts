// An MCP server with every fixture the conformance suites ask for, in both eras at one endpoint.
//
//   node test/everything/server.ts [--port 0] [--era both|legacy|modern] [--stdio]
//
// Prints {"url"} on one line when it listens. With --stdio it serves its standard input and output instead.
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  isLegacyRequest,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { createEverything } from "./everything.ts";
import { toNodeListener } from "./node-http.ts";
import { watchedUri } from "./resources.ts";
import { Sessions } from "./sessions.ts";
import { World } from "./world.ts";

type Era = "both" | "legacy" | "modern";

function main(): void {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: process.env["PORT"] ?? "0" },
      era: { type: "string", default: process.env["EVERYTHING_ERA"] ?? "both" },
      stdio: { type: "boolean", default: false },
    },
  });
  const era = parseEra(values.era);
  if (values.stdio) serveLines(era);
  else serveHttp(Number(values.port), era);
}

function parseEra(text: string): Era {
  if (text === "both" || text === "legacy" || text === "modern") return text;
  throw new Error(`--era is both, legacy or modern, not ${text}`);
}

function serveLines(era: Era): void {
  const world = new World();
  serveStdio(({ era: served }) => createEverything(world, { era: served, lasting: true }), {
    legacy: era === "modern" ? "reject" : "serve",
  });
}

function serveHttp(port: number, era: Era): void {
  const world = new World();
  const sessions = new Sessions(world);
  const modern = createMcpHandler(
    ({ era: served }) => createEverything(world, { era: served, lasting: false }),
    {
      legacy: "reject",
    },
  );
  announce(world, modern);
  const http = createServer(toNodeListener(route(era, sessions, modern)));
  http.listen(port, "127.0.0.1", () => {
    const address = http.address();
    const listening = typeof address === "object" ? address?.port : port;
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${listening}/mcp` })}\n`);
  });
  process.once("SIGTERM", () => {
    http.close();
    http.closeAllConnections();
    void sessions.close();
    void modern.close();
  });
}

function announce(world: World, modern: McpHttpHandler): void {
  world.onChange((change) => {
    if (change === "tools") modern.notify.toolsChanged();
    if (change === "prompts") modern.notify.promptsChanged();
    if (change === "resource") modern.notify.resourceUpdated(watchedUri);
  });
}

function route(
  era: Era,
  sessions: Sessions,
  modern: McpHttpHandler,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const refused =
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
      originValidationResponse(request, localhostAllowedOrigins());
    if (refused) return refused;
    if (new URL(request.url).pathname !== "/mcp") return new Response(undefined, { status: 404 });
    const legacy = era === "legacy" || (era === "both" && (await isLegacyRequest(request)));
    return legacy ? await sessions.fetch(request) : await modern.fetch(request);
  };
}

main();
