import { takeUpTo } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

const page = z.object({
  stations: z.array(z.object({ id: z.string(), name: z.string() })),
  next: z.string().nullish(),
});

export const listStations = tool({
  name: "list_stations",
  title: "Stations",
  description: "Lists stations by name, all of them or those whose name has a text in it.",
  input: z.object({
    search: z.string().min(1).optional().describe("Part of the name"),
    limit: z.int().min(1).max(500).default(50).describe("How many at most"),
  }),
  output: z.object({
    stations: page.shape.stations,
    more: z.boolean().describe("Whether there are more than were asked for"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { search: "Cascais" } }],
  cost: 400,
  handler: async ({ search, limit }, { runtime: { api }, signal }) => {
    const found = api.pages(
      { path: "/v1/stations", query: { search }, signal },
      {
        items: (data) => page.parse(data).stations,
        next: ({ data }, request) => {
          const { next } = page.parse(data);
          return typeof next !== "string"
            ? undefined
            : { ...request, query: { search, cursor: next } };
        },
        itemsMax: limit + 1,
      },
    );
    const { items, more } = await takeUpTo(found, limit);
    return { stations: items, more };
  },
});
