/** The upstream that costs almost nothing: a C program compiled once, or the same in Node where no compiler is. */
import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/support/free-port.ts";
import { listens, startProcess, type Started } from "./processes.ts";

const source = fileURLToPath(new URL("echo-upstream.c", import.meta.url));
const inNode = fileURLToPath(new URL("echo-upstream.ts", import.meta.url));
const folder = fileURLToPath(new URL("../.build", import.meta.url));
const binary = `${folder}/echo-upstream`;

/** How the upstream is started. */
export interface UpstreamProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly kind: "C" | "Node";
}

export interface Upstream extends Started {
  readonly port: number;
  readonly url: string;
}

/** Compiles the upstream where it is not compiled yet, or says loudly that Node stands in for it. */
export function upstreamProgram(): UpstreamProgram {
  if (isFresh() || compile()) return { command: binary, args: [], kind: "C" };
  process.stderr.write(
    "\n*** No C compiler (gcc or cc) was found: the upstream runs on Node and costs several times as much. ***\n" +
      "*** Figures per call of the gateway stay comparable; throughput and latency do not.              ***\n\n",
  );
  return { command: process.execPath, args: [inNode], kind: "Node" };
}

/** Starts the upstream over HTTP with `tools` tools beside echo and blob. */
export async function startUpstream(program: UpstreamProgram, tools = 0): Promise<Upstream> {
  const port = await freePort();
  const args = [...program.args, "--port", String(port), "--tools", String(tools)];
  const started = await startProcess(program.command, args, { ready: () => listens(port) });
  return { ...started, port, url: `http://127.0.0.1:${port}/mcp` };
}

function isFresh(): boolean {
  const built = statSync(binary, { throwIfNoEntry: false });
  return built !== undefined && built.mtimeMs > statSync(source).mtimeMs;
}

function compile(): boolean {
  mkdirSync(folder, { recursive: true });
  return ["gcc", "cc"].some((compiler) => {
    const run = spawnSync(compiler, ["-O2", "-o", binary, source], { stdio: "ignore" });
    return run.status === 0;
  });
}
