// A stdio server for tests of what holds a process in bounds. Its tools:
//   allocate {bytes}        keeps that much memory, 1 MiB at a time
//   allocate-at-once {bytes} asks for that much in one piece, and says whether it got it
//   have-allocated {bytes}  has a child of its own keep it
//   spin                    uses the CPU until it is ended
//   open {files}            opens that many files, and says how many it could
//   freeze                  stops itself and its child, as SIGSTOP from outside would
//   never                   is not answered, while everything else is
//   crash                   ends with code 7, its child left behind
//   family                  starts a child that ignores SIGTERM, and tells its process id
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

const kept: Buffer[] = [];
let pings = 0;

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (method === "initialize")
    answer(id, {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "greedy", version: "1" },
    });
  if (method === "server/discover")
    answer(id, { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
  if (method === "ping") {
    pings += 1;
    answer(id, {});
  }
  if (method === "tools/call") call(id, params.name, params.arguments ?? {});
});

function call(id: unknown, name: string, args: Record<string, unknown>): void {
  switch (name) {
    case "allocate":
      allocate(Number(args["bytes"]), () => answer(id, { kept: kept.length }));
      return;
    case "allocate-at-once":
      answer(id, { got: allocateAtOnce(Number(args["bytes"])) });
      return;
    case "have-allocated": {
      const program = `const kept=[];setInterval(()=>{if(kept.length<${Number(args["bytes"])}/2**20)kept.push(Buffer.alloc(2**20,1))},1)`;
      startChild(program);
      return;
    }
    case "spin":
      for (;;);
    case "open":
      answer(id, { opened: openMany(Number(args["files"])) });
      return;
    case "freeze":
      process.kill(-process.pid, "SIGSTOP");
      return;
    case "never":
      return;
    case "crash":
      process.exit(7);
      return;
    case "family":
      answer(id, { child: startChild("process.on('SIGTERM',()=>{});setInterval(()=>{},1000)") });
      return;
    default:
      answer(id, { pings });
  }
}

function allocate(bytes: number, done: () => void): void {
  for (let step = 0; step < 8; step += 1) kept.push(Buffer.alloc(2 ** 20, 1));
  if (kept.length * 2 ** 20 >= bytes) done();
  else setTimeout(allocate, 1, bytes, done);
}

function allocateAtOnce(bytes: number): boolean {
  try {
    return Buffer.alloc(bytes).length === bytes;
  } catch {
    return false;
  }
}

function openMany(files: number): number {
  for (let opened = 0; opened < files; opened += 1) {
    try {
      openSync("/dev/null", "r");
    } catch {
      return opened;
    }
  }
  return files;
}

function startChild(program: string): number | undefined {
  return spawn(process.execPath, ["-e", program], { stdio: "ignore" }).pid;
}

function answer(id: unknown, result: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
}
