import { z } from "@hono/zod-openapi";
import { roleOptions } from "../../access/index.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const optionsExample = {
  title: "Reads what the search finds",
  scopes: ["call"],
  rules: [
    { effect: "allow", servers: ["search"], actions: ["read"] },
    { effect: "deny", tools: ["search__index_*"] },
  ],
};
const options = roleOptions
  .describe("Which routes a role opens, and what may be done with which servers.")
  .openapi("RoleOptions", { example: optionsExample });
const newRole = roleOptions
  .safeExtend({ name: z.string().describe("1 to 32 of a-z, 0-9, - and _.") })
  .openapi("NewRole");
const role = z
  .object({
    name: z.string(),
    origin: z.enum(["builtin", "config", "store"]),
    readOnly: z.boolean(),
    options,
  })
  .openapi("Role");
const example = { name: "reader", origin: "store", readOnly: false, options: optionsExample };

const list: Route = route({
  method: "get",
  path: "/api/roles",
  scope: "read",
  tag: "Access",
  summary: "Every role, built-in and own",
  answer: {
    status: 200,
    description: "The roles with their scopes and rules.",
    schema: z.object({ roles: z.array(role) }),
    example: { roles: [example] },
  },
  handle: (_, { registry }) => ({ body: { roles: registry.roles.list() } }),
});

const add: Route = route({
  method: "post",
  path: "/api/roles",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Add a role",
  body: newRole,
  bodyExample: { name: "reader", ...optionsExample },
  answer: { status: 201, description: "Added.", schema: role, example },
  errors: ["NAME_INVALID", "NAME_TAKEN", "STORE_UNAVAILABLE"],
  audit: {
    action: "role.create",
    target: ({ body }) => `role:${body.name}`,
    state: ({ body }, { registry }) => ({ shown: registry.roles.get(body.name).options }),
  },
  handle: async ({ body: { name, ...rest } }, { registry }) => ({
    status: 201,
    body: await registry.roles.add(name, rest),
  }),
});

const get: Route = route({
  method: "get",
  path: "/api/roles/{name}",
  scope: "read",
  tag: "Access",
  summary: "One role",
  answer: { status: 200, description: "The role.", schema: role, example },
  errors: ["ROLE_NOT_FOUND"],
  handle: ({ params }, { registry }) => ({ body: registry.roles.get(params["name"] ?? "") }),
});

const replace: Route = route({
  method: "put",
  path: "/api/roles/{name}",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Replace what a role permits",
  description:
    "Effective at once for everyone who holds it; sessions and streams go on with what is left.",
  body: options,
  bodyExample: optionsExample,
  answer: { status: 200, description: "Replaced.", schema: role, example },
  errors: ["ROLE_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "role.update",
    target: ({ params }) => `role:${params["name"] ?? ""}`,
    state: ({ params }, { registry }) => ({
      shown: registry.roles.get(params["name"] ?? "").options,
    }),
  },
  handle: async ({ params, body }, { registry }) => ({
    body: await registry.roles.update(params["name"] ?? "", body),
  }),
});

const remove: Route = route({
  method: "delete",
  path: "/api/roles/{name}",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Remove a role that no key has any more",
  answer: { status: 204, description: "Removed." },
  errors: ["ROLE_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "role.delete",
    target: ({ params }) => `role:${params["name"] ?? ""}`,
    state: ({ params }, { registry }) => ({
      shown: registry.roles.get(params["name"] ?? "").options,
    }),
  },
  handle: async ({ params }, { registry }) => {
    await registry.roles.remove(params["name"] ?? "");
    return { status: 204 };
  },
});

/** `/api/roles`: a role holds in every project, so only whoever administers all of them changes one. */
export const roleRoutes: readonly Route[] = [list, add, get, replace, remove];
