import { z } from "zod";
import { boundedAnswer } from "./execute-workflow.ts";
import { runMsMax, tool } from "./runtime.ts";
import { callHook, methods } from "./webhook.ts";

const headers = z
  .record(z.string(), z.string().max(4_000))
  .refine(
    (given) => Object.keys(given).every((name) => headerName.test(name) && !kept.test(name)),
    "host, connection, content-length, transfer-encoding and x-n8n-api-key cannot be set, and names are letters, digits and -",
  );
const headerName = /^[A-Za-z0-9-]{1,64}$/;
const kept = /^(host|connection|content-length|transfer-encoding|x-n8n-api-key)$/i;

export const callWebhook = tool({
  name: "call_webhook",
  title: "Call a webhook",
  description:
    "Calls a webhook of n8n by its path, which list_webhooks tells, and gives what it answers. To run a workflow and see its execution use execute_workflow.",
  input: z.object({
    path: z
      .string()
      .min(1)
      .max(500)
      .regex(/^[^/?#][^?#]*$/, "Give the path alone, such as bookings/new")
      .describe("Without /webhook/ before it, such as bookings/new"),
    method: z.enum(methods).default("POST"),
    body: z.record(z.string(), z.unknown()).optional().describe("Sent as JSON"),
    query: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
    headers: headers.optional(),
    test: z.boolean().default(false).describe("The one that the editor listens to, once"),
    timeoutMs: z.int().min(1_000).max(runMsMax).default(30_000),
  }),
  output: z.object({
    status: z.int(),
    contentType: z.string(),
    answer: z.unknown().describe("JSON, or text; cut at 50,000 characters"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  examples: [{ input: { path: "bookings/new", body: { guest: "Ana" } } }],
  cost: 500,
  handler: async ({ body, method, ...call }, { runtime: { web, clock }, signal }) => {
    const withBody = method !== "GET" && method !== "HEAD" && body !== undefined;
    const { data, ...answered } = await callHook(web, clock, {
      ...call,
      method,
      ...(withBody && { body }),
      signal,
    });
    return { ...answered, answer: boundedAnswer(data) };
  },
});
