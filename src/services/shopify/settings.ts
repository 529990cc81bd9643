import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

/** `[services.shopify]`: read at every start, so this file imports nothing but the kit and zod. */
export const shopifySettings = defineSettings({
  options: z.strictObject({
    shop: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]*$/, "is the shop's name before .myshopify.com")
      .optional(),
    access_token: secret("An Admin API token that does not end").optional(),
    client_id: z.string().min(1).optional(),
    client_secret: secret("Of the app in the Dev Dashboard").optional(),
    api_version: z
      .string()
      .regex(/^\d{4}-\d{2}$/)
      .default("2026-10"),
    url: z.url({ protocol: /^https?$/ }).optional(),
    timeout: duration.default(30_000),
  }),
  env: [
    { name: "SHOPIFY_SHOP", path: ["shop"] },
    { name: "SHOPIFY_ACCESS_TOKEN", path: ["access_token"] },
    { name: "SHOPIFY_CLIENT_ID", path: ["client_id"] },
    { name: "SHOPIFY_CLIENT_SECRET", path: ["client_secret"] },
    { name: "SHOPIFY_API_VERSION", path: ["api_version"] },
    { name: "SHOPIFY_API_URL", path: ["url"] },
  ],
  missing: ({ shop, access_token, client_id, client_secret }) => [
    ...(shop === undefined ? ["SHOPIFY_SHOP"] : []),
    ...(access_token === undefined && (client_id === undefined || client_secret === undefined)
      ? ["SHOPIFY_ACCESS_TOKEN, or SHOPIFY_CLIENT_ID with SHOPIFY_CLIENT_SECRET"]
      : []),
  ],
});
