import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { videoSettings } from "./video.ts";

export const streamDirectUpload = tool({
  name: "stream_direct_upload",
  title: "A link to upload a video",
  description:
    "Makes a link that takes one video, once, without credentials: for a browser, or a file that this gateway cannot read. Send the file there as the field `file` of a form; up to 200 MB.",
  input: z.object({
    maxDurationSeconds: z.int().min(1).max(21_600).describe("Longer videos are refused"),
    name: z.string().min(1).max(500).optional(),
    expiresAt: z.iso
      .datetime({ offset: true })
      .optional()
      .describe("Until when the link can be used: 2 minutes to 6 hours from now; default 30 min"),
    ...videoSettings,
  }),
  output: z.object({
    id: z.string().describe("Of the video that will be there"),
    uploadUrl: z.string(),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  cost: 100,
  handler: async (
    { maxDurationSeconds, name, expiresAt, creator, requireSignedUrls, allowedOrigins },
    { runtime: { api }, signal },
  ) => {
    const account = await api.accountId(signal);
    const json = {
      maxDurationSeconds,
      ...(name !== undefined && { meta: { name } }),
      expiry: expiresAt,
      creator,
      requireSignedURLs: requireSignedUrls,
      allowedOrigins,
    };
    const { uid, uploadURL } = await api.ask(
      { method: "POST", path: path`/accounts/${account}/stream/direct_upload`, json, signal },
      z.object({ uid: z.string(), uploadURL: z.string() }),
    );
    return { id: uid, uploadUrl: uploadURL };
  },
});
