// A local server that says what it was given: with "crash" it writes it to standard error and ends; else it answers every request
// with an error that holds it.
import { createInterface } from "node:readline";

const given = Object.entries(process.env)
  .filter(([name]) => /^(CHILD|FROM)_/.test(name))
  .map(([, value]) => value)
  .join(" ");
process.stderr.write(`starting with ${given}\n`);
if (process.argv.includes("crash")) process.exit(1);

for await (const line of createInterface({ input: process.stdin })) {
  const message: unknown = JSON.parse(line);
  if (typeof message !== "object" || message === null || !("id" in message)) continue;
  const error = { code: -32603, message: given, data: { given } };
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: message.id, error })}\n`);
}
