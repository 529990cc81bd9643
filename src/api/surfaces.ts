import type { Surface } from "../access/index.ts";
import { routeTable } from "./route-table.ts";

/** The addresses of the API, the start page among them, and that of the metrics listener. */
export const apiSurfaces: readonly Surface[] = [
  ...routeTable.map(({ method, path, scope, gatewayWide }): Surface => ({
    listener: "main",
    method: method.toUpperCase(),
    path,
    scope,
    gatewayWide: gatewayWide === true,
  })),
  { listener: "metrics", method: "GET", path: "/metrics", scope: "public", gatewayWide: false },
];
