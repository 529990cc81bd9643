import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorZone, zoneInput, zoneRecord, zoneRecordOf } from "./zone-record.ts";

export const zoneUpdate = tool({
  name: "zone_update",
  title: "Pause or resume a zone",
  description:
    "Pauses a zone, so that Cloudflare only answers DNS for it and its proxy, cache and firewall are off, or resumes it.",
  input: z.object({ zone: zoneInput, paused: z.boolean() }),
  output: zoneRecord,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  scope: "manage",
  cost: 150,
  handler: async ({ zone, paused }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    return zoneRecordOf(
      await api.ask(
        { method: "PATCH", path: path`/zones/${id}`, json: { paused }, safe: true, signal },
        vendorZone,
      ),
    );
  },
});
