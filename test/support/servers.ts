import { type Child, runNode } from "./child.ts";
import { freePort } from "./free-port.ts";
import { inRoot } from "./root.ts";
import { until } from "./until.ts";

/** An MCP server over HTTP, running beside a test. */
export interface TestServer {
  readonly url: string;
  readonly child: Child;
  stop(): Promise<void>;
}

/** Starts our everything server; `era` limits what it speaks. */
export async function startEverything(
  era: "both" | "legacy" | "modern" = "both",
  port = 0,
): Promise<TestServer> {
  const child = runNode([everythingPath, "--era", era, "--port", String(port)]);
  const url = await until("the everything server listens", () => announcedUrl(child));
  return { url, child, stop: () => child.stop() };
}

/** How to spawn our everything server over stdio. */
export function everythingOverStdio(era: "both" | "legacy" | "modern" = "both"): {
  command: string;
  args: string[];
} {
  return { command: process.execPath, args: [everythingPath, "--stdio", "--era", era] };
}

/** Starts `@modelcontextprotocol/server-everything` over streamable HTTP. */
export async function startServerEverything(): Promise<TestServer> {
  const port = await freePort();
  const child = runNode([packagePath("server-everything"), "streamableHttp"], {
    env: { PORT: String(port) },
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  await until("server-everything listens", async () => {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    return answer !== undefined;
  });
  return { url, child, stop: () => child.stop() };
}

/** How to spawn `@modelcontextprotocol/server-filesystem` for one folder. */
export function filesystemOverStdio(folder: string): { command: string; args: string[] } {
  return { command: process.execPath, args: [packagePath("server-filesystem"), folder] };
}

/** How to spawn `@modelcontextprotocol/server-memory` with its graph in one file. */
export function memoryOverStdio(file: string): {
  command: string;
  args: string[];
  env: Record<string, string>;
} {
  return {
    command: process.execPath,
    args: [packagePath("server-memory")],
    env: { MEMORY_FILE_PATH: file },
  };
}

const everythingPath = inRoot("test/everything/server.ts");

function packagePath(name: string): string {
  return inRoot(`node_modules/@modelcontextprotocol/${name}/dist/index.js`);
}

function announcedUrl(child: Child): string | undefined {
  if (child.exited()) throw new Error(`the everything server ended: ${child.stderr()}`);
  const [line, rest] = child.stdout().split("\n", 2);
  if (line === undefined || rest === undefined) return undefined;
  const announced: unknown = JSON.parse(line);
  return typeof announced === "object" && announced !== null && "url" in announced
    ? String(announced.url)
    : undefined;
}
