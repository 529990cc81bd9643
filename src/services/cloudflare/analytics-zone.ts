import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { rangeInput, rangeOf } from "./time-range.ts";
import { zoneInput } from "./zone-record.ts";

const sums = z.object({
  requests: z.number(),
  bytes: z.number(),
  cachedRequests: z.number(),
  cachedBytes: z.number(),
  encryptedRequests: z.number(),
  threats: z.number(),
  pageViews: z.number(),
});
const metrics = sums.keyof().options;

const fields = `sum { ${metrics.join(" ")} } uniq { uniques }`;

const dailyDocument = `query ($zone: string!, $since: Date!, $until: Date!) {
  viewer {
    zones(filter: { zoneTag: $zone }) {
      groups: httpRequests1dGroups(limit: 366, orderBy: [date_ASC], filter: { date_geq: $since, date_leq: $until }) {
        dimensions { at: date } ${fields}
      }
    }
  }
}`;

const hourlyDocument = `query ($zone: string!, $since: Time!, $until: Time!) {
  viewer {
    zones(filter: { zoneTag: $zone }) {
      groups: httpRequests1hGroups(limit: 73, orderBy: [datetime_ASC], filter: { datetime_geq: $since, datetime_lt: $until }) {
        dimensions { at: datetime } ${fields}
      }
    }
  }
}`;

const answer = z.object({
  viewer: z.object({
    zones: z.array(
      z.object({
        groups: z.array(
          z.object({
            dimensions: z.object({ at: z.string() }),
            sum: sums,
            uniq: z.object({ uniques: z.number() }),
          }),
        ),
      }),
    ),
  }),
});

const point = sums
  .partial()
  .extend({ at: z.string(), visitors: z.number().describe("Addresses that differ") });

export const analyticsZone = tool({
  name: "analytics_zone",
  title: "Traffic of a zone",
  description:
    "Tells a zone's requests, bytes, cache, threats, page views and visitors, by hour or by day, with their sums.",
  input: z.object({
    zone: zoneInput,
    ...rangeInput,
    interval: z
      .enum(["hour", "day"])
      .default("hour")
      .describe("hour: 3 days at once at most; day: 365"),
    metrics: z
      .array(z.enum(metrics))
      .min(1)
      .default([...metrics])
      .describe("Which to show"),
  }),
  output: z.object({
    since: z.string(),
    until: z.string(),
    totals: sums.partial(),
    points: z.array(point),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { zone: "example.com", since: "2026-11-01", interval: "day" } }],
  cost: 3_000,
  handler: async (
    { zone, interval, metrics: wanted, ...asked },
    { runtime: { api, analytics, clock }, signal },
  ) => {
    const daily = interval === "day";
    const range = rangeOf(asked, clock.now(), daily ? 365 : 3);
    const id = await api.zoneId(zone, signal);
    const { viewer } = await analytics.query({
      schema: answer,
      document: daily ? dailyDocument : hourlyDocument,
      variables: {
        zone: id,
        since: daily ? range.since.slice(0, 10) : range.since,
        until: daily ? lastDayOf(range.until) : range.until,
      },
      signal,
    });
    const [found] = viewer.zones;
    if (found === undefined)
      throw new ToolError(
        "The token may not read this zone's analytics: it needs the permission Analytics Read.",
        { code: "VENDOR_AUTH" },
      );
    const points = found.groups.map(({ dimensions, sum, uniq }) => ({
      at: dimensions.at,
      ...shown(sum, wanted),
      visitors: uniq.uniques,
    }));
    return { ...range, totals: totalsOf(found.groups, wanted), points };
  },
});

/** The last day that lies before a time. */
function lastDayOf(until: string): string {
  return new Date(Date.parse(until) - 1).toISOString().slice(0, 10);
}

type Sums = z.output<typeof sums>;

function shown(sum: Sums, wanted: readonly (keyof Sums)[]): Partial<Sums> {
  return Object.fromEntries(wanted.map((metric) => [metric, sum[metric]]));
}

function totalsOf(
  groups: readonly { sum: Sums }[],
  wanted: readonly (keyof Sums)[],
): Partial<Sums> {
  return Object.fromEntries(
    wanted.map((metric) => [metric, groups.reduce((total, { sum }) => total + sum[metric], 0)]),
  );
}
