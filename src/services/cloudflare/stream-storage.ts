import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";

export const streamStorage = tool({
  name: "stream_storage",
  title: "Storage of videos",
  description: "Tells how many minutes of video are stored, and how many the account may store.",
  input: z.object({}),
  output: z.object({
    minutes: z.number(),
    minutesMax: z.number().optional(),
    videos: z.number().optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 40,
  handler: async (_input, { runtime: { api }, signal }) => {
    const account = await api.accountId(signal);
    const used = await api.ask(
      { path: path`/accounts/${account}/stream/storage-usage`, signal },
      z.object({
        totalStorageMinutes: z.number(),
        totalStorageMinutesLimit: z.number().optional(),
        videoCount: z.number().optional(),
      }),
    );
    return {
      minutes: used.totalStorageMinutes,
      minutesMax: used.totalStorageMinutesLimit,
      videos: used.videoCount,
    };
  },
});
