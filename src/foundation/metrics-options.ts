import { z } from "zod";

/** What a user may set under [metrics]: the listener that Prometheus scrapes. */
export const metricsOptions = z.strictObject({
  enabled: z.boolean().default(true),
  /** The same under the name that configurations of earlier gateways have; both must be on. */
  prometheus_enabled: z.boolean().default(true),
  /** 0 takes any free port. */
  port: z.int().min(0).max(65_535).default(9090),
  host: z.string().min(1).default("127.0.0.1"),
});
