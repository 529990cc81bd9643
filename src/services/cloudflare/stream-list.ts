import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorVideo, video, videoOf } from "./video.ts";

export const streamList = tool({
  name: "stream_list",
  title: "Videos",
  description:
    "Lists the videos of the account, the newest first. Where there are more, ask again with before set to the last one's createdAt.",
  input: z.object({
    search: z.string().min(1).max(200).optional().describe("Somewhere in the name"),
    state: z
      .enum(["pendingupload", "downloading", "queued", "inprogress", "ready", "error"])
      .optional(),
    creator: z.string().max(64).optional(),
    after: z.iso.datetime({ offset: true }).optional().describe("Only those made after it"),
    before: z.iso.datetime({ offset: true }).optional().describe("Only those made before it"),
    limit: z.int().min(1).max(1000).default(50).describe("How many at most"),
  }),
  output: z.object({ videos: z.array(video), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 5_000,
  handler: async (
    { search, state, creator, after, before, limit },
    { runtime: { api }, signal },
  ) => {
    const account = await api.accountId(signal);
    const videos = await api.ask(
      {
        path: path`/accounts/${account}/stream`,
        query: { search, status: state, creator, start: after, end: before },
        signal,
      },
      z.array(vendorVideo),
    );
    // Cloudflare answers 1000 at most.
    const more = videos.length > limit || videos.length >= 1000;
    return { videos: videos.slice(0, limit).map(videoOf), more };
  },
});
