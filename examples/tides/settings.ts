import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

/** `[services.tides]`: read at every start, so this file imports nothing but the kit and zod. */
export const tidesSettings = defineSettings({
  options: z.strictObject({
    api_key: secret("Made under Account, API keys").optional(),
    url: z.url({ protocol: /^https?$/ }).default("https://api.tides.example"),
    timeout: duration.default(10_000),
  }),
  env: [
    { name: "TIDES_API_KEY", path: ["api_key"] },
    { name: "TIDES_API_URL", path: ["url"] },
  ],
  missing: ({ api_key }) => (api_key === undefined ? ["TIDES_API_KEY"] : []),
});
