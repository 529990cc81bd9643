// The addresses below `/api/mcp` answer in an envelope of their own, for programs that know it: `{success, data, metadata?, timestamp}`,
// and for a failure `{success, error: {message, code, details?}, timestamp}`. A failure has the fields of every other one beside
// it, so that all errors can be read in one way.
import { z } from "@hono/zod-openapi";
import { errorSchema } from "./error-answer.ts";
import type { Answer } from "./route.ts";

/** Whether what is answered at a path, or what a route's path is, is in the envelope. */
export function isEnveloped(path: string): boolean {
  return path === "/api/mcp" || path.startsWith("/api/mcp/");
}

/** A success. `now` is epoch milliseconds. */
export function enveloped<Data>(
  data: Data,
  now: number,
): { success: true; data: Data; timestamp: string } {
  return { success: true, data, timestamp: new Date(now).toISOString() };
}

/** The shape of a success. */
export function envelopeOf(data: z.ZodType): z.ZodObject {
  return z.object({ success: z.literal(true), data, timestamp: z.iso.datetime() });
}

/** The same failure, in the envelope. `now` is epoch milliseconds. */
export function envelopedError(answer: Answer, now: number): Answer {
  const body = errorSchema.loose().parse(answer.body);
  const { message, code, details } = body;
  const error = { message, code, ...(details !== undefined && { details }) };
  const timestamp = new Date(now).toISOString();
  return { ...answer, body: { success: false, error, timestamp, ...body } };
}

/** The shape of a failure. */
export const envelopedErrorSchema = errorSchema
  .extend({
    success: z.literal(false),
    error: errorSchema.pick({ message: true, code: true, details: true }),
    timestamp: z.iso.datetime(),
  })
  .openapi("EnvelopedError", {
    example: {
      success: false,
      error: { message: "There is no such key.", code: "KEY_INVALID" },
      timestamp: "2026-11-20T08:00:00.000Z",
      code: "KEY_INVALID",
      message: "There is no such key.",
      requestId: "req_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
      docs: "docs/errors/KEY_INVALID.md",
    },
  });
