import { ServiceError, ToolError, path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

const tides = z.object({
  station: z.string(),
  tides: z.array(
    z.object({
      at: z.string().describe("ISO time"),
      kind: z.enum(["high", "low"]),
      metres: z.number().describe("Above chart datum"),
    }),
  ),
});

export const getTides = tool({
  name: "get_tides",
  title: "Tides of a day",
  description:
    "Tells the high and low waters of one day at a station. Find the station's id with list_stations.",
  input: z.object({
    station: z.string().min(1).describe("Id of the station, such as lisboa"),
    date: z.iso.date().describe("The day, such as 2026-12-01"),
  }),
  output: tides,
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { station: "lisboa", date: "2026-12-01" } }],
  cost: 150,
  handler: async ({ station, date }, { runtime: { api }, signal }) => {
    try {
      return await api.ask(
        { path: path`/v1/stations/${station}/tides`, query: { date }, signal },
        tides,
      );
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404)
        throw new ToolError(`There is no station "${station}". list_stations names them.`, {
          code: "NOT_FOUND",
        });
      throw error;
    }
  },
});
