import { z } from "zod";
import { given } from "./given.ts";

export const recordTypes = [
  "A",
  "AAAA",
  "CAA",
  "CERT",
  "CNAME",
  "DNSKEY",
  "DS",
  "HTTPS",
  "LOC",
  "MX",
  "NAPTR",
  "NS",
  "PTR",
  "SMIMEA",
  "SRV",
  "SSHFP",
  "SVCB",
  "TLSA",
  "TXT",
  "URI",
] as const;

const data = z.record(z.string(), z.union([z.string(), z.number()]));

/** A record as Cloudflare has it, as far as tools show it. */
export const vendorRecord = z.object({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  content: z.string().nullish(),
  data: data.nullish(),
  ttl: z.number().nullish(),
  proxied: z.boolean().nullish(),
  priority: z.number().nullish(),
  comment: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  modified_on: z.string().nullish(),
});

/** A record as tools show it. */
export const dnsRecord = z.object({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  content: z.string(),
  ttl: z.number().optional().describe("Seconds; 1 is automatic"),
  proxied: z.boolean().optional(),
  priority: z.number().optional(),
  data: data.optional(),
  comment: z.string().optional(),
  tags: z.array(z.string()).optional(),
  modifiedAt: z.string().optional(),
});

export function dnsRecordOf(record: z.output<typeof vendorRecord>): z.output<typeof dnsRecord> {
  const { id, type, name, content, ttl, proxied, priority, tags } = record;
  return {
    id,
    type,
    name,
    content: content ?? "",
    ...given({
      ttl,
      proxied,
      priority,
      data: record.data,
      comment: record.comment,
      tags: tags?.length === 0 ? undefined : tags,
      modifiedAt: record.modified_on,
    }),
  };
}

/** What may be said of a record, beside its type and name. */
export const recordInput = {
  content: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .describe("The address, host name or text, such as 192.0.2.1; for CAA, SRV and the like: data"),
  data: data
    .optional()
    .describe('The parts of a CAA, SRV, TLSA ... record: {"flags":0,"tag":"issue","value":"..."}'),
  ttl: z
    .union([z.literal(1), z.int().min(30).max(86_400)])
    .optional()
    .describe("Seconds, 60 to 86400 (30 on Enterprise); 1 is automatic"),
  proxied: z.boolean().optional().describe("Whether traffic goes by Cloudflare: A, AAAA, CNAME"),
  priority: z.int().min(0).max(65_535).optional().describe("MX and URI records need one"),
  comment: z.string().max(500).optional(),
  tags: z.array(z.string().max(100)).max(20).optional().describe("Such as owner:web; paid plans"),
};

export const recordName = z
  .string()
  .min(1)
  .max(255)
  .describe("Whole name, such as www.example.com, or @ for the zone itself");
