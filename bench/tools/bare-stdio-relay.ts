/**
 * The yardstick for local servers: HTTP in, one long-lived child that speaks newline-delimited JSON, HTTP out. Ids are
 * minted anew and put back into the answer's bytes, which are not parsed.
 *
 *   node bare-stdio-relay.ts PORT COMMAND [ARGS...]
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const [port = "", command = "", ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
child.on("exit", () => process.exit(1));
process.on("SIGTERM", () => {
  child.kill();
  process.exit(0);
});

interface Message {
  id?: string | number;
  method: string;
  params?: { name?: string };
}

interface Waiting {
  readonly res: ServerResponse;
  readonly idText: string;
  readonly session: string | undefined;
}

const HEAD = Buffer.from('{"jsonrpc":"2.0","id":');
const LF = 0x0a;
const waiting = new Map<number, Waiting>();
const sessions = new Set<string>();
let lastId = 0;
let outgoing = "";
let parts: Buffer[] = [];

createServer((req, res) => {
  if (req.method !== "POST") {
    res.writeHead(405).end();
    return;
  }
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  req.on("data", (chunk: Buffer) => {
    if (first === undefined) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  req.on("end", () => take(req, res, more === undefined ? first : Buffer.concat(more)));
}).listen(Number(port), "127.0.0.1", 4096);

child.stdout.on("data", (bytes: Buffer) => {
  let from = 0;
  for (;;) {
    const end = bytes.indexOf(LF, from);
    if (end < 0) break;
    const line = bytes.subarray(from, end);
    deliver(parts.length === 0 ? line : Buffer.concat([...parts, line]));
    parts = [];
    from = end + 1;
  }
  if (from < bytes.length) parts.push(bytes.subarray(from));
});

function take(req: IncomingMessage, res: ServerResponse, raw: Buffer | undefined): void {
  const message: Message = JSON.parse(raw?.toString("utf8") ?? "");
  if (message.id === undefined) {
    res.writeHead(202, { "content-length": 0 }).end();
    return;
  }
  const modern = req.headers["mcp-protocol-version"] === "2026-07-28";
  const given = String(req.headers["mcp-session-id"]);
  let session: string | undefined;
  if (message.method === "initialize") {
    session = randomUUID();
    sessions.add(session);
  } else if (!modern && !sessions.has(given)) {
    res.writeHead(404, { "content-length": 0 }).end();
    return;
  }
  const name = message.params?.name;
  const at = name?.indexOf("__") ?? -1;
  if (message.params !== undefined && name !== undefined && at > 0) {
    message.params.name = name.slice(at + 2);
  }
  waiting.set(++lastId, { res, idText: JSON.stringify(message.id), session });
  message.id = lastId;
  if (outgoing === "") setImmediate(flush);
  outgoing += `${JSON.stringify(message)}\n`;
}

function flush(): void {
  child.stdin.write(outgoing);
  outgoing = "";
}

function deliver(line: Buffer): void {
  if (line.compare(HEAD, 0, HEAD.length, 0, HEAD.length) !== 0) return;
  const start = HEAD.length;
  let end = start;
  let id = 0;
  for (let digit = line[end] ?? 0; digit >= 48 && digit <= 57; digit = line[++end] ?? 0) {
    id = id * 10 + digit - 48;
  }
  const asked = waiting.get(id);
  if (asked === undefined) return;
  waiting.delete(id);
  const { res, idText, session } = asked;
  const length = line.length - (end - start) + idText.length;
  res.writeHead(200, {
    "content-type": "application/json",
    "content-length": length,
    ...(session === undefined ? {} : { "mcp-session-id": session }),
  });
  const body = Buffer.allocUnsafe(length);
  line.copy(body, 0, 0, start);
  body.write(idText, start, "latin1");
  line.copy(body, start + idText.length, end);
  res.end(body);
}
