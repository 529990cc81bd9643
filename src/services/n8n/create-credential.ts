import { z } from "zod";
import { tool } from "./runtime.ts";

export const createCredential = tool({
  name: "create_credential",
  title: "Create a credential",
  description:
    "Creates a credential that nodes can use; get_credential_schema tells its fields. n8n keeps the values sealed and shows them to nobody.",
  input: z.object({
    name: z.string().min(1).max(128),
    type: z.string().min(1).max(128).describe("Such as httpHeaderAuth"),
    data: z.record(z.string(), z.unknown()).describe("The fields of the type; they are secret"),
  }),
  output: z.object({ id: z.string(), name: z.string(), type: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  scope: "manage",
  cost: 60,
  handler: (json, { runtime: { api }, signal }) =>
    api.ask(
      { method: "POST", path: "/api/v1/credentials", json, signal },
      z.object({ id: z.string(), name: z.string(), type: z.string() }),
    ),
});
