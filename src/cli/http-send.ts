// node:http instead of fetch: fetch gives up on an answer that is silent for five minutes, and a tool may think longer.
// Deadlines are the caller's, as an AbortSignal.
import { request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";

export interface HttpRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  url: string | URL;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

/** Sends one request and resolves with the head of the answer; rejects with the socket's error, or AbortError. */
export function send(request: HttpRequest): Promise<HttpAnswer> {
  const url = new URL(request.url);
  const open = url.protocol === "https:" ? httpsRequest : httpRequest;
  const body = request.body === undefined ? undefined : Buffer.from(request.body);
  return new Promise((resolve, reject) => {
    const outgoing = open(url, {
      method: request.method,
      headers: {
        ...request.headers,
        ...(body === undefined ? {} : { "content-length": String(body.length) }),
      },
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    outgoing.on("error", reject);
    outgoing.on("response", (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    });
    outgoing.end(body);
  });
}

/** The whole body as text; rejects when it grows beyond `bytesMax`. */
export async function readText(body: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bytesMax) {
      throw new Error(`The answer is larger than ${String(bytesMax)} bytes.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size).toString("utf8");
}

/** True when the request certainly never reached a server, so that it may be sent again. */
export function neverSent(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "EAI_AGAIN"].includes(
    String(code),
  );
}
