// A legacy stdio server whose every tool but `good` breaks the protocol in its own way. With an argument it misbehaves
// as a whole instead: `hang` reads and never answers, `crash` ends at once, `babble` prints what is not JSON.
import { createInterface } from "node:readline";
import { z } from "zod";

const names = [
  "good",
  "garbage-first",
  "never",
  "twice",
  "stranger",
  "no-object",
  "exit",
  "huge",
] as const;

type Message = z.infer<typeof messageSchema>;

const messageSchema = z.object({
  id: z.unknown().optional(),
  method: z.string().default(""),
  params: z.object({ name: z.string().optional() }).optional(),
});

function main(mode: string | undefined): void {
  if (mode === "crash") {
    process.stderr.write("Cannot find my configuration.\n");
    process.exit(3);
  }
  if (mode === "babble") setInterval(() => process.stdout.write("Loading, please wait...\n"), 50);
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      if (mode === undefined) answer(messageSchema.parse(JSON.parse(line)));
    })
    .on("close", () => process.exit(0));
}

function answer(message: Message): void {
  if (message.id === undefined) return;
  switch (message.method) {
    case "initialize":
      reply(message, {
        protocolVersion: "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "misbehaving", version: "1.0.0" },
      });
      break;
    case "tools/list":
      reply(message, { tools: names.map((name) => ({ name, inputSchema: { type: "object" } })) });
      break;
    case "tools/call":
      call(message);
      break;
    case "ping":
      reply(message, {});
      break;
    default:
      print({
        jsonrpc: "2.0",
        id: message.id,
        error: { code: -32601, message: "Method not found" },
      });
  }
}

function call(message: Message): void {
  switch (names.find((name) => name === message.params?.name) ?? "good") {
    case "good":
      say(message, "good");
      break;
    case "garbage-first":
      process.stdout.write('<<< not JSON >>>\n{"half":\n');
      say(message, "own");
      break;
    case "never":
      break;
    case "twice":
      say(message, "first");
      say(message, "second");
      break;
    case "stranger":
      say({ ...message, id: 987_654_321 }, "alien");
      say(message, "own");
      break;
    case "no-object":
      print({ jsonrpc: "2.0", id: message.id, result: "text" });
      break;
    case "exit":
      process.exit(9);
      break;
    case "huge":
      void pour();
  }
}

function say(message: Message, text: string): void {
  reply(message, { content: [{ type: "text", text }] });
}

function reply(message: Message, result: unknown): void {
  print({ jsonrpc: "2.0", id: message.id, result });
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

// A line of a gigabyte, written as fast as it is read.
async function pour(): Promise<void> {
  const chunk = Buffer.alloc(1_000_000, "a");
  for (let written = 0; written < 1_000; written += 1)
    if (!process.stdout.write(chunk))
      await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
}

main(process.argv[2]);
