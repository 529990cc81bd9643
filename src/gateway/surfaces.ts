import type { Surface } from "../access/index.ts";

const call = { listener: "main", scope: "call", gatewayWide: false } as const;

/** The addresses of the data plane. */
export const mcpSurfaces: readonly Surface[] = [
  ...["/mcp", "/mcp/{bundle}"].flatMap((path) =>
    ["POST", "GET", "DELETE"].map((method) => ({ ...call, method, path })),
  ),
  { ...call, method: "GET", path: "/sse" },
  { ...call, method: "POST", path: "/messages" },
];
