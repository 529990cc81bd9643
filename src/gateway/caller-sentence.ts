import type { SignalboxError } from "../foundation/index.ts";

/** What callers read of a server's failure: not where the server is, nor what it wrote to its own log. */
export function sentenceForCallers({ message, details }: SignalboxError): string {
  const sentence = details?.["forCallers"];
  if (typeof sentence !== "string") return message;
  return details?.["outcome"] === "unknown"
    ? `${sentence} Whether the call was carried out is not known.`
    : sentence;
}
