import { ToolError, path } from "@signalbox/kit";
import { z } from "zod";
import { dnsRecord, dnsRecordOf, recordInput, recordName, vendorRecord } from "./dns-record.ts";
import { given } from "./given.ts";
import { tool } from "./runtime.ts";
import { zoneInput } from "./zone-record.ts";

export const dnsUpdateRecord = tool({
  name: "dns_update_record",
  title: "Change a DNS record",
  description:
    "Changes what is given of one DNS record and leaves the rest. Find its id with dns_list_records. The answer has it before and after.",
  input: z
    .object({
      zone: zoneInput,
      record: z.string().min(1).max(32).describe("Id of the record"),
      name: recordName.optional(),
      ...recordInput,
    })
    .refine(
      ({ zone: _zone, record: _record, ...changes }) =>
        Object.values(changes).some((one) => one !== undefined),
      "Say what to change",
    ),
  output: z.object({ before: dnsRecord, record: dnsRecord }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  examples: [
    {
      input: {
        zone: "example.com",
        record: "372e67954025e0ba6aaa6d586b9e0b59",
        content: "192.0.2.7",
      },
    },
  ],
  cost: 200,
  handler: async ({ zone, record, ...changes }, { runtime: { api }, signal }) => {
    const id = await api.zoneId(zone, signal);
    const place = path`/zones/${id}/dns_records/${record}`;
    const before = await api.ask({ path: place, signal }, vendorRecord);
    const hasParts = before.data !== undefined && before.data !== null;
    if (hasParts && changes.content !== undefined && changes.data === undefined)
      throw new ToolError(
        `A ${before.type} record has parts: give data rather than content. It has ${JSON.stringify(before.data)}.`,
        { code: "ARGUMENTS_INVALID" },
      );
    const { type, name, content, data, priority } = before;
    const after = await api.ask(
      {
        method: "PATCH",
        path: place,
        json: {
          type,
          name,
          // What has parts is written by them; its content follows.
          ...(hasParts ? { data } : given({ content, priority })),
          ...changes,
        },
        safe: true,
        signal,
      },
      vendorRecord,
    );
    return { before: dnsRecordOf(before), record: dnsRecordOf(after) };
  },
});
