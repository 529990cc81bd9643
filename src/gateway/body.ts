/** Reading a request's body: bounded, and parsed only where it is JSON. */
import type { IncomingMessage } from "node:http";
import { SignalboxError } from "../foundation/index.ts";

/**
 * Reads the body of a POST and calls `done` with it. Calls `refused` instead, once, where the type is not JSON, the body is
 * larger than `bytesMax`, or the client went away.
 */
export function readBody(
  req: IncomingMessage,
  bytesMax: number,
  done: (body: Buffer) => void,
  refused: (error: SignalboxError) => void,
): void {
  if (!isJson(req.headers["content-type"])) {
    refused(new SignalboxError("CONTENT_TYPE", "Send the message as application/json."));
    req.resume();
    return;
  }
  if (Number(req.headers["content-length"] ?? 0) > bytesMax) {
    refused(tooLarge(bytesMax));
    req.resume();
    return;
  }
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  let size = 0;
  let over = false;
  req.on("data", (chunk: Buffer) => {
    if (over) return;
    size += chunk.length;
    if (size > bytesMax) {
      over = true;
      first = undefined;
      more = undefined;
      refused(tooLarge(bytesMax));
    } else if (first === undefined) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  req.on("end", () => {
    if (!over) done(more === undefined ? (first ?? EMPTY) : Buffer.concat(more));
  });
}

const EMPTY = Buffer.alloc(0);

function isJson(type: string | undefined): boolean {
  if (type === "application/json") return true;
  return type !== undefined && /^application\/json\s*(?:;|$)/i.test(type.trim());
}

function tooLarge(bytesMax: number): SignalboxError {
  return new SignalboxError("BODY_TOO_LARGE", `A message has at most ${bytesMax} bytes.`);
}
