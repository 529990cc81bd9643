import { path } from "@signalbox/kit";
import { z } from "zod";
import { dnsRecord, dnsRecordOf, recordTypes, vendorRecord } from "./dns-record.ts";
import { pageInput, pageOutput } from "./paging.ts";
import { tool } from "./runtime.ts";
import { zoneInput } from "./zone-record.ts";

export const dnsListRecords = tool({
  name: "dns_list_records",
  title: "DNS records",
  description: "Lists the DNS records of a zone, all of them or those of a type, name or content.",
  input: z.object({
    zone: zoneInput,
    type: z.enum(recordTypes).optional(),
    name: z.string().min(1).max(255).optional().describe("Whole name, such as www.example.com"),
    content: z.string().min(1).optional().describe("The very content, such as 192.0.2.1"),
    search: z.string().min(1).max(100).optional().describe("Somewhere in name or content"),
    ...pageInput(500, 100),
  }),
  output: z.object({ records: z.array(dnsRecord), ...pageOutput }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { zone: "example.com", type: "A" } }],
  cost: 4_000,
  handler: async ({ zone, page, perPage, ...filters }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    const { items, ...rest } = await api.page(
      {
        path: path`/zones/${id}/dns_records`,
        query: { ...filters, order: "name", page, per_page: perPage },
        signal,
      },
      vendorRecord,
    );
    return { records: items.map(dnsRecordOf), ...rest };
  },
});
