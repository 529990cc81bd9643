import { z } from "zod";
import { given } from "./given.ts";

/** A zone as Cloudflare has it, as far as tools show it. */
export const vendorZone = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string().nullish(),
  paused: z.boolean().nullish(),
  type: z.string().nullish(),
  plan: z.object({ name: z.string().nullish() }).nullish(),
  account: z.object({ id: z.string().optional(), name: z.string().optional() }).nullish(),
  name_servers: z.array(z.string()).nullish(),
  created_on: z.string().nullish(),
  activated_on: z.string().nullish(),
});

/** A zone as tools show it. */
export const zoneRecord = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string().optional().describe("active, pending, initializing or moved"),
  paused: z.boolean().optional().describe("Whether Cloudflare only answers DNS for it"),
  type: z.string().optional().describe("full, partial or secondary"),
  plan: z.string().optional(),
  account: z.object({ id: z.string().optional(), name: z.string().optional() }).optional(),
  nameServers: z.array(z.string()).describe("Which the registrar must name"),
  createdAt: z.string().optional(),
  activatedAt: z.string().optional(),
});

export function zoneRecordOf(zone: z.output<typeof vendorZone>): z.output<typeof zoneRecord> {
  const { id, name, status, paused, type, plan, account } = zone;
  return {
    id,
    name,
    nameServers: zone.name_servers ?? [],
    ...given({
      status,
      paused,
      type,
      plan: plan?.name,
      account,
      createdAt: zone.created_on,
      activatedAt: zone.activated_on,
    }),
  };
}

/** How a call names a zone. */
export const zoneInput = z
  .string()
  .min(1)
  .max(253)
  .optional()
  .describe("Name of the zone, such as example.com, or its id; default the configured one");
