import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorVideo, video, videoInput, videoOf, videoSettings } from "./video.ts";

export const streamUpdate = tool({
  name: "stream_update",
  title: "Change a video",
  description: "Changes a video's name, who may play it, or when it is deleted.",
  input: z.object({
    video: videoInput,
    name: z.string().min(1).max(500).optional(),
    ...videoSettings,
    deleteAt: z.iso
      .datetime({ offset: true })
      .optional()
      .describe("When to delete it, 30 days from now at the earliest"),
  }),
  output: video,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 250,
  handler: async (
    { video: id, name, creator, requireSignedUrls, allowedOrigins, deleteAt },
    { runtime: { api }, signal },
  ) => {
    const account = await api.accountId(signal);
    const place = path`/accounts/${account}/stream/${id}`;
    // The whole of `meta` is replaced, so that what is there is read before.
    const { meta } = await api.ask({ path: place, signal }, vendorVideo);
    const json = {
      ...(name !== undefined && { meta: { ...meta, name } }),
      creator,
      requireSignedURLs: requireSignedUrls,
      allowedOrigins,
      scheduledDeletion: deleteAt,
    };
    return videoOf(
      await api.ask({ method: "POST", path: place, json, safe: true, signal }, vendorVideo),
    );
  },
});
