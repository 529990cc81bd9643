import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorZone, zoneInput, zoneRecord, zoneRecordOf } from "./zone-record.ts";

export const zoneGet = tool({
  name: "zone_get",
  title: "A zone",
  description: "Shows one zone: its status, plan and the name servers its registrar must name.",
  input: z.object({ zone: zoneInput }),
  output: zoneRecord,
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { zone: "example.com" } }],
  cost: 150,
  handler: async ({ zone }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    return zoneRecordOf(await api.ask({ path: path`/zones/${id}`, signal }, vendorZone));
  },
});
