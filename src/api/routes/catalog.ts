import { z } from "@hono/zod-openapi";
import { mayUseBundle } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const item = z.looseObject({
  name: z.string().describe("The public name."),
  server: z.string(),
  original: z.string().optional().describe("The name as the server gives it."),
  description: z.string().optional(),
});

const catalog: Route = route({
  method: "get",
  path: "/api/catalog",
  scope: "call",
  tag: "Catalog",
  summary: "What is offered to the holder of this key",
  description:
    "At `/mcp`, or with `bundle` at `/mcp/{bundle}`; with the servers that are missing from it, and why.",
  query: z.strictObject({ bundle: z.string().min(1).max(64).optional() }),
  answer: {
    status: 200,
    description: "Tools, prompts, resources and templates.",
    schema: z
      .looseObject({
        tools: z.array(
          item.extend({
            annotations: z.record(z.string(), z.unknown()).optional(),
            inputSchema: z.record(z.string(), z.unknown()).optional(),
          }),
        ),
        prompts: z.array(item),
        resources: z.array(z.looseObject({ uri: z.string(), server: z.string() })),
        templates: z.array(z.looseObject({ uriTemplate: z.string(), server: z.string() })),
        missing: z.array(
          z.looseObject({ server: z.string(), reason: z.string(), since: z.iso.datetime() }),
        ),
      })
      .openapi("Catalog"),
    example: {
      tools: [{ name: "files__read_file", server: "files", original: "read_file" }],
      prompts: [],
      resources: [],
      templates: [],
      missing: [{ server: "search", reason: "SERVER_TIMEOUT", since: "2026-11-20T08:00:00.000Z" }],
    },
  },
  errors: ["BUNDLE_NOT_FOUND"],
  handle: async ({ query: { bundle }, principal }, deps) => {
    if (!mayUseBundle(principal, bundle)) {
      const what = bundle === undefined ? "the endpoint without a bundle" : "this bundle";
      throw new SignalboxError("FORBIDDEN", `This key may not use ${what}.`, {
        details: { bundles: principal.bundles },
      });
    }
    const view = await deps.catalog(principal, bundle);
    if (view === undefined)
      throw new SignalboxError("BUNDLE_NOT_FOUND", "There is no bundle of this name.");
    return { body: view };
  },
});

/** `/api/catalog`. */
export const catalogRoutes: readonly Route[] = [catalog];
