import type { Log, Metrics } from "../foundation/index.ts";

/** One API request, answered. */
export interface ServedRequest {
  method: string;
  path: string;
  /** The route's template, or "_unmatched": a path of the caller's making would be a label without bound. */
  route: string;
  statusCode: number;
  durationMs: number;
  ip: string | undefined;
  requestId: string;
  traceId: string | undefined;
  principal: string | undefined;
}

/** Writes one log line and the HTTP metrics for each API request. */
export function trafficRecorder(metrics: Metrics, log: Log): (served: ServedRequest) => void {
  const duration = metrics.histogram(
    "http_request_duration_seconds",
    "Duration of HTTP requests.",
    ["method", "route", "status"],
  );
  const requests = metrics.counter("mcp_orch_requests_total", "API requests.", [
    "method",
    "endpoint",
    "status",
  ]);
  const orchDuration = metrics.histogram(
    "mcp_orch_request_duration_seconds",
    "Duration of API requests.",
    ["method", "endpoint"],
  );
  return (served) => {
    const { method, route, statusCode, durationMs, ...rest } = served;
    const verb = knownMethods.has(method) ? method : "_other";
    duration.slot(verb, route, String(statusCode)).observe(durationMs / 1000);
    requests.slot(verb, route, String(statusCode)).inc();
    orchDuration.slot(verb, route).observe(durationMs / 1000);
    const fields = { method, statusCode, duration: Math.round(durationMs * 100) / 100, ...rest };
    // Probes come every few seconds and would drown the rest.
    log[probes.has(route) && statusCode < 400 ? "debug" : "info"](
      fields,
      `${method} ${served.path} ${statusCode}`,
    );
  };
}

const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]);
const probes = new Set(["/health", "/ready", "/metrics"]);
