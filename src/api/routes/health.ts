import { z } from "@hono/zod-openapi";
import type { ApiDeps } from "../ports.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const state = z.enum(["ok", "warning", "critical"]);
const checks = z.record(z.string(), state).describe("The last result of each background check.");
const overall = state.describe("The worst of the checks.");
const example = {
  timestamp: "2026-11-20T08:00:00.000Z",
  version: "0.1.0",
  overall: "ok",
  checks: { database: "ok", mcp_servers: "ok" },
};

const health: Route = route({
  method: "get",
  path: "/health",
  scope: "public",
  tag: "Health",
  summary: "Whether the process lives",
  description:
    "Answers 200 as long as the process does, from cached checks; it never waits for anything.",
  answer: {
    status: 200,
    description: "It lives.",
    schema: z
      .object({
        status: z.literal("healthy"),
        timestamp: z.iso.datetime(),
        version: z.string(),
        overall,
        checks,
      })
      .openapi("Health"),
    example: { status: "healthy", ...example },
  },
  handle: (_, deps) => ({ body: { status: "healthy", ...shown(deps) } }),
});

const readiness = z
  .object({
    status: z.enum(["ready", "not_ready"]),
    timestamp: z.iso.datetime(),
    version: z.string(),
    overall,
    checks,
  })
  .openapi("Readiness");

const ready: Route = route({
  method: "get",
  path: "/ready",
  scope: "public",
  tag: "Health",
  summary: "Whether traffic should be sent here",
  answer: {
    status: 200,
    description: "Send it.",
    schema: readiness,
    example: { status: "ready", ...example },
  },
  otherAnswers: [
    {
      status: 503,
      description: "Do not send it: something it depends on fails, or it is stopping.",
      schema: readiness,
      example: {
        status: "not_ready",
        ...example,
        overall: "critical",
        checks: { database: "critical", mcp_servers: "ok" },
      },
    },
  ],
  handle: (_, deps) => {
    const isReady = deps.health().ready;
    return {
      status: isReady ? 200 : 503,
      body: { status: isReady ? "ready" : "not_ready", ...shown(deps) },
    };
  },
});

/** `/health` and `/ready`: open to all, so checks are told by their state alone. */
export const healthRoutes: readonly Route[] = [health, ready];

function shown(deps: ApiDeps): object {
  const { overall: worst, checks: all } = deps.health();
  const results = Object.entries(all).map(([name, { status }]) => [name, status]);
  return {
    timestamp: new Date(deps.clock.now()).toISOString(),
    version: deps.version,
    overall: worst,
    checks: Object.fromEntries(results),
  };
}
