// How the gateway's own services go out: over kept connections, to places that are judged. A place that the operator named
// in a service's settings is trusted; every other is judged, by each address its name has, and the connection goes to one that was
// judged (names may point elsewhere a moment later). Redirects are the caller's business.
import type { LookupFunction } from "node:net";
import { isIP } from "node:net";
import { lookup } from "node:dns";
import type { Fetch, FetchInit } from "@signalbox/kit";
import { Agent, Pool, buildConnector, fetch as undiciFetch } from "undici";
import { SignalboxError } from "../foundation/index.ts";

export interface OutboundClientOptions {
  /** What stands against a URL; undefined where nothing does. */
  problemOfUrl(url: URL): string | undefined;
  /** What stands against reaching a URL at an address its name was resolved to. */
  problemOfAddress(url: URL, address: string): string | undefined;
  readonly connectTimeoutMs: number;
  /** Connections to one place; default 32. */
  readonly connectionsMax?: number;
}

/** Connections to what stands behind services. */
export class OutboundClient {
  readonly #options: OutboundClientOptions;
  readonly #trusted: Agent;
  readonly #judged: Agent;

  constructor(options: OutboundClientOptions) {
    this.#options = options;
    const { connectTimeoutMs, connectionsMax = 32 } = options;
    const settings = { connections: connectionsMax, keepAliveTimeout: idleMs, pipelining: 1 };
    this.#trusted = new Agent({ ...settings, connect: { timeout: connectTimeoutMs } });
    this.#judged = new Agent({
      ...settings,
      factory: (origin) => {
        const connect = buildConnector({
          timeout: connectTimeoutMs,
          lookup: this.#lookupFor(new URL(origin)),
        });
        return new Pool(origin, { ...settings, connect });
      },
    });
  }

  /** A `fetch` for which these origins are trusted. Rejects with OUTBOUND_REFUSED, alone or as the cause. */
  fetchFor(trustedOrigins: readonly string[]): Fetch {
    const trusted = new Set(trustedOrigins);
    return async (address, init = {}) => {
      const url = URL.parse(address);
      if (url === null) throw refused("What was named as an address is not one.");
      const known = trusted.has(url.origin);
      if (!known) this.#judge(url);
      return await send(url, init, known ? this.#trusted : this.#judged);
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#trusted.destroy(), this.#judged.destroy()]);
  }

  #judge(url: URL): void {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const problem =
      this.#options.problemOfUrl(url) ??
      // An address is looked up by nobody.
      (isIP(host) === 0 ? undefined : this.#options.problemOfAddress(url, host));
    if (problem !== undefined) throw refused(`${url.origin} is not reached: ${problem}.`);
  }

  #lookupFor(origin: URL): LookupFunction {
    return (hostname, options, done) => {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return done(error, []);
        for (const { address } of addresses) {
          const problem = this.#options.problemOfAddress(origin, address);
          if (problem !== undefined)
            return done(refused(`${origin.origin} is not reached: ${problem}.`), []);
        }
        const [first] = addresses;
        if (options.all === true || first === undefined) return done(null, addresses);
        return done(null, first.address, first.family);
      });
    };
  }
}

async function send(url: URL, init: FetchInit, dispatcher: Agent): Promise<Response> {
  const { method = "GET", signal } = init;
  const body = await encoded(init.body);
  const response = await undiciFetch(url, {
    method,
    headers: { ...body?.headers, ...init.headers },
    ...(body !== undefined && { body: body.bytes }),
    ...(signal !== undefined && { signal }),
    redirect: "manual",
    dispatcher,
  });
  const headers = new Headers([...response.headers]);
  const { status, statusText } = response;
  const empty = status === 204 || status === 205 || status === 304;
  const stream = empty || response.body === null ? null : ReadableStream.from(response.body);
  return new Response(stream, { status, statusText, headers });
}

// A form of the platform's is none of the library's.
async function encoded(
  body: FetchInit["body"],
): Promise<{ bytes: string | Uint8Array; headers: Record<string, string> } | undefined> {
  if (body === undefined) return undefined;
  if (!(body instanceof FormData)) return { bytes: body, headers: {} };
  const whole = new Response(body);
  const type = whole.headers.get("content-type");
  return {
    bytes: new Uint8Array(await whole.arrayBuffer()),
    headers: type === null ? {} : { "content-type": type },
  };
}

function refused(sentence: string): SignalboxError {
  return new SignalboxError("OUTBOUND_REFUSED", sentence);
}

const idleMs = 4_000;
