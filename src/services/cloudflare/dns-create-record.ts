import { ServiceError, ToolError, path } from "@signalbox/kit";
import { z } from "zod";
import type { CloudflareApi } from "./cloudflare-api.ts";
import {
  dnsRecord,
  dnsRecordOf,
  recordInput,
  recordName,
  recordTypes,
  vendorRecord,
} from "./dns-record.ts";
import { tool } from "./runtime.ts";
import { zoneInput } from "./zone-record.ts";

export const dnsCreateRecord = tool({
  name: "dns_create_record",
  title: "Create a DNS record",
  description:
    "Creates a DNS record in a zone. One that is there already is shown instead, with created: false; to change one use dns_update_record.",
  input: z
    .object({
      zone: zoneInput,
      type: z.enum(recordTypes),
      name: recordName,
      ...recordInput,
    })
    .refine(
      ({ content, data }) => (content === undefined) !== (data === undefined),
      "Give content, or data for records that have parts",
    )
    .refine(
      ({ type, priority }) => type !== "MX" || priority !== undefined,
      "An MX record needs a priority, such as 10",
    ),
  output: z.object({ created: z.boolean(), record: dnsRecord }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: true,
    openWorldHint: true,
  },
  examples: [
    { input: { zone: "example.com", type: "A", name: "www.example.com", content: "192.0.2.1" } },
  ],
  cost: 120,
  handler: async ({ zone, ...wanted }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    const records = path`/zones/${id}/dns_records`;
    try {
      const record = await api.ask(
        // Twice the same is refused by Cloudflare, so that repeating it does no harm.
        { method: "POST", path: records, json: { ttl: 1, ...wanted }, safe: true, signal },
        vendorRecord,
      );
      return { created: true, record: dnsRecordOf(record) };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (error.code === "CLOUDFLARE_RECORD_EXISTS")
        return { created: false, record: await existing(api, records, wanted, signal) };
      if (error.code !== "CLOUDFLARE_RECORD_CONFLICT") throw error;
      throw new ToolError(
        `There is another record for ${wanted.name} that a ${wanted.type} record cannot stand beside. Find it with dns_list_records, and change it with dns_update_record.`,
        { code: "CLOUDFLARE_RECORD_CONFLICT", cause: error },
      );
    }
  },
});

async function existing(
  api: CloudflareApi,
  records: string,
  { type, name, content }: { type: string; name: string; content?: string | undefined },
  signal: AbortSignal,
): Promise<z.output<typeof dnsRecord>> {
  const [found] = await api.ask(
    { path: records, query: { type, ...(name !== "@" && { name }), content }, signal },
    z.array(vendorRecord),
  );
  if (found !== undefined) return dnsRecordOf(found);
  throw new ToolError(
    `There is such a record for ${name} already. Find it with dns_list_records.`,
    { code: "CLOUDFLARE_RECORD_EXISTS" },
  );
}
