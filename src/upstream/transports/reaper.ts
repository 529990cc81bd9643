// When the gateway is killed outright nobody closes its children's groups: those that watch their standard
// input end by themselves, the others would live on. So one small process per gateway holds a pipe from
// us, knows the groups, and ends them when the pipe closes. It is started with the first child.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Keeps the reaper process informed of the process groups that must not outlive this process. */
export class Reaper {
  readonly #groups = new Set<number>();
  #process: ChildProcess | undefined;
  #restarts = 0;

  /** The reaper's process id, once there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts the reaper process if it is not running; call it before the child is spawned. */
  prepare(): void {
    if (this.#process !== undefined || process.platform === "win32") return;
    const helper = spawn(
      process.execPath,
      ["--max-old-space-size=32", "--max-semi-space-size=1", "--no-warnings", program],
      { detached: true, stdio: ["pipe", "ignore", "ignore"], env: {}, cwd: "/" },
    );
    this.#process = helper;
    helper.on("error", () => this.#lost(helper));
    helper.on("exit", () => this.#lost(helper));
    helper.stdin?.on("error", () => this.#lost(helper));
    helper.unref();
    unref(helper.stdin);
    for (const pid of this.#groups) helper.stdin?.write(`+${pid}\n`);
  }

  watch(pid: number): void {
    this.#groups.add(pid);
    this.#process?.stdin?.write(`+${pid}\n`);
  }

  forget(pid: number): void {
    this.#groups.delete(pid);
    this.#process?.stdin?.write(`-${pid}\n`);
  }

  #lost(helper: ChildProcess): void {
    if (this.#process !== helper) return;
    this.#process = undefined;
    this.#restarts += 1;
    // Beyond that something is wrong with it for good; each new child still tries once.
    if (this.#groups.size > 0 && this.#restarts <= restartsMax) this.prepare();
  }
}

/** The one reaper of this process. */
export const reaper: Reaper = new Reaper();

const restartsMax = 20;
const program = fileURLToPath(new URL("./reaper-process.ts", import.meta.url));

/** The pipe must not keep our event loop alive. */
function unref(stream: unknown): void {
  if (
    typeof stream === "object" &&
    stream !== null &&
    "unref" in stream &&
    typeof stream.unref === "function"
  )
    stream.unref();
}
