// The ledger server as a program of lines, which crashes where the one over HTTP resets. Its options:
//
//   --ledger FILE        where it notes its executions
//   --starts FILE        where it notes each of its starts, a line with the process id each
//   --crash-while FILE   as long as that file exists it ends by itself, a tenth of a second after its start
//   --era legacy|modern  what it speaks; default legacy
//   --name NAME          by which the ledger names it; default "lines"
import { appendFileSync, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Ledger } from "./ledger.ts";
import {
  callAnswer,
  callIn,
  invalidCall,
  plainAnswer,
  readMessage,
  type LedgerFailure,
  type LedgerMessage,
} from "./ledger-tools.ts";

const crashAfterMs = 100;

const { values } = parseArgs({
  options: {
    ledger: { type: "string" },
    starts: { type: "string" },
    "crash-while": { type: "string" },
    era: { type: "string", default: "legacy" },
    name: { type: "string", default: "lines" },
  },
});
const era = values.era === "modern" ? "modern" : "legacy";
const ledger = new Ledger(values.ledger);

function main(): void {
  if (values.starts !== undefined) appendFileSync(values.starts, `${process.pid}\n`);
  const broken = values["crash-while"];
  if (broken !== undefined && existsSync(broken)) {
    process.stderr.write("Cannot reach my database.\n");
    setTimeout(() => process.exit(1), crashAfterMs);
    return;
  }
  createInterface({ input: process.stdin })
    .on("line", (line) => void receive(readMessage(line)))
    .on("close", () => process.exit(0));
}

async function receive(message: LedgerMessage): Promise<void> {
  if (message.id === undefined) return;
  if (message.method === "tools/call") await call(message);
  else print(plainAnswer(message, era));
}

async function call(message: LedgerMessage): Promise<void> {
  const called = callIn(message);
  if (called === undefined) {
    print(invalidCall(message));
    return;
  }
  const { tool, args } = called;
  const failing =
    args.fail !== undefined && ledger.timesSeen(args.id) < (args.failTimes ?? Infinity);
  const failure = failing ? args.fail : undefined;
  const what = failure === "throttle429" ? "turned away" : "executed";
  ledger.write({ server: values.name, tool, id: args.id, what });
  if (args.delayMs > 0) await delay(args.delayMs);
  if (failure === undefined) print(callAnswer(message, tool, args));
  else fail(failure, message);
}

function fail(failure: LedgerFailure, message: LedgerMessage): void {
  switch (failure) {
    case "reset":
    case "crash":
      process.exit(9);
      break;
    case "garbage":
      print({ jsonrpc: "2.0", id: message.id, result: "not an object" });
      break;
    case "status500":
    case "throttle429":
      // A program of lines has no status: it says so in an error.
      print({ jsonrpc: "2.0", id: message.id, error: { code: -32603, message: failure } });
      break;
    case "hang":
      break;
  }
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

main();
