import { z } from "@hono/zod-openapi";
import { errorTable, isSignalboxError, messageOf, SignalboxError } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import type { Answer } from "./route.ts";

/** Every refusal and failure of the API has this body. */
export const errorSchema = z
  .object({
    code: z.enum(Object.keys(errorTable)),
    message: z.string().describe("What happened, in a sentence for people."),
    details: z.record(z.string(), z.unknown()).optional().describe("The same for programs."),
    requestId: z.string().describe("Finds the line of this request in the log."),
    docs: z.string().describe("The page about this code, in the project's documentation."),
  })
  .openapi("Error", {
    example: {
      code: "SERVER_NOT_FOUND",
      message: 'There is no server "serach".',
      requestId: "req_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
      docs: "docs/errors/SERVER_NOT_FOUND.md",
    },
  });

/** The answer to a request that failed; what is not one of our own errors is logged and told as INTERNAL. */
export function errorAnswer(error: unknown, requestId: string, log: Log): Answer {
  const own = isSignalboxError(error) ? error : internal(error, requestId, log);
  return {
    status: own.status,
    body: { ...own.body(requestId), docs: `docs/errors/${own.code}.md` },
    headers: headersOf(own),
  };
}

function internal(error: unknown, requestId: string, log: Log): SignalboxError {
  log.error({ requestId, err: error, problem: messageOf(error) }, "An API request failed");
  return new SignalboxError(
    "INTERNAL",
    "Something failed that should not have; the log has the cause.",
  );
}

function headersOf({
  code,
  status,
  details,
  headers,
}: SignalboxError): Readonly<Record<string, string>> {
  if (headers !== undefined) return headers;
  if (status === 401) {
    const why = code === "KEY_MISSING" ? "" : ', error="invalid_token"';
    return { "WWW-Authenticate": `Bearer realm="signalbox"${why}` };
  }
  if (status === 503) return { "Retry-After": "5" };
  if (code === "METHOD_NOT_ALLOWED" && Array.isArray(details?.["allow"]))
    return { Allow: details["allow"].join(", ") };
  // What is left of the body is not read, so the connection cannot be used again.
  if (code === "BODY_TOO_LARGE") return { Connection: "close" };
  return {};
}
