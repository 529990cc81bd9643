/** The bare relays and the bare answer, each started as a process of its own. */
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/free-port.ts";
import type { Endpoint, Era } from "./mcp-client.ts";
import { listens, startProcess, type Started } from "./processes.ts";
import type { UpstreamProgram } from "./upstream.ts";

export interface Yardstick extends Started {
  endpoint(era: Era): Endpoint;
}

/** HTTP in, HTTP out to the upstream on `upstreamPort`. */
export function startBareRelay(upstreamPort: number): Promise<Yardstick> {
  return start("bare-relay.ts", [String(upstreamPort)]);
}

/** HTTP in, one child that speaks over stdio. */
export function startBareStdioRelay(program: UpstreamProgram): Promise<Yardstick> {
  return start("bare-stdio-relay.ts", [program.command, ...program.args, "--stdio"]);
}

/** node:http answering alone. */
export function startBareAnswer(): Promise<Yardstick> {
  return start("bare-answer.ts", []);
}

async function start(file: string, args: readonly string[]): Promise<Yardstick> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const port = await freePort();
  const started = await startProcess(process.execPath, [script, String(port), ...args], {
    ready: () => listens(port),
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  return { ...started, endpoint: (era) => ({ url, era }) };
}
