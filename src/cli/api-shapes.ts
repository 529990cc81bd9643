// What the command line reads of the API's answers. Objects are loose: `--json` prints whatever else a gateway of a
// newer version says, and nothing breaks when a field is added.
import { z } from "zod";

const failure = z.looseObject({ code: z.string(), message: z.string() });

export const serverView = z.looseObject({
  name: z.string(),
  origin: z.string().optional(),
  options: z.record(z.string(), z.unknown()).optional(),
  status: z
    .looseObject({
      transport: z.string().optional(),
      state: z.string(),
      era: z.string().optional(),
      revision: z.string().optional(),
      tools: z.number().optional(),
      lastError: failure.optional(),
    })
    .optional(),
});
export type ServerView = z.infer<typeof serverView>;

export const testReport = z.looseObject({
  ok: z.boolean(),
  era: z.string().optional(),
  revision: z.string().optional(),
  serverInfo: z
    .looseObject({ name: z.string().optional(), version: z.string().optional() })
    .optional(),
  tools: z.number().optional(),
  prompts: z.number().optional(),
  resources: z.number().optional(),
  ms: z.number().optional(),
  error: failure.optional(),
});
export type TestReport = z.infer<typeof testReport>;

export const bundleView = z.looseObject({
  name: z.string(),
  origin: z.string().optional(),
  options: z
    .looseObject({
      include: z.array(z.string()).optional(),
      exclude: z.array(z.string()).optional(),
      names: z.string().optional(),
      title: z.string().optional(),
      description: z.string().optional(),
    })
    .optional(),
});

export const keyView = z.looseObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  bundles: z.union([z.array(z.string()), z.literal("all")]).optional(),
  prefix: z.string().optional(),
  createdAt: z.union([z.number(), z.string()]).optional(),
  expiresAt: z.union([z.number(), z.string()]).nullish(),
  revokedAt: z.union([z.number(), z.string()]).nullish(),
  lastUsedAt: z.union([z.number(), z.string()]).nullish(),
});
export type KeyView = z.infer<typeof keyView>;

export const catalogView = z.looseObject({
  tools: z.array(
    z.looseObject({
      name: z.string(),
      server: z.string().optional(),
      description: z.string().optional(),
    }),
  ),
  missing: z
    .array(z.looseObject({ server: z.string(), reason: z.string(), since: z.string().optional() }))
    .optional(),
});

/** A list, bare or under its name. */
export function listOf<T>(name: string, item: z.ZodType<T>): z.ZodType<T[]> {
  const named = z.record(z.string(), z.unknown()).transform((body) => body[name]);
  return z.union([z.array(z.unknown()), named]).pipe(z.array(item));
}
