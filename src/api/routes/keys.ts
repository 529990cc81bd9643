import { z } from "@hono/zod-openapi";
import { roles } from "../../access/index.ts";
import type { KeyView } from "../../registry/index.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const bundles = z
  .union([z.literal("all"), z.array(z.string().min(1).max(64)).max(100)])
  .describe('"all", or the names of the only bundles that its holder may use.');
const role = z.enum(roles);

const key = z
  .object({
    id: z.string(),
    name: z.string(),
    role,
    bundles,
    prefix: z.string().describe("The first characters, to recognise it by."),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().optional(),
    revokedAt: z.iso.datetime().optional(),
    lastUsedAt: z.iso.datetime().optional(),
  })
  .openapi("Key");
const example = {
  id: "key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  name: "build server",
  role: "caller",
  bundles: ["coding"],
  prefix: "sbx_Jx0vT2aQ",
  createdAt: "2026-11-20T08:00:00.000Z",
};

const newKey = z
  .strictObject({
    name: z.string().min(1).max(100).describe("What it is for."),
    role: role.default("caller"),
    bundles: bundles.default("all"),
    expiresAt: z
      .union([
        z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
        z.int().positive(),
      ])
      .optional()
      .describe(
        "A date and time, or epoch milliseconds. Without it the key lives until it is revoked.",
      ),
  })
  .openapi("NewKey");

const list: Route = route({
  method: "get",
  path: "/api/keys",
  scope: "admin",
  tag: "Keys",
  summary: "Every key, without its secret",
  answer: {
    status: 200,
    description: "The keys, revoked ones included.",
    schema: z.object({ keys: z.array(key) }),
    example: { keys: [example] },
  },
  handle: (_, { registry }) => ({ body: { keys: registry.listKeys().map(presented) } }),
});

const create: Route = route({
  method: "post",
  path: "/api/keys",
  scope: "admin",
  tag: "Keys",
  summary: "Create a key",
  description: "The answer is the only place where the key itself is ever shown.",
  body: newKey,
  bodyExample: { name: "build server", role: "caller", bundles: ["coding"] },
  answer: {
    status: 201,
    description: "Created, and valid at once.",
    schema: z.object({ key: z.string(), record: key }).openapi("CreatedKey"),
    example: { key: "sbx_<43 characters, shown once>", record: example },
  },
  errors: ["NAME_INVALID", "BUNDLE_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async ({ body: { expiresAt, ...wanted } }, { registry }) => {
    const created = await registry.createKey({
      ...wanted,
      ...(expiresAt !== undefined && { expiresAt }),
    });
    return { status: 201, body: { key: created.key, record: presented(created.record) } };
  },
});

const revoke: Route = route({
  method: "delete",
  path: "/api/keys/{id}",
  scope: "admin",
  tag: "Keys",
  summary: "Revoke a key",
  description: "Effective at once here, and within a second in other processes. It stays listed.",
  answer: {
    status: 200,
    description: "Revoked.",
    schema: key,
    example: { ...example, revokedAt: "2026-11-21T08:00:00.000Z" },
  },
  errors: ["NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async ({ params }, { registry }) => ({
    body: presented(await registry.revokeKey(params["id"] ?? "")),
  }),
});

/** `/api/keys`. */
export const keyRoutes: readonly Route[] = [list, create, revoke];

function presented({ createdAt, expiresAt, revokedAt, lastUsedAt, ...rest }: KeyView): object {
  return {
    ...rest,
    createdAt: iso(createdAt),
    ...(expiresAt !== undefined && { expiresAt: iso(expiresAt) }),
    ...(revokedAt !== undefined && { revokedAt: iso(revokedAt) }),
    ...(lastUsedAt !== undefined && { lastUsedAt: iso(lastUsedAt) }),
  };
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
