import { path } from "@signalbox/kit";
import { z } from "zod";
import { dnsRecord, dnsRecordOf, vendorRecord } from "./dns-record.ts";
import { tool } from "./runtime.ts";
import { zoneInput } from "./zone-record.ts";

export const dnsDeleteRecord = tool({
  name: "dns_delete_record",
  title: "Delete a DNS record",
  description:
    "Deletes one DNS record. Find its id with dns_list_records; the answer shows what was deleted, so that it can be created again.",
  input: z.object({
    zone: zoneInput,
    record: z.string().min(1).max(32).describe("Id of the record"),
  }),
  output: z.object({ deleted: dnsRecord }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 120,
  handler: async ({ zone, record }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    const place = path`/zones/${id}/dns_records/${record}`;
    const before = await api.ask({ path: place, signal }, vendorRecord);
    const { data } = await api.rest.request({ method: "DELETE", path: place, json: {}, signal });
    z.object({ result: z.object({ id: z.string() }) }).parse(data);
    return { deleted: dnsRecordOf(before) };
  },
});
