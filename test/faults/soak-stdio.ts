// A server for soaks, of lines and quick to start: nothing but Node's own modules. Its arguments:
//
//   FILE          where it notes its start, a line "pid name"
//   NAME
//   GENERATION    which configuration it was started by; `echo` tells
//   with-helper   it starts a program of its own, which outlives it where nobody ends it
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [, , starts = "", name = "", generation = "", helper] = process.argv;

function main(): void {
  appendFileSync(starts, `${process.pid} ${name}\n`);
  if (helper === "with-helper") {
    const { pid } = spawn("sleep", ["100000"], { stdio: "ignore" });
    appendFileSync(starts, `${pid} helper-of-${name}\n`);
  }
  createInterface({ input: process.stdin })
    .on("line", (line) => receive(JSON.parse(line)))
    .on("close", () => process.exit(0));
}

interface Received {
  id?: unknown;
  method?: string;
  params?: { name?: string; arguments?: { text?: string } };
}

function receive({ id, method = "", params }: Received): void {
  if (id === undefined) return;
  switch (method) {
    case "initialize":
      answer(id, {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name, version: generation },
      });
      return;
    case "tools/list":
      answer(id, { tools: ["echo", "crash"].map((tool) => ({ name: tool, inputSchema })) });
      return;
    case "tools/call":
      if (params?.name === "crash") process.exit(9);
      answer(id, { content: [{ type: "text", text: `${name} ${params?.arguments?.text ?? ""}` }] });
      return;
    case "ping":
      answer(id, {});
      return;
    default:
      print({ jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } });
  }
}

const inputSchema = { type: "object", properties: { text: { type: "string" } } };

function answer(id: unknown, result: object): void {
  print({ jsonrpc: "2.0", id, result });
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

main();
