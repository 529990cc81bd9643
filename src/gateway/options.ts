import { z } from "zod";
import { duration, projectName } from "../foundation/index.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const bytes = z.int("must be a whole number of bytes");

/** Bounds of the data plane: everything a client or a server could make large has one. */
export const limitOptions = z.strictObject({
  /** Largest request body. */
  body_bytes_max: bytes.min(1 * KiB).default(4 * MiB),
  /** Deepest nesting of a request's JSON. */
  json_depth_max: z.int().min(8).max(1000).default(64),
  /** Most members of all arrays and objects of a request's JSON. */
  json_elements_max: z.int().min(100).default(100_000),
  /** Largest block of request headers. */
  header_bytes_max: bytes.min(4 * KiB).default(16 * KiB),
  /** Most messages in a batch (2025-03-26). */
  batch_max: z.int().min(1).default(50),
  /** Most legacy sessions at once, of all principals. */
  sessions_max: z.int().min(1).default(10_000),
  /** A session without traffic or stream ends after this. */
  session_idle: duration.default(30 * 60_000),
  /** Most bytes kept per session to resume its streams. */
  session_replay_bytes_max: bytes.min(0).default(1 * MiB),
  /** Most processes of one local server: each client that a server may ask for something has one of its own. */
  processes_max: z.int().min(1).max(1_000).default(32),
  /** Most processes of all local servers together. */
  processes_total_max: z.int().min(1).max(10_000).default(256),
  /** Below this folder control groups are made that hold the memory limits of local processes; without it they are watched. */
  cgroup_folder: z.string().min(1).optional(),
  /** Most `subscriptions/listen` streams at once, of all principals. */
  listens_max: z.int().min(1).default(10_000),
  /** A call without an answer ends after this; progress starts it anew. */
  call_timeout: duration.default(30_000),
  /** No call lasts longer, whatever its progress. */
  call_timeout_max: duration.default(10 * 60_000),
  /** How long a list waits for a server that has not answered yet. */
  list_timeout: duration.default(5_000),
  /** Lists of servers that do not say how long theirs are good for are fetched anew after this. */
  list_age_max: duration.default(5 * 60_000),
  /** Most tools, prompts or resources taken from one server. */
  list_items_max: z.int().min(1).default(10_000),
  /** Items per page of a list. */
  list_page: z.int().min(1).default(1_000),
  /** Largest answer of a server. */
  response_bytes_max: bytes.min(64 * KiB).default(64 * MiB),
  /**
   * What all answers together may take that are held whole: because they must be read (another era, kept, inspected) or because
   * their client is slow to take them. One that finds no room is refused; those up to 64 KiB always have it.
   */
  held_bytes_max: bytes.min(1 * MiB).default(256 * MiB),
  /** Answers up to this size are checked whole and have their resource links rewritten; larger ones stream. */
  inspect_bytes_max: bytes.min(16 * KiB).default(1 * MiB),
  /** An event stream carries a comment at least this often. */
  keep_alive: duration.default(15_000),
  /** A call that lasts longer is answered as an event stream, which lives through proxies and can be resumed. */
  events_after: duration.default(2_000),
  /** How long calls in flight may finish when the gateway stops. */
  drain: duration.default(10_000),
});

export type Limits = z.output<typeof limitOptions>;

const pattern = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\s]+$/, 'a pattern has no blanks, such as "files__*"');

const toolOverlay = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'a tool\'s name has 1 to 64 of "A-Z", "a-z", "0-9", "_", "-"')
    .optional(),
  title: z.string().max(200).optional(),
  description: z.string().max(10_000).optional(),
  annotations: z
    .strictObject({
      title: z.string().optional(),
      readOnlyHint: z.boolean().optional(),
      destructiveHint: z.boolean().optional(),
      idempotentHint: z.boolean().optional(),
      openWorldHint: z.boolean().optional(),
    })
    .optional(),
});

/**
 * A named selection of tools, prompts and resources. Patterns are matched against `{server}__{name}` (for a resource
 * `{server}__{uri}`), `*` standing for anything; what `exclude` matches is out whatever `include` says.
 */
export const bundleOptions = z.strictObject({
  title: z.string().max(200).optional(),
  description: z.string().max(10_000).optional(),
  /** Whose it is; it takes of that project's servers alone. Default: "default". */
  project: projectName.optional(),
  include: z.array(pattern).max(1_000).default(["*"]),
  exclude: z.array(pattern).max(1_000).default([]),
  /** `bare` serves names and URIs as the servers write them; two owners of one name are then refused. */
  names: z.enum(["prefixed", "bare"]).default("prefixed"),
  /** Changes to single tools, by their public name `{server}__{tool}`. */
  tools: z
    .record(z.string(), toolOverlay)
    .refine((tools) => {
      const names = Object.values(tools).flatMap(({ name }) => name ?? []);
      return new Set(names).size === names.length;
    }, "two tools are given the same name")
    .default({}),
});

export type BundleOptions = z.output<typeof bundleOptions>;

export interface BundleDefinition {
  readonly name: string;
  readonly options: BundleOptions;
  readonly origin: "config" | "store";
}

/** Names that are paths of their own below `/mcp`. */
const RESERVED = new Set(["catalog", "execute", "rpc", "service", "server-card"]);

export const bundleName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    'a bundle\'s name has 1 to 32 characters of "a-z", "0-9", "-" and "_", and starts with a letter or digit',
  )
  .refine(
    (name) => !RESERVED.has(name),
    "this name is a path of the gateway itself: choose another",
  );
