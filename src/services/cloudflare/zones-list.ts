import { z } from "zod";
import { pageInput, pageOutput } from "./paging.ts";
import { tool } from "./runtime.ts";
import { vendorZone, zoneRecord, zoneRecordOf } from "./zone-record.ts";

export const zonesList = tool({
  name: "zones_list",
  title: "Zones",
  description: "Lists the zones (domains) that the credentials may see, by name.",
  input: z.object({
    name: z.string().min(1).max(253).optional().describe("Only the zone of this very name"),
    status: z.enum(["initializing", "pending", "active", "moved"]).optional(),
    ...pageInput(50, 50),
  }),
  output: z.object({ zones: z.array(zoneRecord), ...pageOutput }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: {} }, { input: { name: "example.com" } }],
  cost: 2_000,
  handler: async ({ name, status, page, perPage }, { runtime: { api }, signal }) => {
    const { items, ...rest } = await api.page(
      { path: "/zones", query: { name, status, order: "name", page, per_page: perPage }, signal },
      vendorZone,
    );
    return { zones: items.map(zoneRecordOf), ...rest };
  },
});
