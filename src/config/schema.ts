// Every module keeps the options of what it does beside the code; here they are joined into one tree. What no single module
// owns (where to listen, where data lies) is defined here.
import { z } from "zod";
import {
  authOptions,
  connectionOptions,
  hostOptions,
  outboundOptions,
  projectOptions,
  quotaOptions,
  rateLimitOptions,
  roleName,
  roleOptions,
  secretOptions,
} from "../access/index.ts";
import { duration, logOptions, metricsOptions, projectName } from "../foundation/index.ts";
import {
  bundleName,
  bundleOptions,
  cacheOptions,
  guardOptions,
  limitOptions,
  pinOptions,
  serverName,
  serverOptions,
} from "../gateway/index.ts";
import { auditOptions } from "../ops/index.ts";
import { databaseOptions } from "../store/index.ts";
import { profileNames } from "./profiles.ts";
import { serviceTables } from "./service-tables.ts";

const DAY_MS = 86_400_000;

/** The log of calls, kept in the database. */
const callLogOptions = z.strictObject({
  enabled: z.boolean().default(true),
  /** Whether the arguments of calls are kept too, with secrets masked. */
  arguments: z.boolean().default(false),
  /** Calls that wait to be written; more are dropped and counted. */
  queue_max: z.int().min(1).max(1_000_000).default(10_000),
  /** Older calls are deleted. */
  retention: duration.default(30 * DAY_MS),
});

/** Everything that can be configured, in the shape of signalbox.toml. Durations come out in milliseconds. */
export const configSchema = z.strictObject({
  profile: z.enum(profileNames).default("development"),
  /** The folder for data and keys; comes out absolute. */
  home: z.string().min(1).default(".signalbox"),
  host: z.string().regex(/^\S+$/, "must be a host name or an address").default("127.0.0.1"),
  /** 0 takes any free port. */
  port: z.int().min(0).max(65_535).default(8100),
  ...hostOptions.shape,
  /** Where clients reach the gateway when that is not where it listens, `https://host[:port]`. */
  public_url: z
    .url({ protocol: /^https?$/, error: "must be an http or https address" })
    .refine(isOrigin, "must be scheme, host and port alone, such as https://mcp.example.com")
    .transform((url) => new URL(url).origin)
    .optional(),
  role: z
    .enum(["all"], {
      error: 'can only be "all" in this version: other roles come with running several replicas',
    })
    .default("all"),
  // A section that is left out has its settings' defaults.
  metrics: metricsOptions.prefault({}),
  log: logOptions.prefault({}),
  database: databaseOptions.prefault({}),
  auth: authOptions.prefault({}),
  secrets: secretOptions.prefault({}),
  connections: connectionOptions.prefault({}),
  outbound: outboundOptions.prefault({}),
  limits: limitOptions.prefault({}),
  rate_limit: rateLimitOptions.prefault({}),
  quotas: quotaOptions.prefault({}),
  call_log: callLogOptions.prefault({}),
  audit: auditOptions.prefault({}),
  ...guardOptions.shape,
  cache: cacheOptions.prefault({}),
  pins: pinOptions.prefault({}),
  servers: z.record(serverName, serverOptions).default({}),
  services: serviceTables.default({}),
  bundles: z.record(bundleName, bundleOptions).default({}),
  projects: z.record(projectName, projectOptions).default({}),
  roles: z.record(roleName, roleOptions).default({}),
});

function isOrigin(url: string): boolean {
  const { origin, href } = URL.parse(url) ?? {};
  return href === `${origin}/`;
}

export type ConfigValues = z.output<typeof configSchema>;
