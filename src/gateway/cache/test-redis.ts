/** A real Redis or Valkey for tests: a process of its own on a port of its own, nothing on disk. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** The program; undefined where there is none, which is then said aloud. */
export function redisProgram(): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(":")) {
    for (const name of ["redis-server", "valkey-server"]) {
      if (isProgram(join(folder, name))) return join(folder, name);
    }
  }
  process.stderr.write(
    "\n*** redis-server is not installed: the tests of the shared cache are SKIPPED. On Debian: apt-get install redis-server ***\n\n",
  );
  return undefined;
}

export class TestRedis implements AsyncDisposable {
  readonly port: number;
  readonly #program: string;
  #process: ChildProcess | undefined;

  constructor(program: string, port: number) {
    this.#program = program;
    this.port = port;
  }

  static async start(program: string): Promise<TestRedis> {
    const redis = new TestRedis(program, await freePort());
    await redis.up();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, empty, and waits until it takes connections. */
  async up(): Promise<void> {
    const args = [
      "--port",
      String(this.port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--appendonly",
      "no",
    ];
    const child = spawn(this.#program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = child;
    let output = "";
    for await (const chunk of child.stdout) {
      output += String(chunk);
      if (output.includes("Ready to accept connections")) break;
    }
    if (!output.includes("Ready to accept connections")) throw new Error(`no Redis: ${output}`);
  }

  async down(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** It holds its connections and answers nothing, until `resume`. */
  hang(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}
