// What a process runs in, as the program that is started in its place.
import { normalize } from "node:path/posix";
import { randomToken } from "../../foundation/index.ts";
import type { ProcessOptions } from "./process-options.ts";

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

export interface RunContext {
  /** The server's name. */
  readonly name: string;
  readonly cwd: string | undefined;
  /** Names of the variables that the process shall see; their values stand in the environment of what is started. */
  readonly variables: readonly string[];
  /** The gateway's own folder, with its keys and its database: it is nobody else's business. */
  readonly home?: string | undefined;
}

export interface Run extends Program {
  /** Ends what outlives the program that was started: a container lives in its engine, not in our process group. */
  readonly cleanup?: Program;
}

/** The program to start for `program`, by the runner of the options. */
export function throughRunner(program: Program, options: ProcessOptions, context: RunContext): Run {
  if (options.runner === "bubblewrap") return inBubblewrap(program, options.bubblewrap, context);
  if (options.runner === "container") return inContainer(program, options, context);
  return program;
}

/** Variables that the runner itself needs of our environment; what runs in it does not see them. */
export function runnerVariables({ runner }: ProcessOptions): readonly string[] {
  return runner === "container" ? engineVariables : [];
}

const engineVariables = ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST"];

// No `--new-session`: it would take the process out of the group that is ended with it. There is no terminal to protect.
function inBubblewrap(
  program: Program,
  settings: ProcessOptions["bubblewrap"],
  { cwd, home }: RunContext,
): Run {
  const { network = false, writable = [], hidden = [] } = settings ?? {};
  const writablePaths = cwd === undefined ? writable : [...writable, cwd];
  const args = [
    "--die-with-parent",
    "--unshare-all",
    ...(network ? ["--share-net"] : []),
    ...mounts,
    ...overlays(writablePaths, ["/tmp", ...(home === undefined ? [] : [home]), ...hidden]),
    ...(cwd === undefined ? [] : ["--chdir", cwd]),
    "--",
    program.command,
    ...program.args,
  ];
  return { command: "bwrap", args };
}

const mounts = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"];

/** A mount covers those before it: a folder comes before what lies in it, so that each path is as it was said. */
function overlays(writable: readonly string[], hidden: readonly string[]): string[] {
  const all = [
    ...writable.map((path) => ({ path: normalize(path), args: ["--bind", path, path] })),
    ...hidden.map((path) => ({ path: normalize(path), args: ["--tmpfs", path] })),
  ];
  return all.toSorted((a, b) => a.path.length - b.path.length).flatMap(({ args }) => args);
}

function inContainer(program: Program, options: ProcessOptions, context: RunContext): Run {
  const { container, memory_max: memory, cpu_max: cpuMs, open_files_max: files } = options;
  if (container === undefined) throw new TypeError("a container needs an image"); // refused by the schema
  const { cwd, variables } = context;
  const name = `signalbox-${context.name}-${randomToken(9).replaceAll(/[^A-Za-z0-9]/g, "0")}`;
  const args = [
    "run",
    "--rm",
    "--interactive",
    "--init",
    "--name",
    name,
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    ...(container.network ? [] : ["--network", "none"]),
    ...(memory === undefined ? [] : ["--memory", `${memory}b`, "--memory-swap", `${memory}b`]),
    ...(cpuMs === undefined ? [] : ["--ulimit", `cpu=${Math.ceil(cpuMs / 1000)}`]),
    ...(files === undefined ? [] : ["--ulimit", `nofile=${files}:${files}`]),
    // The name alone: the engine takes the value from its own environment, so that no list of processes shows it.
    ...variables.flatMap((variable) => ["--env", variable]),
    ...(cwd === undefined ? [] : ["--volume", `${cwd}:${cwd}`, "--workdir", cwd]),
    ...(container.own_entrypoint ? [] : ["--entrypoint", program.command]),
    ...container.args,
    container.image,
    ...program.args,
  ];
  const { engine } = container;
  return { command: engine, args, cleanup: { command: engine, args: ["rm", "--force", name] } };
}
