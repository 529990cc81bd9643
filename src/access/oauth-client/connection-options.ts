import { z } from "zod";

const httpUrl = z.url({ protocol: /^https?$/, error: "must be a URL" }).max(1000);

/** `[connections]`: how the gateway connects to servers by OAuth. */
export const connectionOptions = z.strictObject({
  /** The name that authorization servers show to who consents. */
  client_name: z.string().min(1).max(100).default("Signalbox"),
  /** A client ID metadata document that is published elsewhere; by default the gateway's own, where its `public_url` is https. */
  client_metadata_url: httpUrl
    .refine((url) => url.startsWith("https:") && URL.parse(url)?.pathname !== "/", {
      error: "must be an https URL with a path",
    })
    .optional(),
});
