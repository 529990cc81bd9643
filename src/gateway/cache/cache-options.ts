import { z } from "zod";
import { duration } from "../../foundation/index.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const bytes = z.int("must be a whole number of bytes");

/** What a user may set under [cache]: answers of servers that are kept and given again. Durations come out in milliseconds. */
export const cacheOptions = z
  .strictObject({
    enabled: z.boolean().default(true),
    /** Where answers are kept; "redis" adds a level that several gateways share. Default: "redis" where `redis_url` is set. */
    type: z.enum(["memory", "redis"], 'must be "memory" or "redis"').optional(),
    /** A Redis or Valkey server. Its password belongs into a secret reference. */
    redis_url: z
      .string()
      .regex(/^rediss?:\/\//u, 'must begin with "redis://" or "rediss://"')
      .optional(),
    /** What the names of all keys there begin with. Gateways with the same prefix share their answers. */
    redis_prefix: z
      .string()
      .regex(/^[\w:.-]{1,64}$/u, 'must be 1 to 64 of letters, digits, "_", ":", "." and "-"')
      .default("signalbox:"),
    /** Most answers kept in memory. */
    max_size: z.int().min(1).max(10_000_000).default(10_000),
    /** Most bytes of answers kept in memory. */
    bytes_max: bytes.min(64 * KiB).default(64 * MiB),
    /** Larger answers are not kept. */
    entry_bytes_max: bytes.min(1 * KiB).default(1 * MiB),
    /** How long an answer of a tool that the operator names is good for, and the longest that a server may ask for. */
    ttl: duration.default(60 * 60_000),
    /** For so long after that, an answer is still given while a newer one is fetched. 0 switches this off. */
    stale_while_revalidate: duration.default(30_000),
    /** For so long after that, an answer is given when its server fails. 0 switches this off. */
    stale_if_error: duration.default(5 * 60_000),
  })
  .refine(({ type, redis_url }) => type !== "redis" || redis_url !== undefined, {
    path: ["redis_url"],
    error: 'must be set where type is "redis"',
  });

export type CacheOptions = z.output<typeof cacheOptions>;

/** The Redis that is used, if any: `type = "memory"` wins over an address. */
export function redisUrlOf(options: CacheOptions): string | undefined {
  return options.enabled && options.type !== "memory" ? options.redis_url : undefined;
}
