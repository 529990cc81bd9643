import type { ServerResponse } from "node:http";
import type { SignalboxError } from "../foundation/index.ts";

/** Answers a request that never became a message: `{code, message, details?, requestId}` with the error's status. */
export function sendError(res: ServerResponse, error: SignalboxError, requestId: string): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const body = JSON.stringify(error.body(requestId));
  res.writeHead(error.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": requestId,
    ...(error.status === 401 ? { "www-authenticate": 'Bearer realm="signalbox"' } : {}),
    ...error.headers,
  });
  res.end(body);
}
