import { z } from "@hono/zod-openapi";
import { projectOf, type Principal } from "../../access/index.ts";
import type { ServerView } from "../../registry/index.ts";
import type { ApiDeps, HealthReport } from "../ports.ts";
import { seesServer } from "../reach.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const status: Route = route({
  method: "get",
  path: "/api/status",
  scope: "read",
  tag: "Status",
  summary: "What runs, since when, and how it fares",
  answer: {
    status: 200,
    description: "The state of this process.",
    schema: z
      .looseObject({
        status: z.enum(["ready", "not_ready"]),
        version: z.string(),
        startedAt: z.iso.datetime(),
        uptimeSeconds: z.int(),
        configuration: z.object({
          version: z.int().describe("Counts the configurations served since the start."),
          stored: z.boolean().describe("False while the database was never read."),
        }),
        servers: z
          .record(z.string(), z.int())
          .describe("How many servers are in each state, and in `total`."),
        bundles: z.int(),
        overall: z.enum(["ok", "warning", "critical"]).describe("The worst of the checks."),
        checks: z.record(
          z.string(),
          z.looseObject({ status: z.enum(["ok", "warning", "critical"]) }),
        ),
      })
      .openapi("Status"),
    example: {
      status: "ready",
      version: "0.1.0",
      startedAt: "2026-11-20T08:00:00.000Z",
      uptimeSeconds: 3600,
      configuration: { version: 3, stored: true },
      servers: { total: 3, connected: 2, error: 1 },
      bundles: 1,
      overall: "warning",
      checks: { database: { status: "ok" }, mcp_servers: { status: "warning" } },
    },
  },
  handle: ({ principal }, deps) => ({ body: statusOf(deps, principal) }),
});

/** `/api/status`. */
export const statusRoutes: readonly Route[] = [status];

// What the checks tell in detail names things of every project.
function statusOf(deps: ApiDeps, principal: Principal): object {
  const { permissions } = principal;
  const { ready, overall, checks } = deps.health();
  const { registry } = deps;
  const servers = registry.servers().filter((one) => seesServer(principal, one));
  const bundles = registry.bundles().filter((one) => permissions.owns(projectOf(one)));
  return {
    status: ready ? "ready" : "not_ready",
    version: deps.version,
    startedAt: new Date(deps.startedAt).toISOString(),
    uptimeSeconds: Math.floor((deps.clock.now() - deps.startedAt) / 1000),
    ...deps.describe?.(),
    configuration: { version: registry.version, stored: registry.loaded },
    servers: countStates(servers.map(stateOf)),
    bundles: bundles.length,
    overall,
    checks: permissions.gatewayWide ? checks : withoutDetails(checks),
  };
}

function withoutDetails(checks: HealthReport["checks"]): object {
  return Object.fromEntries(
    Object.entries(checks).map(([name, { status: is }]) => [name, { status: is }]),
  );
}

function stateOf(server: ServerView): string {
  return server.status?.state ?? (server.options.enabled === false ? "disabled" : "idle");
}

function countStates(states: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = { total: states.length };
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
