import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorVideo, video, videoOf, videoSettings } from "./video.ts";

export const streamCopyFromUrl = tool({
  name: "stream_copy_from_url",
  title: "Upload a video from an address",
  description:
    "Has Cloudflare fetch a video from a public address. It is downloading at first: stream_get tells when it is ready.",
  input: z.object({
    url: z.url({ protocol: /^https?$/ }).describe("Where the file can be had without logging in"),
    name: z.string().min(1).max(500).optional(),
    ...videoSettings,
  }),
  output: video,
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  examples: [{ input: { url: "https://videos.example/tour.mp4", name: "Tour" } }],
  cost: 250,
  handler: async (
    { url, name, creator, requireSignedUrls, allowedOrigins },
    { runtime: { api }, signal },
  ) => {
    const account = await api.accountId(signal);
    const json = {
      url,
      ...(name !== undefined && { meta: { name } }),
      creator,
      requireSignedURLs: requireSignedUrls,
      allowedOrigins,
    };
    const place = path`/accounts/${account}/stream/copy`;
    return videoOf(await api.ask({ method: "POST", path: place, json, signal }, vendorVideo));
  },
});
