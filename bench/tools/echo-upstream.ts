/**
 * The same upstream as echo-upstream.c, for machines without a C compiler. It costs several times as much.
 *
 *   node echo-upstream.ts --port 4801 [--tools N]
 *   node echo-upstream.ts --stdio [--tools N]
 */
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { memberOf } from "./mcp-client.ts";

const MODERN = "2026-07-28";
const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";
const SERVER_META = { "io.modelcontextprotocol/serverInfo": { name: "echo", version: "1.0.0" } };
const FOREVER = { ttlMs: 3_600_000, cacheScope: "public" };

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "4801" },
    stdio: { type: "boolean", default: false },
    tools: { type: "string", default: "0" },
  },
});
const tools = [tool("echo", "Returns the text"), tool("blob", "Returns size bytes")];
for (let index = 0; index < Number(values.tools); index++) {
  const words = "with a description of an ordinary length for a tool of an ordinary server.";
  tools.push(tool(`tool_${index}`, `Filler tool number ${index}, ${words}`));
}
let sessions = 0;
if (values.stdio) serveStdio();
else serveHttp(Number(values.port));

function serveStdio(): void {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const answer = answerTo(JSON.parse(line));
    if (answer !== undefined) process.stdout.write(`${answer}\n`);
  });
}

function serveHttp(port: number): void {
  createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on("data", (part: Buffer) => parts.push(part));
    req.on("end", () => {
      if (req.method !== "POST") {
        res.writeHead(req.method === "DELETE" ? 200 : 405).end();
        return;
      }
      const message: unknown = JSON.parse(Buffer.concat(parts).toString());
      const answer = answerTo(message);
      if (answer === undefined) {
        res.writeHead(202).end();
        return;
      }
      const hello = memberOf(message, "method") === "initialize";
      res.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(answer),
        ...(hello ? { "mcp-session-id": `s${++sessions}` } : {}),
      });
      res.end(answer);
    });
  }).listen(port, "127.0.0.1", 4096);
}

function answerTo(message: unknown): string | undefined {
  const id = memberOf(message, "id");
  const method = memberOf(message, "method");
  if (id === undefined || method === undefined) return undefined;
  const params = memberOf(message, "params");
  const modern = memberOf(memberOf(params, "_meta"), VERSION_KEY) !== undefined;
  const result = resultOf(method, params);
  const error = { code: -32601, message: "Method not found" };
  if (result === undefined) return JSON.stringify({ jsonrpc: "2.0", id, error });
  const complete = modern ? { resultType: "complete", _meta: SERVER_META } : {};
  return JSON.stringify({ jsonrpc: "2.0", id, result: { ...complete, ...result } });
}

function resultOf(method: unknown, params: unknown): object | undefined {
  const capabilities = { tools: { listChanged: true } };
  switch (method) {
    case "tools/call": {
      const args = memberOf(params, "arguments");
      const given = memberOf(args, "text");
      const text = typeof given === "string" ? given : "";
      const size = Number(memberOf(args, "size") ?? 0);
      return { content: [{ type: "text", text: text.padEnd(size, "x") }] };
    }
    case "initialize":
      return {
        protocolVersion: memberOf(params, "protocolVersion"),
        capabilities,
        serverInfo: { name: "echo", version: "1.0.0" },
      };
    case "server/discover":
      return { supportedVersions: [MODERN], capabilities, ...FOREVER };
    case "tools/list":
      return { tools, ...FOREVER };
    case "ping":
      return {};
    default:
      return undefined;
  }
}

function tool(name: string, description: string): object {
  const properties = { text: { type: "string" }, size: { type: "integer" } };
  return { name, description, inputSchema: { type: "object", properties } };
}
