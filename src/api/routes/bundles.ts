import { z } from "@hono/zod-openapi";
import { projectOf } from "../../access/index.ts";
import { bundleOptions } from "../../registry/index.ts";
import type { ApiDeps } from "../ports.ts";
import { bundleSeen, bundleWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { AuditedThing, Route } from "../route.ts";

const optionsExample = { include: ["files__*", "search__query"], title: "Coding" };
const options = bundleOptions
  .describe("What a bundle offers: patterns over public names, and changes to single tools.")
  .openapi("BundleOptions", { example: optionsExample });
const newBundle = bundleOptions
  .safeExtend({ name: z.string().describe("1 to 32 of a-z, 0-9, - and _; served at /mcp/{name}.") })
  .openapi("NewBundle");
const bundle = z
  .object({
    name: z.string(),
    origin: z.enum(["config", "store"]),
    readOnly: z.boolean(),
    options,
  })
  .openapi("Bundle");
const example = {
  name: "coding",
  origin: "store",
  readOnly: false,
  options: { ...optionsExample, exclude: [], names: "prefixed", tools: {} },
};

const list: Route = route({
  method: "get",
  path: "/api/bundles",
  scope: "read",
  tag: "Bundles",
  summary: "Every bundle of the asker's project",
  answer: {
    status: 200,
    description: "The bundles of the configuration file and of the store.",
    schema: z.object({ bundles: z.array(bundle) }),
    example: { bundles: [example] },
  },
  handle: ({ principal: { permissions } }, { registry }) => ({
    body: { bundles: registry.bundles().filter((one) => permissions.owns(projectOf(one))) },
  }),
});

const add: Route = route({
  method: "post",
  path: "/api/bundles",
  scope: "manage",
  tag: "Bundles",
  summary: "Add a bundle",
  body: newBundle,
  bodyExample: { name: "coding", ...optionsExample },
  answer: {
    status: 201,
    description: "Added, and served at /mcp/{name}.",
    schema: bundle,
    example,
  },
  errors: [
    "NAME_INVALID",
    "NAME_TAKEN",
    "PROJECT_NOT_FOUND",
    "BUNDLE_COLLISION",
    "STORE_UNAVAILABLE",
  ],
  audit: {
    action: "bundle.create",
    target: ({ body }) => `bundle:${body.name}`,
    state: ({ body }, deps) => thing(body.name, deps),
  },
  handle: async ({ body: { name, ...rest }, principal }, { registry }) => ({
    status: 201,
    body: await registry.addBundle(name, bundleWanted(principal, rest)),
  }),
});

const get: Route = route({
  method: "get",
  path: "/api/bundles/{name}",
  scope: "read",
  tag: "Bundles",
  summary: "One bundle",
  answer: { status: 200, description: "The bundle.", schema: bundle, example },
  errors: ["BUNDLE_NOT_FOUND"],
  handle: (request, deps) => ({ body: bundleSeen(request, deps) }),
});

const replace: Route = route({
  method: "put",
  path: "/api/bundles/{name}",
  scope: "manage",
  tag: "Bundles",
  summary: "Replace a bundle's options",
  description: "The project stays when it is left out.",
  body: options,
  bodyExample: optionsExample,
  answer: { status: 200, description: "Replaced.", schema: bundle, example },
  errors: [
    "BUNDLE_NOT_FOUND",
    "PROJECT_NOT_FOUND",
    "BUNDLE_COLLISION",
    "CONFLICT",
    "STORE_UNAVAILABLE",
  ],
  audit: {
    action: "bundle.update",
    target: ({ params }) => `bundle:${params["name"] ?? ""}`,
    state: ({ params }, deps) => thing(params["name"], deps),
  },
  handle: async (request, deps) => {
    const before = bundleSeen(request, deps);
    const wanted = bundleWanted(request.principal, request.body, before);
    return { body: await deps.registry.updateBundle(before.name, wanted) };
  },
});

const remove: Route = route({
  method: "delete",
  path: "/api/bundles/{name}",
  scope: "manage",
  tag: "Bundles",
  summary: "Remove a bundle",
  answer: { status: 204, description: "Removed." },
  errors: ["BUNDLE_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "bundle.delete",
    target: ({ params }) => `bundle:${params["name"] ?? ""}`,
    state: ({ params }, deps) => thing(params["name"], deps),
  },
  handle: async (request, deps) => {
    await deps.registry.removeBundle(bundleSeen(request, deps).name);
    return { status: 204 };
  },
});

/** `/api/bundles`. */
export const bundleRoutes: readonly Route[] = [list, add, get, replace, remove];

function thing(name: string | undefined, { registry }: ApiDeps): AuditedThing {
  const view = registry.bundle(name ?? "");
  return { project: projectOf(view), shown: view.options };
}
