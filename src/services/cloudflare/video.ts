import { z } from "zod";
import { given } from "./given.ts";

/** A video as Cloudflare has it, as far as tools show it. */
export const vendorVideo = z.object({
  uid: z.string(),
  status: z
    .object({
      state: z.string().nullish(),
      pctComplete: z.union([z.string(), z.number()]).nullish(),
      errorReasonText: z.string().nullish(),
    })
    .nullish(),
  readyToStream: z.boolean().nullish(),
  duration: z.number().nullish(),
  size: z.number().nullish(),
  meta: z.record(z.string(), z.unknown()).nullish(),
  created: z.string().nullish(),
  uploaded: z.string().nullish(),
  creator: z.string().nullish(),
  requireSignedURLs: z.boolean().nullish(),
  allowedOrigins: z.array(z.string()).nullish(),
  scheduledDeletion: z.string().nullish(),
  preview: z.string().nullish(),
  thumbnail: z.string().nullish(),
  playback: z.object({ hls: z.string().nullish(), dash: z.string().nullish() }).nullish(),
});

/** A video as tools show it. */
export const video = z.object({
  id: z.string(),
  name: z.string().optional(),
  state: z
    .string()
    .describe("pendingupload, downloading, queued, inprogress, ready or error; else unknown"),
  percent: z.number().optional().describe("Of the encoding"),
  error: z.string().optional().describe("Why it could not be encoded"),
  ready: z.boolean().describe("Whether it can be played"),
  durationSeconds: z.number().optional(),
  bytes: z.number().optional(),
  createdAt: z.string().optional(),
  creator: z.string().optional(),
  signedUrlsRequired: z.boolean().optional(),
  allowedOrigins: z.array(z.string()).optional(),
  deletedAt: z.string().optional().describe("When it will be deleted"),
  previewUrl: z.string().optional(),
  thumbnailUrl: z.string().optional(),
  hlsUrl: z.string().optional(),
  dashUrl: z.string().optional(),
});

export function videoOf(from: z.output<typeof vendorVideo>): z.output<typeof video> {
  const { uid, status, duration, size, creator, playback } = from;
  const name = from.meta?.["name"];
  const percent = Number(status?.pctComplete ?? Number.NaN);
  return {
    id: uid,
    state: status?.state ?? "unknown",
    ready: from.readyToStream ?? false,
    ...given({
      name: typeof name === "string" ? name : undefined,
      percent: Number.isFinite(percent) ? percent : undefined,
      error: status?.errorReasonText === "" ? undefined : status?.errorReasonText,
      // Below 0 until it is known.
      durationSeconds: (duration ?? -1) < 0 ? undefined : duration,
      bytes: size,
      createdAt: from.created ?? from.uploaded,
      creator,
      signedUrlsRequired: from.requireSignedURLs,
      allowedOrigins: from.allowedOrigins,
      deletedAt: from.scheduledDeletion,
      previewUrl: from.preview,
      thumbnailUrl: from.thumbnail,
      hlsUrl: playback?.hls,
      dashUrl: playback?.dash,
    }),
  };
}

/** How a call names a video. */
export const videoInput = z.string().min(1).max(32).describe("Id of the video");

/** What may be said of a video that is made. */
export const videoSettings = {
  creator: z.string().max(64).optional().describe("Id of whoever made it, in your own system"),
  requireSignedUrls: z.boolean().optional().describe("Whether only signed links play it"),
  allowedOrigins: z
    .array(z.string().min(1).max(253))
    .max(50)
    .optional()
    .describe("Hosts whose pages may play it; all where it is empty"),
};
