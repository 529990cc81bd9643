// What a plain form of our own pages sends. A name that stands twice is refused, as in JSON.
import type { IncomingMessage } from "node:http";
import { SignalboxError } from "../foundation/index.ts";
import { decode, readBytes } from "./json-body.ts";

/** The fields of a form; undefined when there is no body. Throws CONTENT_TYPE, BODY_TOO_LARGE or BODY_INVALID. */
export async function readFormBody(
  incoming: IncomingMessage,
  options: { signal: AbortSignal },
): Promise<Record<string, string> | undefined> {
  const { headers } = incoming;
  if ((headers["content-length"] ?? headers["transfer-encoding"]) === undefined) return undefined;
  if (headers["content-length"] === "0") return undefined;
  const [media = ""] = (headers["content-type"] ?? "").toLowerCase().split(";");
  if (media.trim() !== "application/x-www-form-urlencoded") {
    throw new SignalboxError(
      "CONTENT_TYPE",
      "The form must be sent as `Content-Type: application/x-www-form-urlencoded`.",
    );
  }
  const form = new URLSearchParams(decode(await readBytes(incoming, options.signal)));
  const fields = new Map<string, string>();
  for (const [name, value] of form) {
    if (fields.has(name) || name === "__proto__") {
      throw new SignalboxError("BODY_INVALID", `"${name.slice(0, 64)}" stands twice in the form.`);
    }
    fields.set(name, value);
  }
  return Object.fromEntries(fields);
}
