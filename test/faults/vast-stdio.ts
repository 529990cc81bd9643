// A program of lines whose one tool answers with a line of `--bytes` bytes.
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { readMessage, type LedgerMessage } from "./ledger-tools.ts";
import { vastPlainAnswer, writeVast } from "./vast-answers.ts";

const { values } = parseArgs({ options: { bytes: { type: "string", default: "1000" } } });

let written: Promise<void> = Promise.resolve();

createInterface({ input: process.stdin })
  .on("line", (line) => {
    // One line after the other, each whole.
    written = written.then(async () => await answer(readMessage(line)));
  })
  .on("close", () => process.exit(0));

async function answer(message: LedgerMessage): Promise<void> {
  if (message.id === undefined) return;
  if (message.method === "tools/call")
    await writeVast(process.stdout, message.id, Number(values.bytes));
  else process.stdout.write(JSON.stringify(vastPlainAnswer(message, "legacy", ["line"])));
  process.stdout.write("\n");
}
