import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

export const reportLevel = tool({
  name: "report_level",
  title: "Report a level",
  description: "Hands in a water level that somebody has read at a station.",
  input: z.object({ station: z.string().min(1), metres: z.number().min(-5).max(25) }),
  output: z.object({ id: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  handler: ({ station, metres }, { runtime: { api }, signal, idempotencyKey }) =>
    api.ask(
      {
        method: "POST",
        path: path`/v1/stations/${station}/levels`,
        json: { metres },
        // The same for every attempt at this call, so that the vendor takes it once.
        idempotencyKey,
        signal,
      },
      z.object({ id: z.string() }),
    ),
});
