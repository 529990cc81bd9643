import { z } from "@hono/zod-openapi";
import { rulesOptions, type Principal } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import type { KeyView } from "../../registry/index.ts";
import type { ApiDeps } from "../ports.ts";
import { projectWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { Answer, AuditedThing, Route } from "../route.ts";

const bundles = z
  .union([z.literal("all"), z.array(z.string().min(1).max(64)).max(100)])
  .describe('"all", or the names of the only bundles that its holder may use.');
const role = z.string().min(1).max(32).describe("A built-in role or one of your own.");
const project = z
  .string()
  .min(1)
  .max(32)
  .describe('The project whose servers and bundles its holder sees; "*" for all of them.');
const rules = rulesOptions.describe("They narrow what the role permits, and never widen it.");

const key = z
  .object({
    id: z.string(),
    name: z.string(),
    role,
    project,
    bundles,
    rules: rules.optional(),
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
  project: "default",
  bundles: ["coding"],
  prefix: "sbx_Jx0vT2aQ",
  createdAt: "2026-11-20T08:00:00.000Z",
};

const newKey = z
  .strictObject({
    name: z.string().min(1).max(100).describe("What it is for."),
    role: role.default("caller"),
    project: project
      .optional()
      .describe(
        'Default: that of the key that makes it; "default" where that is of every project.',
      ),
    bundles: bundles.default("all"),
    rules: rules.optional(),
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
  summary: "Every key of the asker's project, without its secret",
  answer: {
    status: 200,
    description: "The keys, revoked ones included.",
    schema: z.object({ keys: z.array(key) }),
    example: { keys: [example] },
  },
  handle: ({ principal: { permissions } }, { registry }) => ({
    body: {
      keys: registry
        .listKeys()
        .filter((one) => permissions.owns(one.project))
        .map(presented),
    },
  }),
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
  errors: [
    "NAME_INVALID",
    "ROLE_NOT_FOUND",
    "PROJECT_NOT_FOUND",
    "BUNDLE_NOT_FOUND",
    "STORE_UNAVAILABLE",
  ],
  audit: {
    action: "key.create",
    target: (_, answer) => madeIn(answer) && `key:${madeIn(answer) ?? ""}`,
    state: (_, deps, answer) => thing(madeIn(answer), deps),
    details: ({ body: { name, role: of } }) => ({ name, role: of }),
  },
  handle: async ({ body, principal }, { registry }) => {
    const { expiresAt, project: named, rules: own, ...wanted } = body;
    requireNoMoreThanOwn(principal, wanted.bundles);
    const created = await registry.createKey({
      ...wanted,
      project: projectWanted(principal, named),
      ...(own !== undefined && { rules: own }),
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
  audit: {
    action: "key.revoke",
    target: ({ params }) => `key:${params["id"] ?? ""}`,
    state: ({ params }, deps) => thing(params["id"], deps),
  },
  handle: async ({ params, principal, hid }, { registry }) => {
    const id = params["id"] ?? "";
    const record = registry.listKeys().find((one) => one.id === id);
    if (record !== undefined && !principal.permissions.owns(record.project)) {
      hid(`key:${id}`, "NOT_FOUND");
      throw new SignalboxError("NOT_FOUND", "There is no key with this id.");
    }
    return { body: presented(await registry.revokeKey(id)) };
  },
});

/** `/api/keys`. */
export const keyRoutes: readonly Route[] = [list, create, revoke];

// Whoever is limited, by rules or to bundles, would lift the limit with a key that is not.
function requireNoMoreThanOwn(principal: Principal, wanted: readonly string[] | "all"): void {
  if (!principal.permissions.allowsEveryUse) {
    throw new SignalboxError(
      "FORBIDDEN",
      "A key whose own permissions are limited by rules may not make keys.",
    );
  }
  const own = principal.bundles;
  if (own === "all" || (wanted !== "all" && wanted.every((name) => own.includes(name)))) return;
  throw new SignalboxError("FORBIDDEN", "A key limited to bundles makes keys for these alone.", {
    details: { bundles: own },
  });
}

const made = z.object({ record: z.object({ id: z.string() }) });

/** The id of the key that an answer tells of. */
function madeIn(answer: Answer | undefined): string | undefined {
  return made.safeParse(answer?.body).data?.record.id;
}

function thing(id: string | undefined, { registry }: ApiDeps): AuditedThing | undefined {
  const record = registry.listKeys().find((one) => one.id === id);
  return record && { project: record.project, shown: presented(record) };
}

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
