import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { vendorVideo, video, videoInput, videoOf } from "./video.ts";

export const streamGet = tool({
  name: "stream_get",
  title: "A video",
  description: "Shows one video: whether it can be played, how far its encoding is, and its links.",
  input: z.object({ video: videoInput }),
  output: video,
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 250,
  handler: async ({ video: id }, { runtime: { api }, signal }) => {
    const account = await api.accountId(signal);
    return videoOf(
      await api.ask({ path: path`/accounts/${account}/stream/${id}`, signal }, vendorVideo),
    );
  },
});
