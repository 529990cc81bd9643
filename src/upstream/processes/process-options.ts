// What may be said about the process of a local server, in its table `process`.
import { z } from "zod";
import { duration } from "../../foundation/index.ts";
import { byteSize } from "./byte-size.ts";

const MiB = 1024 ** 2;

const text = z
  .string()
  .min(1)
  .refine((value) => !value.includes("\0"), "it contains a NUL byte");
const absolutePath = text.refine((value) => value.startsWith("/"), "must be an absolute path");

const bubblewrap = z.strictObject({
  /** Whether the process reaches the network; default false. */
  network: z.boolean("network must be true or false").default(false),
  /** Folders and files it may write beside its `cwd`; default none. */
  writable: z.array(absolutePath).max(64, "at most 64 paths").default([]),
  /** Folders that look empty to it; default none. */
  hidden: z.array(absolutePath).max(64, "at most 64 paths").default([]),
});

const container = z.strictObject({
  /** The image to run. */
  image: text.regex(/^[^-]/, "an image's name does not start with a hyphen"),
  /** Default "docker". */
  engine: z.enum(["docker", "podman"], 'engine must be "docker" or "podman"').default("docker"),
  /** Whether the process reaches the network; default false. */
  network: z.boolean("network must be true or false").default(false),
  /** Runs the image's own entry point with `args`, in place of `command`; default false. */
  own_entrypoint: z.boolean("own_entrypoint must be true or false").default(false),
  /** More options of `docker run`, such as ["--volume", "/data:/data:ro"]; default none. */
  args: z.array(text).max(100, "at most 100 arguments").default([]),
});

/** The options of a server's processes. */
export const processOptions = z
  .strictObject({
    /**
     * Who shares a process: everyone, one principal, one client session, or nobody ("call": a process for each call).
     * Default: everyone, but one session where the client can be asked for something.
     */
    mode: z
      .enum(
        ["shared", "principal", "session", "call"],
        'mode must be "shared", "principal", "session" or "call"',
      )
      .optional(),
    /** Processes of this server at once, 1 to 1,000; default `limits.processes_max`. */
    processes_max: z
      .int("processes_max must be a whole number")
      .min(1, "processes_max must be at least 1")
      .max(1_000, "processes_max must be at most 1000")
      .optional(),
    /** An unused process ends after so long; "never" keeps it. Default 10m, but "never" for a shared one. */
    idle_timeout: z.union([z.literal("never"), duration]).optional(),
    /** Longest start, and longest silence of a process that let a call time out; default the gateway's connect timeout. */
    start_timeout: duration.optional(),
    /** Memory of the process and all it starts, such as "512MB", 16 MiB or more; it is killed beyond. Default no limit. */
    memory_max: byteSize
      .refine((bytes) => bytes >= 16 * MiB, "memory_max must be at least 16MiB")
      .optional(),
    /**
     * CPU time that each process may use in its whole life, 1s or more; it is killed beyond. Meant for processes of one
     * call or one session: a shared process lives on and reaches any limit. Default no limit.
     */
    cpu_max: duration.refine((ms) => ms >= 1_000, "cpu_max must be at least 1s").optional(),
    /** Files and sockets each process may have open, 32 to 1,048,576; default what the gateway itself may. */
    open_files_max: z
      .int("open_files_max must be a whole number")
      .min(32, "open_files_max must be at least 32")
      .max(1_048_576, "open_files_max must be at most 1048576")
      .optional(),
    /**
     * What the process runs in: nothing; bubblewrap (all files read-only but `cwd`, no network); or a container.
     * Default "none".
     */
    runner: z
      .enum(
        ["none", "bubblewrap", "container"],
        'runner must be "none", "bubblewrap" or "container"',
      )
      .default("none"),
    bubblewrap: bubblewrap.optional(),
    container: container.optional(),
  })
  .superRefine((options, context) => {
    const { runner } = options;
    if (runner === "container" && options.container === undefined)
      context.addIssue({
        code: "custom",
        path: ["container"],
        message: 'runner = "container" needs container.image',
      });
    for (const name of ["bubblewrap", "container"] as const) {
      if (options[name] === undefined || runner === name) continue;
      context.addIssue({
        code: "custom",
        path: [name],
        message: `${name} goes with runner = "${name}"`,
      });
    }
  });

export type ProcessOptions = z.output<typeof processOptions>;
export type ProcessMode = NonNullable<ProcessOptions["mode"]>;

/** A process about which nothing was said. */
export const plainProcess: ProcessOptions = processOptions.parse({});

const idleMs = 10 * 60_000;

/** Who shares a process; `askable`: the client can be asked for something. */
export function processModeOf(options: ProcessOptions, askable: boolean): ProcessMode {
  return options.mode ?? (askable ? "session" : "shared");
}

/** After how many ms an unused process of this mode ends; undefined: never. */
export function idleTimeoutOf(options: ProcessOptions, mode: ProcessMode): number | undefined {
  const { idle_timeout } = options;
  if (idle_timeout === "never") return undefined;
  return idle_timeout ?? (mode === "shared" ? undefined : idleMs);
}
