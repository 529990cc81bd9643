import { SignalboxError, messageOf } from "../foundation/index.ts";

/** Asks an address for JSON; throws where none comes in time, within the bounds, from that very address. */
export type FetchJson = (
  url: string,
  options: {
    readonly signal: AbortSignal;
    readonly bytesMax: number;
    /** Sent as a form with POST; without it the address is read with GET. */
    readonly form?: Readonly<Record<string, string>>;
    readonly headers?: Readonly<Record<string, string>>;
  },
) => Promise<{ readonly status: number; readonly body: unknown }>;

/**
 * For addresses that an operator configured, or that an issuer an operator configured has named. A redirect is a failure and
 * not followed: where it leads nobody has configured.
 */
export const fetchJson: FetchJson = async (url, { signal, bytesMax, form, headers }) => {
  try {
    const answer = await fetch(url, {
      method: form === undefined ? "GET" : "POST",
      ...(form !== undefined && { body: new URLSearchParams(form) }),
      headers: { accept: "application/json", ...headers },
      redirect: "error",
      signal,
    });
    return { status: answer.status, body: JSON.parse(await boundedText(answer, bytesMax)) };
  } catch (cause) {
    throw new SignalboxError("AUTH_UNAVAILABLE", `${placeOf(url)}: ${messageOf(cause)}`, { cause });
  }
};

async function boundedText(answer: Response, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

// Without a query, which may hold what is nobody else's business.
function placeOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? "the address" : `${parsed.origin}${parsed.pathname}`;
}
