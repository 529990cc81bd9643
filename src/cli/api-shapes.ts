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
  needs: z.array(z.string()).optional(),
  missing: z.looseObject({ reason: z.string(), message: z.string().optional() }).optional(),
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
  project: z.string().optional(),
  bundles: z.union([z.array(z.string()), z.literal("all")]).optional(),
  prefix: z.string().optional(),
  createdAt: z.iso.datetime().optional(),
  expiresAt: z.iso.datetime().optional(),
  revokedAt: z.iso.datetime().optional(),
  lastUsedAt: z.iso.datetime().optional(),
});
export type KeyView = z.infer<typeof keyView>;

const rule = z.looseObject({ effect: z.string() });
export type RuleView = z.infer<typeof rule>;

export const roleView = z.looseObject({
  name: z.string(),
  origin: z.string().optional(),
  options: z.looseObject({
    title: z.string().optional(),
    scopes: z.array(z.string()),
    rules: z.array(rule),
  }),
});
export type RoleView = z.infer<typeof roleView>;

export const projectView = z.looseObject({
  name: z.string(),
  origin: z.string().optional(),
  options: z.looseObject({ title: z.string().optional() }).optional(),
  servers: z.number().optional(),
  bundles: z.number().optional(),
  keys: z.number().optional(),
});
export type ProjectView = z.infer<typeof projectView>;

export const explanation = z.looseObject({
  allowed: z.boolean(),
  reason: z.string(),
  rule: z.looseObject({ rule }).optional(),
});
export const personView = z.looseObject({
  id: z.string(),
  name: z.string(),
  email: z.string().optional(),
  role: z.string(),
  project: z.string().optional(),
  hasPassword: z.boolean().optional(),
  totp: z.string().optional(),
  provider: z.string().optional(),
  disabledAt: z.iso.datetime().optional(),
  lastSignInAt: z.iso.datetime().optional(),
});
export type PersonView = z.infer<typeof personView>;

export const secretView = z.looseObject({
  name: z.string(),
  project: z.string().optional(),
  owner: z.string().optional(),
  updatedAt: z.iso.datetime().optional(),
  lastUsedAt: z.iso.datetime().optional(),
  current: z.boolean().optional(),
  usedBy: z.array(z.string()).optional(),
});
export type SecretView = z.infer<typeof secretView>;

export const catalogView = z.looseObject({
  tools: z.array(
    z.looseObject({
      name: z.string(),
      server: z.string().optional(),
      description: z.string().optional(),
    }),
  ),
  missing: z
    .array(
      z.looseObject({
        server: z.string(),
        reason: z.string(),
        message: z.string().optional(),
        since: z.string().optional(),
        stale: z.boolean().optional(),
      }),
    )
    .optional(),
});

/** The list that an answer holds under `name`. */
export function listOf<T>(name: string, item: z.ZodType<T>): z.ZodType<T[]> {
  const body = z.record(z.string(), z.unknown());
  return body.transform((fields) => fields[name]).pipe(z.array(item));
}
