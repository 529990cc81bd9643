import { path } from "@signalbox/kit";
import { z } from "zod";
import { tool } from "./runtime.ts";
import { videoInput } from "./video.ts";

export const streamDelete = tool({
  name: "stream_delete",
  title: "Delete a video",
  description: "Deletes a video and all its copies. It cannot be undone.",
  input: z.object({ video: videoInput }),
  output: z.object({ id: z.string(), deleted: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 40,
  handler: async ({ video: id }, { runtime: { api }, signal }) => {
    const account = await api.accountId(signal);
    await api.rest.request({
      method: "DELETE",
      path: path`/accounts/${account}/stream/${id}`,
      json: {},
      signal,
    });
    return { id, deleted: true as const };
  },
});
