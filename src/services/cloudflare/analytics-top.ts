import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { rangeInput, rangeOf } from "./time-range.ts";
import { zoneInput } from "./zone-record.ts";

const dimensions = {
  country: "clientCountryName",
  host: "clientRequestHTTPHost",
  path: "clientRequestPath",
  status: "edgeResponseStatus",
  cache: "cacheStatus",
  method: "clientRequestHTTPMethodName",
} as const;
const by = z.enum(["country", "host", "path", "status", "cache", "method"]);

/** The query for the largest groups by one of the dimensions. */
function topDocument(dimension: z.output<typeof by>, limit: number): string {
  return `query ($zone: string!, $since: Time!, $until: Time!) {
  viewer {
    zones(filter: { zoneTag: $zone }) {
      groups: httpRequestsAdaptiveGroups(limit: ${limit}, orderBy: [count_DESC], filter: { datetime_geq: $since, datetime_lt: $until }) {
        count
        dimensions { value: ${dimensions[dimension]} }
        sum { edgeResponseBytes visits }
      }
    }
  }
}`;
}

const answer = z.object({
  viewer: z.object({
    zones: z.array(
      z.object({
        groups: z.array(
          z.object({
            count: z.number(),
            dimensions: z.object({ value: z.union([z.string(), z.number()]).nullable() }),
            sum: z.object({ edgeResponseBytes: z.number(), visits: z.number() }),
          }),
        ),
      }),
    ),
  }),
});

export const analyticsTop = tool({
  name: "analytics_top",
  title: "Most of a zone's traffic",
  description:
    "Tells which countries, hosts, paths, status codes, cache results or methods had most of a zone's requests. The numbers are sampled.",
  input: z.object({
    zone: zoneInput,
    by,
    ...rangeInput,
    limit: z.int().min(1).max(100).default(10),
  }),
  output: z.object({
    since: z.string(),
    until: z.string(),
    top: z.array(
      z.object({
        value: z.string(),
        requests: z.number(),
        bytes: z.number(),
        visits: z.number(),
      }),
    ),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { zone: "example.com", by: "path" } }],
  cost: 600,
  handler: async (
    { zone, by: dimension, limit, ...asked },
    { runtime: { api, analytics, clock }, signal },
  ) => {
    const range = rangeOf(asked, clock.now(), 7);
    const id = await api.zoneId(zone, signal);
    const { viewer } = await analytics.query({
      schema: answer,
      document: topDocument(dimension, limit),
      variables: { zone: id, ...range },
      signal,
    });
    const [found] = viewer.zones;
    if (found === undefined)
      throw new ToolError(
        "The token may not read this zone's analytics: it needs the permission Analytics Read.",
        { code: "VENDOR_AUTH" },
      );
    const top = found.groups.map((group) => ({
      value: String(group.dimensions.value ?? ""),
      requests: group.count,
      bytes: group.sum.edgeResponseBytes,
      visits: group.sum.visits,
    }));
    return { ...range, top };
  },
});
