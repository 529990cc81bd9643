import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { rangeInput, rangeOf } from "./time-range.ts";
import { zoneInput } from "./zone-record.ts";

const dimension = z.enum(["queryName", "queryType", "responseCode", "coloName", "origin"]);
const metric = z.enum(["queryCount", "uncachedCount", "staleCount", "responseTimeAvg"]);

export const analyticsDns = tool({
  name: "analytics_dns",
  title: "DNS queries of a zone",
  description:
    "Tells how many DNS queries a zone answered, and by which names, types or response codes.",
  input: z.object({
    zone: zoneInput,
    ...rangeInput,
    dimensions: z.array(dimension).max(3).default(["queryName"]).describe("By what to group"),
    metrics: z.array(metric).min(1).max(4).default(["queryCount"]).describe("What to count"),
    limit: z.int().min(1).max(1000).default(50).describe("The largest groups first"),
  }),
  output: z.object({
    since: z.string(),
    until: z.string(),
    totals: z.record(z.string(), z.number()),
    rows: z.array(
      z.object({
        dimensions: z.record(z.string(), z.string()),
        metrics: z.record(z.string(), z.number()),
      }),
    ),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 1_500,
  handler: async (
    { zone, dimensions, metrics, limit, ...asked },
    { runtime: { api, clock }, signal },
  ) => {
    const range = rangeOf(asked, clock.now(), 30);
    const id = await api.zoneId(zone, signal);
    const report = await api.ask(
      {
        path: path`/zones/${id}/dns_analytics/report`,
        query: {
          ...range,
          metrics: metrics.join(","),
          ...(dimensions.length > 0 && { dimensions: dimensions.join(",") }),
          sort: `-${metrics[0]}`,
          limit,
        },
        signal,
      },
      z.object({
        totals: z.record(z.string(), z.number()),
        data: z.array(z.object({ dimensions: z.array(z.string()), metrics: z.array(z.number()) })),
      }),
    );
    return {
      ...range,
      totals: report.totals,
      rows: report.data.slice(0, limit).map((row) => ({
        dimensions: paired(dimensions, row.dimensions),
        metrics: paired(metrics, row.metrics),
      })),
    };
  },
});

function paired<Value>(names: readonly string[], values: readonly Value[]): Record<string, Value> {
  return Object.fromEntries(
    names.flatMap((name, index) => {
      const value = values[index];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
