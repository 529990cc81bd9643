export { createApi } from "./create-api.ts";
export type { Api } from "./create-api.ts";
export { createMetricsListener } from "./metrics-listener.ts";
export type { MetricsListener, MetricsListenerOptions } from "./metrics-listener.ts";
export { openapiDocument } from "./openapi.ts";
export type {
  ApiDeps,
  CallEntry,
  CallFilter,
  CallOutcome,
  HealthReport,
  PeoplePort,
} from "./ports.ts";
export { apiSurfaces } from "./surfaces.ts";
export { routeTable } from "./route-table.ts";
