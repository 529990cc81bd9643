// The limits of a process: which mechanism holds each, and the program that is started under them.
//
// Open files and CPU time are held by the kernel for each process (ulimit, set by a shell that then becomes
// the program itself, its process id kept). Memory is held by a control group where the operator gave the
// gateway a folder for them, and else by looking: the gateway adds up what the process and all it
// started use, twice a second, and kills them beyond the limit. What grows faster than that meets a limit on the data of
// each process, twice as large and a gibibyte more, so that it cannot take the whole machine in between.
import { randomToken } from "../../foundation/index.ts";
import { formatBytes } from "./byte-size.ts";
import { Cgroup, type MakeFolder } from "./cgroup.ts";
import { memoryWatch } from "./memory-watch.ts";
import type { ProcessOptions } from "./process-options.ts";
import type { Program } from "./runner.ts";

/** What holds each limit that was asked for; "nothing" where this machine has no means. */
export interface LimitsHeldBy {
  memory?: "cgroup" | "watch" | "container" | "nothing";
  cpu?: "ulimit" | "container" | "nothing";
  openFiles?: "ulimit" | "container" | "nothing";
}

/** Which limit ended a process, and as the end of "The server ...". */
export interface LimitReached {
  readonly reason: "memory" | "cpu";
  readonly what: string;
}

/** The limits of one process, from before its start until after its end. */
export class ProcessLimits {
  readonly heldBy: LimitsHeldBy;
  readonly #options: ProcessOptions;
  readonly #cgroup: Cgroup | undefined;
  #memoryBytes: number | undefined;

  /** Throws where the control group cannot be made. */
  constructor(options: ProcessOptions, cgroupFolder: string | undefined, makeFolder?: MakeFolder) {
    this.#options = options;
    this.heldBy = holders(options, cgroupFolder);
    const { memory_max } = options;
    if (this.heldBy.memory === "cgroup" && cgroupFolder !== undefined && memory_max !== undefined)
      this.#cgroup = Cgroup.create(
        cgroupFolder,
        `process-${randomToken(9)}`,
        memory_max,
        makeFolder,
      );
  }

  /** Whether a shell has to set limits before the program starts. */
  get needShell(): boolean {
    const { memory, cpu, openFiles } = this.heldBy;
    return memory === "cgroup" || memory === "watch" || cpu === "ulimit" || openFiles === "ulimit";
  }

  /** `program`, started under its limits; its command must be a path. */
  around(program: Program): Program {
    if (!this.needShell) return program;
    const { memory_max, cpu_max, open_files_max } = this.#options;
    const { memory, cpu, openFiles } = this.heldBy;
    const seconds = cpu === "ulimit" ? Math.ceil((cpu_max ?? 0) / 1000) : undefined;
    const values = [
      memory === "watch" ? Math.ceil((2 * (memory_max ?? 0)) / 1024) + GiBinKiB : "",
      seconds ?? "",
      seconds === undefined ? "" : seconds + killedAfterSeconds,
      openFiles === "ulimit" ? (open_files_max ?? "") : "",
      this.#cgroup?.membersFile ?? "",
    ];
    const args = ["-c", shell, "signalbox-limits", ...values.map(String)];
    return { command: "/bin/sh", args: [...args, program.command, ...program.args] };
  }

  /** The process runs; `kill` ends it and all it started. */
  begin(pid: number, kill: () => void): void {
    const { memory_max } = this.#options;
    if (this.heldBy.memory !== "watch" || memory_max === undefined) return;
    memoryWatch.watch(pid, memory_max, (bytes) => {
      this.#memoryBytes = bytes;
      kill();
    });
  }

  /** The process ended: by which limit, if by one. */
  ended(pid: number, code: number | null, signal: NodeJS.Signals | null): LimitReached | undefined {
    memoryWatch.forget(pid);
    const { memory_max = 0, cpu_max = 0 } = this.#options;
    const most = `than its memory_max of ${formatBytes(memory_max)}`;
    if (this.#memoryBytes !== undefined)
      return {
        reason: "memory",
        what: `was killed: it used ${formatBytes(this.#memoryBytes)} of memory, more ${most}`,
      };
    if (this.#cgroup?.ranOut === true)
      return { reason: "memory", what: `was killed: it needed more memory ${most}` };
    if (this.heldBy.memory === "container" && code === killedInContainer)
      return { reason: "memory", what: `was killed, most likely for more memory ${most}` };
    if (signal === "SIGXCPU" || (this.heldBy.cpu === "container" && code === cpuInContainer))
      return {
        reason: "cpu",
        what: `was killed: it used more CPU time than its cpu_max of ${cpu_max / 1000} s`,
      };
    return undefined;
  }

  /** The process and all it started are gone. */
  async close(): Promise<void> {
    await this.#cgroup?.remove();
  }
}

const GiBinKiB = 1024 ** 2;
/** A program may catch the first signal; what it uses of the rest is the last it does. */
const killedAfterSeconds = 5;
const killedInContainer = 128 + 9;
const cpuInContainer = 128 + 24;

function holders(options: ProcessOptions, cgroupFolder: string | undefined): LimitsHeldBy {
  const held: LimitsHeldBy = {};
  const contained = options.runner === "container";
  const byUlimit = process.platform === "win32" ? "nothing" : "ulimit";
  const byLooking = process.platform === "linux" ? "watch" : "nothing";
  const ofMemory = cgroupFolder === undefined ? byLooking : "cgroup";
  if (options.memory_max !== undefined) held.memory = contained ? "container" : ofMemory;
  if (options.cpu_max !== undefined) held.cpu = contained ? "container" : byUlimit;
  if (options.open_files_max !== undefined) held.openFiles = contained ? "container" : byUlimit;
  return held;
}

/** Data in KiB, CPU seconds soft and hard, open files, the group's list of members; empty where there is no limit. */
const shell = `
[ -z "$1" ] || ulimit -d "$1" || exit 126
[ -z "$2" ] || { ulimit -S -t "$2" && ulimit -H -t "$3"; } || exit 126
[ -z "$4" ] || ulimit -n "$4" || exit 126
[ -z "$5" ] || echo $$ > "$5" || exit 126
shift 5
exec "$@"
`;
