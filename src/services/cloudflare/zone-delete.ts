import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

export const zoneDelete = tool({
  name: "zone_delete",
  title: "Remove a zone",
  description:
    "Removes a domain with all its DNS records and settings from Cloudflare. It cannot be undone.",
  input: z.object({
    zone: z.string().min(1).max(253).describe("Name of the zone, such as example.com, or its id"),
  }),
  output: z.object({ id: z.string(), deleted: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  scope: "manage",
  cost: 40,
  handler: async ({ zone }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    await api.ask({ method: "DELETE", path: path`/zones/${id}`, json: {}, signal }, z.unknown());
    api.forgetZones();
    return { id, deleted: true as const };
  },
});
