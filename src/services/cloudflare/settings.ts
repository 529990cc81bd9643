import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

const kibibyte = 1024;

/** `[services.cloudflare]`: read at every start, so this file imports nothing but the kit and zod. */
export const cloudflareSettings = defineSettings({
  options: z.strictObject({
    api_token: secret(
      "With the permissions Zone Read, DNS Edit, Analytics Read, Cache Purge, Stream Edit and Account Read, as far as their tools are used",
    ).optional(),
    email: z.string().optional().describe("Of the account whose global key is used"),
    api_key: secret("The global key, where there is no token").optional(),
    account_id: z.string().optional().describe("Default: the only one that the token may see"),
    zone_id: z.string().optional().describe("The zone that is meant where a call names none"),
    url: z.url({ protocol: /^https?$/ }).default("https://api.cloudflare.com/client/v4"),
    timeout: duration.default(30_000),
    upload_dirs: z
      .array(z.string())
      .default([])
      .describe("Folders of this machine whose files may be uploaded; none without it"),
    upload_chunk_bytes: z
      .int()
      .min(5_120 * kibibyte)
      .max(204_800 * kibibyte)
      .multipleOf(256 * kibibyte)
      .default(10_240 * kibibyte),
    upload_timeout: duration.default(300_000).describe("Of one chunk"),
  }),
  env: [
    { name: "CLOUDFLARE_API_TOKEN", path: ["api_token"] },
    { name: "CLOUDFLARE_EMAIL", path: ["email"] },
    { name: "CLOUDFLARE_API_KEY", path: ["api_key"] },
    { name: "CLOUDFLARE_ACCOUNT_ID", path: ["account_id"] },
    { name: "CLOUDFLARE_ZONE_ID", path: ["zone_id"] },
    { name: "CLOUDFLARE_API_URL", path: ["url"] },
    { name: "CLOUDFLARE_UPLOAD_DIRS", path: ["upload_dirs"], kind: "list" },
  ],
  missing: ({ api_token, email, api_key }) =>
    api_token !== undefined || (email !== undefined && api_key !== undefined)
      ? []
      : ["CLOUDFLARE_API_TOKEN, or CLOUDFLARE_EMAIL with CLOUDFLARE_API_KEY"],
});
