import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

/** `[services.mem0]`: read at every start, so this file imports nothing but the kit and zod. */
export const mem0Settings = defineSettings({
  options: z.strictObject({
    /** Of Mem0's platform, or of a server of one's own, where it asks for one. */
    api_key: secret("Made in Mem0's dashboard under API keys").optional(),
    /** Mem0's platform, or a server of one's own such as http://mem0:8090. */
    url: z.url({ protocol: /^https?$/ }).default("https://api.mem0.ai"),
    /** `platform` or `server`; default by the address: api.mem0.ai is the platform. */
    dialect: z.enum(["auto", "platform", "server"]).default("auto"),
    timeout: duration.default(30_000),
    /** How long a call waits for what the platform does in the background. */
    events_timeout: duration.default(30_000),
  }),
  env: [
    { name: "MEM0_API_KEY", path: ["api_key"] },
    { name: "MEM0_API_URL", path: ["url"] },
    { name: "MEM0_DIALECT", path: ["dialect"] },
  ],
  // A server of one's own may ask for no key, but its address has to be set.
  missing: ({ api_key, url, dialect }) =>
    api_key === undefined && dialectOf({ url, dialect }) === "platform"
      ? ["MEM0_API_KEY, or MEM0_API_URL with the address of a server of your own"]
      : [],
});

/** Which of Mem0's two APIs is spoken. */
export function dialectOf({
  url,
  dialect,
}: {
  readonly url: string;
  readonly dialect: "auto" | "platform" | "server";
}): "platform" | "server" {
  if (dialect !== "auto") return dialect;
  return new URL(url).hostname.endsWith("mem0.ai") ? "platform" : "server";
}
