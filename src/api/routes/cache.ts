import { z } from "@hono/zod-openapi";
import { SignalboxError } from "../../foundation/index.ts";
import { serverNamed } from "../reach.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const statistics = z
  .object({
    enabled: z.boolean(),
    keys: z.int().describe("Answers that are kept."),
    bytes: z.int(),
    hits: z.int().describe("Lookups that found an answer, old ones included."),
    misses: z.int(),
    staleHits: z.int().describe("Old answers that were given while newer ones were fetched."),
    joined: z.int().describe("Calls that were spared because an equal one was under way."),
    hitRate: z.number().optional().describe("0 to 1; absent where nothing was looked up."),
    evictions: z.record(z.string(), z.int()).describe("By reason."),
  })
  .openapi("CacheStatistics");

const example = {
  enabled: true,
  keys: 12,
  bytes: 48_210,
  hits: 950,
  misses: 50,
  staleHits: 3,
  joined: 7,
  hitRate: 0.95,
  evictions: { size: 0, bytes: 0, ttl: 4, invalidated: 9 },
};

const show: Route = route({
  method: "get",
  path: "/api/cache",
  scope: "read",
  tag: "Cache",
  summary: "What the result cache holds and how often it helps",
  answer: { status: 200, description: "Counted since the start.", schema: statistics, example },
  handle: (_, { cache }) => {
    const { hitRate, ...figures } = cache.statistics();
    return { body: { ...figures, ...(hitRate !== undefined && { hitRate }) } };
  },
});

const clearBody = z
  .strictObject({
    server: z.string().min(1).optional().describe("Only what is kept of this server."),
    tool: z.string().min(1).optional().describe("Only of this tool of the server, as it names it."),
    uri: z.string().min(1).optional().describe("Only of this resource of the server."),
  })
  .openapi("CacheClearing");

const cleared = z.object({ cleared: z.int() });

const clear: Route = route({
  method: "post",
  path: "/api/cache/clear",
  scope: "operate",
  tag: "Cache",
  summary: "Forget what is kept",
  description: "All of it, or that of one server, tool or resource; in all gateways that share it.",
  body: clearBody,
  bodyExample: { server: "files" },
  bodyOptional: true,
  answer: {
    status: 200,
    description: "How many answers this gateway forgot.",
    schema: cleared,
    example: { cleared: 12 },
  },
  errors: ["BODY_INVALID", "SERVER_NOT_FOUND"],
  audit: {
    action: "cache.clear",
    target: ({ body }) => (body?.server === undefined ? undefined : `server:${body.server}`),
    details: ({ body }, answer) => ({ ...body, ...cleared.safeParse(answer?.body).data }),
  },
  handle: ({ body, ...request }, { cache, registry }) => {
    const { server, tool, uri } = body ?? {};
    if (!request.principal.permissions.gatewayWide) {
      if (server === undefined)
        throw new SignalboxError("FORBIDDEN", "Name a server: the rest is of other projects, too.");
      serverNamed(server, request, registry);
    }
    if (server === undefined && (tool ?? uri) !== undefined) {
      throw new SignalboxError("BODY_INVALID", "Name the server of the tool or resource, too.");
    }
    if (tool !== undefined && uri !== undefined)
      throw new SignalboxError("BODY_INVALID", "Name a tool or a resource, not both.");
    return { body: { cleared: cache.clear({ server, tool, uri }) } };
  },
});

export const cacheRoutes: readonly Route[] = [show, clear];
