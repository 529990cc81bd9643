import { path } from "@signalbox/kit";
import { z } from "zod";
import { orNotFound } from "./not-found.ts";
import { tool } from "./runtime.ts";

export const getCredentialSchema = tool({
  name: "get_credential_schema",
  title: "What a credential consists of",
  description: "Tells the fields of a type of credential, for create_credential.",
  input: z.object({
    type: z.string().min(1).max(128).describe("Such as httpHeaderAuth or githubApi"),
  }),
  output: z.object({
    type: z.string(),
    required: z.array(z.string()),
    fields: z.record(
      z.string(),
      z.object({ type: z.string().optional(), values: z.array(z.string()).optional() }),
    ),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 300,
  handler: async ({ type }, { runtime: { api }, signal }) => {
    const { required, properties } = await orNotFound(
      api.ask(
        { path: path`/api/v1/credentials/schema/${type}`, signal },
        z.object({
          required: z.array(z.string()).default([]),
          properties: z.record(
            z.string(),
            z.looseObject({ type: z.string().optional(), enum: z.array(z.string()).optional() }),
          ),
        }),
      ),
      `n8n has no credentials of the type "${type}".`,
    );
    const fields = Object.entries(properties).map(([name, field]) => [
      name,
      {
        ...(field.type !== undefined && { type: field.type }),
        ...(field.enum !== undefined && { values: field.enum }),
      },
    ]);
    return { type, required, fields: Object.fromEntries(fields) };
  },
});
