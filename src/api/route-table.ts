import { openapiDocument } from "./openapi.ts";
import { route } from "./route.ts";
import type { Route } from "./route.ts";
import { accessRoutes } from "./routes/access.ts";
import { accountRoutes } from "./routes/account.ts";
import { auditRoutes } from "./routes/audit.ts";
import { bundleRoutes } from "./routes/bundles.ts";
import { cacheRoutes } from "./routes/cache.ts";
import { connectRoutes } from "./routes/connect.ts";
import { callRoutes } from "./routes/calls.ts";
import { catalogRoutes } from "./routes/catalog.ts";
import { healthRoutes } from "./routes/health.ts";
import { keyRoutes } from "./routes/keys.ts";
import { limitRoutes } from "./routes/limits.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { projectRoutes } from "./routes/projects.ts";
import { roleRoutes } from "./routes/roles.ts";
import { secretRoutes } from "./routes/secrets.ts";
import { securityRoutes } from "./routes/security.ts";
import { peopleRoutes } from "./routes/people.ts";
import { pinRoutes } from "./routes/pins.ts";
import { serverRoutes } from "./routes/servers.ts";
import { signInRoutes } from "./routes/sign-in.ts";
import { startRoutes } from "./routes/start.ts";
import { statusRoutes } from "./routes/status.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { wellKnownRoutes } from "./routes/well-known.ts";

const document: Route = route({
  method: "get",
  path: "/openapi.json",
  scope: "own",
  tag: "Start",
  summary: "This description",
  answer: {
    status: 200,
    description: "An OpenAPI 3.1 document.",
    contentType: "application/json",
  },
  handle: (_, deps) => ({ body: openapiDocument(routeTable, deps.version) }),
});

/** Every address of the API. What is not in here does not exist, and what is in here has a scope. */
export const routeTable: readonly Route[] = [
  ...startRoutes,
  ...wellKnownRoutes,
  document,
  ...healthRoutes,
  ...statusRoutes,
  ...serverRoutes,
  ...bundleRoutes,
  ...keyRoutes,
  ...peopleRoutes,
  ...accountRoutes,
  ...signInRoutes,
  ...roleRoutes,
  ...projectRoutes,
  ...accessRoutes,
  ...secretRoutes,
  ...limitRoutes,
  ...tokenRoutes,
  ...connectRoutes,
  ...callRoutes,
  ...auditRoutes,
  ...securityRoutes,
  ...cacheRoutes,
  ...catalogRoutes,
  ...pinRoutes,
  ...metricsRoutes,
];
