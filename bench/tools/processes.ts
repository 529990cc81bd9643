/** The processes of a run: each is started here, and ended here whatever happens. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Started {
  readonly pid: number;
  /** Ends it: TERM, and KILL after ten seconds. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Started when this answers true; asked every 10 ms. */
  readonly ready: () => Promise<boolean>;
}

const READY_WITHIN_MS = 90_000;
const KILL_AFTER_MS = 10_000;
const POLL_MS = 10;
const OUTPUT_MAX = 4_000;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Starts a process and waits until it is ready; throws with its last output where it is not. */
export async function startProcess(
  command: string,
  args: readonly string[],
  { env, cwd, ready }: StartOptions,
): Promise<Started> {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const closed = once(child, "close").finally(() => running.delete(child));
  const output = lastOutput(child);
  const over = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await ready())) {
    if (over() || performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${command} ${args.join(" ")} did not start:\n${output()}`);
    }
    await delay(POLL_MS);
  }
  return {
    pid: child.pid ?? -1,
    async stop() {
      if (!over()) child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Whether something listens on a loopback port. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function lastOutput(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      text = (text + chunk).slice(-OUTPUT_MAX);
    });
  }
  return () => text;
}
