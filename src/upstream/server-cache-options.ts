import { z } from "zod";
import { duration } from "../foundation/index.ts";

const TOOLS_MAX = 1000;

const kept = z.strictObject({
  /** Default: `cache.ttl`. */
  ttl: duration.optional(),
  /** Whether one caller's answer may be given to all others, or only to the same principal. */
  scope: z.enum(["public", "principal"], 'must be "public" or "principal"').default("principal"),
});

/** What a user may set under `cache` of one server. */
export const serverCacheOptions = z.strictObject({
  /**
   * Tools whose answers are kept although the server says nothing of it, by name as the server writes it. A pattern with
   * `*` takes only tools that are declared read-only; a name in full is the operator's word that the tool changes nothing.
   */
  tools: z
    .record(z.string().min(1).max(200), kept)
    .refine((tools) => Object.keys(tools).length <= TOOLS_MAX, `at most ${TOOLS_MAX} patterns`)
    .default({}),
  /** Keeps what resources read, although the server says nothing of it. */
  resources: kept.optional(),
  /** A call of a tool that is not read-only clears what is kept of this server. */
  invalidate_on_write: z.boolean().default(true),
  /** Whether `ttlMs` and `cacheScope` of the server's answers count. */
  honour_server_hints: z.boolean().default(true),
});

export type ServerCacheOptions = z.output<typeof serverCacheOptions>;
