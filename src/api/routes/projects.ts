import { z } from "@hono/zod-openapi";
import { projectOptions } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import type { ApiDeps } from "../ports.ts";
import { route } from "../route.ts";
import type { AuditedThing, Route } from "../route.ts";

const optionsExample = { title: "Payments" };
const options = projectOptions
  .describe("What people read of a project.")
  .openapi("ProjectOptions", { example: optionsExample });
const newProject = projectOptions
  .extend({ name: z.string().describe("1 to 32 of a-z, 0-9, - and _.") })
  .openapi("NewProject");
const project = z
  .object({
    name: z.string(),
    origin: z.enum(["builtin", "config", "store"]),
    readOnly: z.boolean(),
    options,
    servers: z.int().describe("How many servers belong to it."),
    bundles: z.int(),
    keys: z.int().describe("Those that are not revoked."),
  })
  .openapi("Project");
const example = {
  name: "payments",
  origin: "store",
  readOnly: false,
  options: optionsExample,
  servers: 2,
  bundles: 1,
  keys: 3,
};

const list: Route = route({
  method: "get",
  path: "/api/projects",
  scope: "read",
  tag: "Access",
  summary: "The projects that the asker belongs to",
  answer: {
    status: 200,
    description: "All of them for a key of every project, else its own.",
    schema: z.object({ projects: z.array(project) }),
    example: { projects: [example] },
  },
  handle: ({ principal: { permissions } }, { registry }) => ({
    body: { projects: registry.projects.list().filter(({ name }) => permissions.owns(name)) },
  }),
});

const add: Route = route({
  method: "post",
  path: "/api/projects",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Add a project",
  body: newProject,
  bodyExample: { name: "payments", ...optionsExample },
  answer: { status: 201, description: "Added.", schema: project, example },
  errors: ["NAME_INVALID", "NAME_TAKEN", "STORE_UNAVAILABLE"],
  audit: {
    action: "project.create",
    target: ({ body }) => `project:${body.name}`,
    state: ({ body }, deps) => thing(body.name, deps),
  },
  handle: async ({ body: { name, ...rest } }, { registry }) => ({
    status: 201,
    body: await registry.projects.add(name, rest),
  }),
});

const get: Route = route({
  method: "get",
  path: "/api/projects/{name}",
  scope: "read",
  tag: "Access",
  summary: "One project",
  answer: { status: 200, description: "The project.", schema: project, example },
  errors: ["PROJECT_NOT_FOUND"],
  handle: ({ params, principal, hid }, { registry }) => {
    const name = params["name"] ?? "";
    const found = registry.projects.get(name);
    if (principal.permissions.owns(found.name)) return { body: found };
    hid(`project:${name}`, "PROJECT_NOT_FOUND");
    throw new SignalboxError("PROJECT_NOT_FOUND", `There is no project "${name}".`);
  },
});

const replace: Route = route({
  method: "put",
  path: "/api/projects/{name}",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Replace a project's title and description",
  body: options,
  bodyExample: optionsExample,
  answer: { status: 200, description: "Replaced.", schema: project, example },
  errors: ["PROJECT_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "project.update",
    target: ({ params }) => `project:${params["name"] ?? ""}`,
    state: ({ params }, deps) => thing(params["name"] ?? "", deps),
  },
  handle: async ({ params, body }, { registry }) => ({
    body: await registry.projects.update(params["name"] ?? "", body),
  }),
});

const remove: Route = route({
  method: "delete",
  path: "/api/projects/{name}",
  scope: "admin",
  gatewayWide: true,
  tag: "Access",
  summary: "Remove a project to which nothing belongs any more",
  answer: { status: 204, description: "Removed." },
  errors: ["PROJECT_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "project.delete",
    target: ({ params }) => `project:${params["name"] ?? ""}`,
    state: ({ params }, deps) => thing(params["name"] ?? "", deps),
  },
  handle: async ({ params }, { registry }) => {
    await registry.projects.remove(params["name"] ?? "");
    return { status: 204 };
  },
});

/** `/api/projects`. */
export const projectRoutes: readonly Route[] = [list, add, get, replace, remove];

function thing(name: string, { registry }: ApiDeps): AuditedThing {
  return { project: name, shown: registry.projects.get(name).options };
}
