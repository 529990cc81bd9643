// Bodies are JSON of bounded size and depth in UTF-8. A name that stands twice in one object is refused, because
// what reads it before us may have taken the other value; so is "__proto__", which nobody sends in good faith.
import type { IncomingMessage } from "node:http";
import { SignalboxError } from "../foundation/index.ts";

export const bodyBytesMax = 1024 * 1024;
export const bodyDepthMax = 32;
const bodyWithinMs = 30_000;

/** The JSON of a request; undefined when there is no body. Throws CONTENT_TYPE, BODY_TOO_LARGE or BODY_INVALID. */
export async function readJsonBody(
  incoming: IncomingMessage,
  options: { signal: AbortSignal },
): Promise<unknown> {
  const { headers } = incoming;
  const announced = Number(headers["content-length"] ?? Number.NaN);
  if (announced === 0 || (headers["content-length"] ?? headers["transfer-encoding"]) === undefined)
    return undefined;
  requireJson(headers["content-type"], headers["content-encoding"]);
  if (announced > bodyBytesMax) throw tooLarge();
  const bytes = await readBytes(incoming, options.signal);
  return bytes.length === 0 ? undefined : parseJsonBody(decode(bytes));
}

/** The value of a JSON text within the bounds. Throws BODY_INVALID or BODY_TOO_LARGE. */
export function parseJsonBody(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SignalboxError("BODY_INVALID", "The body is not JSON.", { cause: error });
  }
  inspect(text);
  return value;
}

function requireJson(type: string | undefined, encoding: string | undefined): void {
  const [media = "", ...parameters] = (type ?? "").toLowerCase().split(";");
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith("charset="));
  const utf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (media.trim() === "application/json" && utf8 && (encoding ?? "identity") === "identity")
    return;
  throw new SignalboxError(
    "CONTENT_TYPE",
    "The body must be sent as `Content-Type: application/json`, in UTF-8 and not compressed.",
  );
}

/** The bytes of a body. Throws BODY_TOO_LARGE. */
export async function readBytes(incoming: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const deadline = AbortSignal.timeout(bodyWithinMs);
  const stop = (): void => void incoming.destroy(new Error("the body did not arrive in time"));
  deadline.addEventListener("abort", stop, { once: true });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // `destroyOnReturn` would end the connection before a refusal could be sent.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
      signal.throwIfAborted();
      const bytes: Buffer = chunk;
      length += bytes.length;
      if (length > bodyBytesMax) throw tooLarge();
      chunks.push(bytes);
    }
  } finally {
    deadline.removeEventListener("abort", stop);
  }
  return Buffer.concat(chunks, length);
}

/** Throws BODY_INVALID where it is not UTF-8. */
export function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SignalboxError("BODY_INVALID", "The body is not UTF-8.", { cause: error });
  }
}

function tooLarge(): SignalboxError {
  return new SignalboxError("BODY_TOO_LARGE", `The body is larger than ${bodyBytesMax} bytes.`);
}

// Walks over text that is known to be JSON. `names` holds one set for each open object, undefined for an array.
function inspect(text: string): void {
  const names: (Set<string> | undefined)[] = [];
  let nameExpected = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      if (nameExpected) requireNewName(names.at(-1), String(JSON.parse(text.slice(at, end + 1))));
      nameExpected = false;
      at = end;
    } else if (character === "{" || character === "[") {
      if (names.length >= bodyDepthMax) throw tooDeep();
      names.push(character === "{" ? new Set() : undefined);
      nameExpected = character === "{";
    } else if (character === "}" || character === "]") {
      names.pop();
      nameExpected = false;
    } else if (character === ",") {
      nameExpected = names.at(-1) !== undefined;
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function requireNewName(names: Set<string> | undefined, name: string): void {
  if (name === "__proto__" || names?.has(name)) {
    const shown = name.slice(0, 64);
    const why =
      name === "__proto__" ? "is not a name that may be used" : "stands twice in one object";
    throw new SignalboxError("BODY_INVALID", `"${shown}" ${why}.`, { details: { name: shown } });
  }
  names?.add(name);
}

function tooDeep(): SignalboxError {
  return new SignalboxError(
    "BODY_TOO_LARGE",
    `The body is nested deeper than ${bodyDepthMax} levels.`,
  );
}
