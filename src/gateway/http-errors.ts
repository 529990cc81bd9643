import type { ServerResponse } from "node:http";
import type { SignalboxError } from "../foundation/index.ts";

/** Answers a request that never became a message: `{code, message, details?, requestId}` with the error's status. */
export function sendError(res: ServerResponse, error: SignalboxError, requestId: string): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const retryAfterMs = retryAfterOf(error);
  const body = JSON.stringify(error.body(requestId));
  if (retryAfterMs !== undefined) res.setHeader("retry-after", Math.ceil(retryAfterMs / 1000));
  res.writeHead(error.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": requestId,
    ...(error.status === 401 ? { "www-authenticate": 'Bearer realm="signalbox"' } : {}),
    ...error.headers,
  });
  res.end(body);
}

/** How long a caller should wait, in milliseconds, where the failure says it. */
export function retryAfterOf({ details }: SignalboxError): number | undefined {
  const ms = details?.["retryAfterMs"];
  return typeof ms === "number" ? ms : undefined;
}
