import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { zoneInput } from "./zone-record.ts";

const list = z.array(z.string().min(1).max(2_000)).min(1).max(30).optional();

export const purgeCache = tool({
  name: "purge_cache",
  title: "Purge the cache",
  description:
    "Takes files out of a zone's cache, so that they are fetched from the origin again: by address, tag, host or prefix, or everything. Give exactly one of them.",
  input: z
    .object({
      zone: zoneInput,
      files: list.describe("Whole addresses, such as https://example.com/a.css"),
      tags: list.describe("Values of Cache-Tag"),
      hosts: list.describe("Host names"),
      prefixes: list.describe("Such as example.com/images, without https://"),
      everything: z.literal(true).optional().describe("The zone's whole cache"),
    })
    .refine(
      ({ zone: _zone, ...what }) =>
        Object.values(what).filter((one) => one !== undefined).length === 1,
      "Give exactly one of files, tags, hosts, prefixes and everything",
    ),
  output: z.object({ zoneId: z.string(), purged: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  examples: [{ input: { zone: "example.com", files: ["https://example.com/app.css"] } }],
  cost: 40,
  handler: async ({ zone, everything, ...what }, { runtime: { api }, signal }) => {
    const zoneId = await api.zoneId(zone, signal);
    const json = everything === true ? { purge_everything: true } : what;
    await api.ask(
      { method: "POST", path: path`/zones/${zoneId}/purge_cache`, json, safe: true, signal },
      z.unknown(),
    );
    return { zoneId, purged: true as const };
  },
});
