import { route } from "../route.ts";
import type { Route } from "../route.ts";

const metrics: Route = route({
  method: "get",
  path: "/metrics",
  scope: "read",
  gatewayWide: true,
  tag: "Metrics",
  summary: "Metrics in the text format of Prometheus",
  description: "The same as on the metrics port, for holders of a key.",
  answer: {
    status: 200,
    description: "The metrics.",
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    example: 'mcp_operation_total{service="files"} 12\n',
  },
  handle: async (_, deps) => ({
    text: await deps.metrics.render(),
    contentType: deps.metrics.contentType,
  }),
});

/** `/metrics` on the main port. */
export const metricsRoutes: readonly Route[] = [metrics];
