import { path } from "@signalbox/kit";
import { z } from "zod";
import { orNotFound } from "./not-found.ts";
import { tool } from "./runtime.ts";

export const deleteCredential = tool({
  name: "delete_credential",
  title: "Delete a credential",
  description: "Deletes a credential. Workflows whose nodes use it fail from then on.",
  input: z.object({ credential: z.string().min(1).max(36).describe("Id of the credential") }),
  output: z.object({ id: z.string(), deleted: z.literal(true) }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  scope: "manage",
  cost: 40,
  handler: async ({ credential: id }, { runtime: { api }, signal }) => {
    await orNotFound(
      api.request({ method: "DELETE", path: path`/api/v1/credentials/${id}`, signal }),
      `There is no credential ${id}.`,
    );
    return { id, deleted: true as const };
  },
});
