import { z } from "zod";
import { tool } from "./runtime.ts";
import { videoSettings } from "./video.ts";

export const streamUpload = tool({
  name: "stream_upload",
  title: "Upload a video",
  description:
    "Uploads a video file of the machine that the gateway runs on, of up to 30 GB, in chunks. A call that ends early can be made again: it goes on where it stopped.",
  input: z.object({
    path: z
      .string()
      .min(1)
      .max(4_096)
      .describe("The file, within one of the folders that CLOUDFLARE_UPLOAD_DIRS names"),
    name: z.string().min(1).max(500).optional().describe("Default: the name of the file"),
    maxDurationSeconds: z.int().min(1).max(21_600).optional().describe("Longer ones are refused"),
    ...videoSettings,
  }),
  output: z.object({
    id: z.string().describe("Of the video; stream_get tells when it can be played"),
    bytes: z.number(),
    resumedAt: z
      .number()
      .optional()
      .describe("How many bytes an earlier call had sent, where there was one"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  examples: [{ input: { path: "/srv/videos/tour.mp4", name: "Tour" } }],
  cost: 60,
  handler: (input, context) => context.runtime.uploads.upload(input, context),
});
