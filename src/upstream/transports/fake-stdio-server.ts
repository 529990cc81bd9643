// A stdio server for tests, with every bad habit a server can have. Its arguments are its habits:
//   modern | legacy | dual      what it answers to server/discover and initialize
//   exits-on-probe              ends when the first message is not initialize
//   silent-on-meta              never answers what carries _meta
//   noisy                       prints to standard output what is no JSON-RPC
//   ignores-eof, ignores-term   lives on when its input ends, or at SIGTERM
//   grandchild                  starts a process that ignores both, in the same group
//   late=MS                     reads nothing for so long
//   starts=FILE                 appends a line to the file each time it starts
import { spawn } from "node:child_process";
import { appendFileSync, closeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

type Json = Record<string, unknown>;

const habits = new Set(process.argv.slice(2));
const setting = (name: string): string | undefined =>
  [...habits].find((habit) => habit.startsWith(`${name}=`))?.slice(name.length + 1);

const modern = habits.has("modern") || habits.has("dual");
const legacy = habits.has("legacy") || habits.has("dual");
const protocolVersion = "io.modelcontextprotocol/protocolVersion";
const subscriptionId = "io.modelcontextprotocol/subscriptionId";
const seen: Json[] = [];
const waiting = new Map<unknown, unknown>();
let grandchild: number | undefined;

const starts = setting("starts");
if (starts !== undefined) appendFileSync(starts, `${process.pid}\n`);
if (habits.has("ignores-term")) process.on("SIGTERM", () => {});
if (habits.has("ignores-eof")) setInterval(() => {}, 1_000);
if (habits.has("grandchild")) {
  const program = "process.on('SIGTERM',()=>{});setInterval(()=>{},1000)";
  grandchild = spawn(process.execPath, ["-e", program], { stdio: "ignore" }).pid;
}
if (habits.has("noisy")) {
  process.stdout.write('Server ready!\n\n{"level":30,"msg":"listening"}\n{broken\n[1,2]\n');
}
setTimeout(listen, Number(setting("late") ?? 0));

function listen(): void {
  createInterface({ input: process.stdin }).on("line", (line) => receive(JSON.parse(line)));
}

function receive(message: Json): void {
  seen.push(message);
  const { id, method } = message;
  if (method === undefined) {
    answer(waiting.get(id), { content: [{ type: "text", text: JSON.stringify(message) }] });
    return;
  }
  if (seen.length === 1 && method !== "initialize" && habits.has("exits-on-probe")) process.exit(0);
  const params = record(message["params"]);
  if (habits.has("silent-on-meta") && params["_meta"] !== undefined) return;
  if (id === undefined) return;
  switch (typeof method === "string" ? method : "") {
    case "server/discover":
      if (modern) answer(id, discovered());
      else refuse(id, -32601, "Method not found");
      return;
    case "initialize":
      if (legacy) answer(id, initialized(params));
      else refuse(id, -32022, "Unsupported protocol version", { supported: ["2026-07-28"] });
      return;
    case "subscriptions/listen":
      subscribe(id);
      return;
    case "tools/list":
      waiting.set("q2", id);
      write(JSON.stringify({ jsonrpc: "2.0", id: "q2", method: "roots/list" }));
      return;
    case "tools/call":
      call(id, params);
      return;
    default:
      refuse(id, -32601, "Method not found");
  }
}

function record(value: unknown): Json {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function discovered(): Json {
  return {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: { listChanged: true } },
    instructions: "Be kind.",
    ttlMs: 0,
    cacheScope: "private",
    _meta: { "io.modelcontextprotocol/serverInfo": { name: "fake", version: "1" } },
  };
}

function initialized(params: Json): Json {
  return {
    protocolVersion: params["protocolVersion"],
    capabilities: { tools: {} },
    serverInfo: { name: "fake", version: "1" },
  };
}

function subscribe(id: unknown): void {
  const meta = { [subscriptionId]: id };
  say("notifications/subscriptions/acknowledged", { notifications: {}, _meta: meta });
  say("notifications/tools/list_changed", { _meta: meta });
  answer(id, { resultType: "complete", _meta: meta });
}

function call(id: unknown, params: Json): void {
  const args = record(params["arguments"]);
  const meta = record(params["_meta"]);
  const done = {
    content: [{ type: "text", text: typeof args["text"] === "string" ? args["text"] : "done" }],
  };
  switch (params["name"]) {
    case "never":
      return;
    case "at-the-end":
      write(`{"result":${JSON.stringify(done)},"jsonrpc":"2.0","id":${String(id)}}`);
      return;
    case "spaced":
      write(`{ "id": ${String(id)}, "jsonrpc": "2.0", "result": {"n": 12345678901234567890} }\r`);
      return;
    case "as-text":
      answer(String(id), done);
      return;
    case "in-batch":
      write(JSON.stringify([{ jsonrpc: "2.0", id, result: done }]));
      return;
    case "twice":
      answer(id, done);
      answer(id, { content: [] });
      return;
    case "foreign":
      answer(Number(id) + 1000, done);
      answer(args["id"], done);
      return;
    case "null-id":
      refuse(null, -32700, "Parse error");
      return;
    case "no-answer-at-all":
      write(JSON.stringify({ jsonrpc: "2.0", id }));
      return;
    case "noise":
      write("Thinking...");
      answer(id, done);
      return;
    case "blob":
      blob(id, args, done);
      return;
    case "endless":
      setInterval(() => process.stdout.write("x".repeat(65_536)), 1);
      return;
    case "crash":
      process.stderr.write("out of cheese, password=hunter22222\n");
      process.exit(7);
      return;
    case "mute":
      closeSync(1);
      return;
    case "progress":
      for (let step = 1; step <= 3; step += 1)
        say("notifications/progress", { progressToken: meta["progressToken"], progress: step });
      answer(id, done);
      return;
    case "steady-progress": {
      let step = 0;
      const timer = setInterval(() => {
        step += 1;
        say("notifications/progress", { progressToken: meta["progressToken"], progress: step });
        if (step < Number(args["steps"])) return;
        clearInterval(timer);
        answer(id, done);
      }, Number(args["everyMs"]));
      return;
    }
    case "ask":
      waiting.set("q1", id);
      write(JSON.stringify({ jsonrpc: "2.0", id: "q1", method: "sampling/createMessage" }));
      return;
    case "ping":
      waiting.set("p1", id);
      write(JSON.stringify({ jsonrpc: "2.0", id: "p1", method: "ping" }));
      return;
    case "log":
      say("notifications/message", { level: "info", data: "hello" });
      say("notifications/tools/list_changed", {});
      answer(id, done);
      return;
    case "seen":
      answer(id, { seen });
      return;
    case "environment":
      answer(id, { environment: process.env, cwd: process.cwd(), grandchild });
      return;
    case "complain":
      process.stderr.write("line one\nline two\n", () => answer(id, done));
      return;
    default:
      answer(id, { ...done, modern: meta[protocolVersion] !== undefined });
  }
}

function blob(id: unknown, args: Json, done: Json): void {
  const text = "x".repeat(Number(args["size"]));
  const result = JSON.stringify({ ...done, text });
  write(
    args["where"] === "tail"
      ? `{"result":${result},"jsonrpc":"2.0","id":${String(id)}}`
      : `{"jsonrpc":"2.0","id":${String(id)},"result":${result}}`,
  );
}

function answer(id: unknown, result: Json): void {
  write(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

function refuse(id: unknown, code: number, message: string, data?: Json): void {
  write(JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } }));
}

function say(method: string, params: Json): void {
  write(JSON.stringify({ jsonrpc: "2.0", method, params }));
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
