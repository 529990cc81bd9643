import type { Fetch, FetchInit } from "../service-context.ts";

/** A request as a service sent it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: URL;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text; "" where there is none. */
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

export interface FakeFetch {
  readonly fetch: Fetch;
  /** What was sent, the oldest first. */
  readonly seen: readonly SeenRequest[];
}

/** A `fetch` that answers by a function and keeps what it was asked; a function that throws is a vendor that cannot be reached. */
export function fakeFetch(
  answer: (request: SeenRequest, index: number) => Response | Promise<Response>,
): FakeFetch {
  const seen: SeenRequest[] = [];
  return {
    seen,
    fetch: async (url, init = {}) => {
      init.signal?.throwIfAborted();
      const request = await seenOf(url, init);
      seen.push(request);
      const response = Promise.resolve(answer(request, seen.length - 1));
      return await (init.signal === undefined ? response : abortable(response, init.signal));
    },
  };
}

/** An answer with a JSON body. */
export function jsonResponse(
  body: unknown,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return Response.json(body, init);
}

async function seenOf(address: string, init: FetchInit): Promise<SeenRequest> {
  const url = new URL(address);
  const { method = "GET", headers = {}, body } = init;
  const text = body === undefined ? "" : await new Response(bodyInit(body)).text();
  return {
    method,
    url,
    path: url.pathname + url.search,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    text,
    json: parsed(text),
  };
}

function bodyInit(
  body: NonNullable<FetchInit["body"]>,
): string | FormData | Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array ? new Uint8Array(body) : body;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
