import { z } from "@hono/zod-openapi";
import { actorOf, type Principal } from "../../access/index.ts";
import type { SecretView } from "../../registry/index.ts";
import type { ApiDeps } from "../ports.ts";
import { projectWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { AuditedThing, Route } from "../route.ts";

const project = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, "must be 1 to 32 of a-z, 0-9, - and _")
  .describe("The project it belongs to.");
const owner = z
  .string()
  .min(1)
  .max(100)
  .optional()
  .describe("The id of the principal whose own it is; without one it is the project's.");
const place = z.strictObject({ project: project.optional(), owner });

const secret = z
  .object({
    name: z.string(),
    project: z.string(),
    owner: z.string().optional(),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    updatedAt: z.iso.datetime(),
    updatedBy: z.string(),
    lastUsedAt: z.iso.datetime().optional().describe("When a server was last given it."),
    keyId: z.string().describe("The encryption key it is sealed with."),
    current: z.boolean().describe("Whether that is the key in use."),
    usedBy: z.array(z.string()).describe("The servers that refer to it."),
  })
  .openapi("Secret");
const example = {
  name: "github",
  project: "default",
  createdAt: "2026-11-20T08:00:00.000Z",
  createdBy: "key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  updatedAt: "2026-11-20T08:00:00.000Z",
  updatedBy: "key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  keyId: "Jx0vT2aQ9k",
  current: true,
  usedBy: ["github"],
};

const list: Route = route({
  method: "get",
  path: "/api/secrets",
  scope: "admin",
  tag: "Secrets",
  summary: "Every secret of the asker's project, without its value",
  description: "No address gives a value back.",
  query: z.strictObject({ project: project.optional() }),
  answer: {
    status: 200,
    description: "Names, ages, and who uses them.",
    schema: z.object({ secrets: z.array(secret) }),
    example: { secrets: [example] },
  },
  handle: ({ query, principal: { permissions } }, { registry }) => ({
    body: {
      secrets: registry
        .listSecrets(query.project)
        .filter((one) => permissions.owns(one.project))
        .map(presented),
    },
  }),
});

const put: Route = route({
  method: "put",
  path: "/api/secrets/{name}",
  scope: "admin",
  tag: "Secrets",
  summary: "Store a secret, or a new value for it",
  description:
    "Servers refer to it as `${secret:name}` in `env` and `headers`. Those that do are opened anew; the others are not touched.",
  body: place
    .extend({ value: z.string().describe("1 byte to 64 KiB; never given back.") })
    .openapi("SecretValue"),
  bodyExample: { value: "<the secret>" },
  answer: { status: 200, description: "Replaced.", schema: secret, example },
  otherAnswers: [{ status: 201, description: "Created.", schema: secret }],
  errors: [
    "NAME_INVALID",
    "PROJECT_NOT_FOUND",
    "CONFLICT",
    "ENCRYPTION_KEY_MISSING",
    "STORE_UNAVAILABLE",
  ],
  audit: {
    action: "secret.put",
    target: onSecret,
    state: ({ params, body, principal }, deps) => thing(params["name"], body, principal, deps),
  },
  handle: async ({ params, body, principal }, { registry }) => {
    const name = params["name"] ?? "";
    const wanted = { ...body, name, project: projectWanted(principal, body.project) };
    const stored = await registry.putSecret(wanted, actorOf(principal));
    return { status: stored.created ? 201 : 200, body: presented(stored.secret) };
  },
});

const remove: Route = route({
  method: "delete",
  path: "/api/secrets/{name}",
  scope: "admin",
  tag: "Secrets",
  summary: "Remove a secret",
  description: "Servers that refer to it fail with `SECRET_MISSING` from then on.",
  query: place,
  answer: { status: 204, description: "Removed." },
  errors: ["NOT_FOUND", "PROJECT_NOT_FOUND", "STORE_UNAVAILABLE"],
  audit: {
    action: "secret.delete",
    target: onSecret,
    state: ({ params, query, principal }, deps) => thing(params["name"], query, principal, deps),
  },
  handle: async ({ params, query, principal }, { registry }) => {
    const of = projectWanted(principal, query.project);
    await registry.removeSecret({ ...query, name: params["name"] ?? "", project: of });
    return { status: 204 };
  },
});

const resealed = z.object({
  table: z.string().describe("What the portion was of: secrets, connections, clients, consents."),
  resealed: z.int(),
  unreadable: z.array(z.string()).describe("What no configured key opens."),
  left: z
    .int()
    .describe("What is left in the table that another key has sealed, the unreadable included."),
  next: z.string().optional(),
});

const rotate: Route = route({
  method: "post",
  path: "/api/secrets/rotate",
  scope: "admin",
  gatewayWide: true,
  tag: "Secrets",
  summary: "Seal a portion of what an earlier encryption key has sealed with the key in use",
  description:
    "Ask again with `after` set to the `next` of the answer, until there is none. It may be broken off and begun again.",
  body: z
    .strictObject({
      after: z.string().max(8000).default("").describe("The `next` of the portion before."),
      limit: z.int().min(1).max(1000).default(200),
    })
    .openapi("SecretRotation"),
  bodyExample: {},
  answer: {
    status: 200,
    description: "What was done.",
    schema: resealed,
    example: { table: "secrets", resealed: 12, unreadable: [], left: 0, next: "connections:" },
  },
  errors: ["BODY_INVALID", "ENCRYPTION_KEY_MISSING", "STORE_UNAVAILABLE"],
  audit: {
    action: "secret.reseal",
    details: (_, answer) => ({ ...resealed.safeParse(answer?.body).data }),
  },
  handle: async ({ body }, { registry }) => ({ body: await registry.resealSecrets(body) }),
});

/** `/api/secrets`. */
export const secretRoutes: readonly Route[] = [list, rotate, put, remove];

function onSecret({ params }: { params: Readonly<Record<string, string>> }): string {
  return `secret:${params["name"] ?? ""}`;
}

function thing(
  name: string | undefined,
  { project: named, owner: by }: z.output<typeof place>,
  principal: Principal,
  { registry }: ApiDeps,
): AuditedThing | undefined {
  const of = projectWanted(principal, named);
  const found = registry.listSecrets(of).find((one) => one.name === name && one.owner === by);
  return found && { project: of, shown: presented(found) };
}

function presented({ id: _id, createdAt, updatedAt, lastUsedAt, ...rest }: SecretView): object {
  return {
    ...rest,
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
    ...(lastUsedAt !== undefined && { lastUsedAt: iso(lastUsedAt) }),
  };
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
