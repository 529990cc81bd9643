import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorZone, zoneRecord, zoneRecordOf } from "./zone-record.ts";

export const zoneCreate = tool({
  name: "zone_create",
  title: "Add a zone",
  description:
    "Adds a domain to the account. It stays pending until its registrar names the name servers that the answer shows.",
  input: z.object({
    name: z
      .string()
      .max(253)
      .regex(/^([a-zA-Z0-9][-a-zA-Z0-9]*\.)+[-a-zA-Z0-9]{2,20}$/)
      .describe("The domain, such as example.com"),
    type: z
      .enum(["full", "partial", "secondary"])
      .default("full")
      .describe("full: Cloudflare is the domain's DNS; partial: by CNAME; secondary: a copy"),
  }),
  output: zoneRecord,
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  scope: "manage",
  cost: 150,
  handler: async ({ name, type }, { runtime: { api }, signal }) => {
    const account = { id: await api.accountId(signal) };
    return zoneRecordOf(
      await api.ask(
        { method: "POST", path: "/zones", json: { name, type, account }, signal },
        vendorZone,
      ),
    );
  },
});
