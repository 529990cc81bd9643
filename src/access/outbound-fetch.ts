// Fetches addresses that somebody else named, past the guard. A name is looked up once; all its addresses are judged and
// the connection goes to one of those, so that a name that points elsewhere a moment later (DNS rebinding) changes nothing.
// Each redirect is judged like the first address. Node's own HTTP client is used because it connects to exactly the
// address it is given.
import { lookup as lookUp } from "node:dns/promises";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { orAborted } from "@signalbox/kit";
import { GATEWAY_ACTOR, Seldom, SignalboxError, messageOf } from "../foundation/index.ts";
import type { AuditSink, Clock } from "../foundation/index.ts";
import type { OutboundGuard } from "./outbound-guard.ts";

export interface OutboundFetchDeps {
  readonly guard: OutboundGuard;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
  /** All addresses of a name; default: the system's resolver. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  /** Told of refusals; of equal ones once a minute. */
  readonly audit?: AuditSink;
}

export interface OutboundInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** How many redirects are followed; default none, as befits requests that carry credentials. */
  readonly redirectsMax?: number;
  /** An origin the operator configured: going there gives nobody anything. */
  readonly trustedOrigin?: string;
}

/** Fetches past the guard. Rejects with OUTBOUND_REFUSED, or OUTBOUND_FAILED where nothing came back. */
export class OutboundFetch {
  readonly #deps: OutboundFetchDeps;
  readonly #refusals: Seldom;

  constructor(deps: OutboundFetchDeps) {
    this.#deps = deps;
    this.#refusals = new Seldom(deps.clock, REFUSALS);
  }

  async fetch(address: string, init: OutboundInit = {}): Promise<Response> {
    const deadline = AbortSignal.timeout(this.#deps.timeoutMs);
    const signal = init.signal === undefined ? deadline : AbortSignal.any([init.signal, deadline]);
    let url = this.#parsed(address);
    for (let hop = 0; ; hop++) {
      const response = await this.#hop(url, init, signal);
      const location = response.headers.get("location");
      const redirects = response.status >= 300 && response.status < 400 && location !== null;
      if (!redirects || init.redirectsMax === undefined) return response;
      if (hop >= init.redirectsMax) throw this.#refusal(url, "it redirects too often");
      url = this.#parsed(location, url);
    }
  }

  async #hop(url: URL, init: OutboundInit, signal: AbortSignal): Promise<Response> {
    const problem = this.#deps.guard.problemOfUrl(url);
    if (problem !== undefined) throw this.#refusal(url, problem);
    try {
      const addresses = await orAborted(this.#addressesOf(url), signal);
      const [first] = addresses;
      if (first === undefined) throw new Error("the name has no address");
      if (url.origin !== init.trustedOrigin) this.#judge(url, addresses);
      return await send(url, first, init, { signal, bytesMax: this.#deps.responseBytesMax });
    } catch (error) {
      if (error instanceof SignalboxError) throw error;
      if (init.signal?.aborted === true) throw init.signal.reason;
      const why = signal.aborted ? "it took too long" : messageOf(error);
      throw new SignalboxError("OUTBOUND_FAILED", `${shown(url)} cannot be fetched: ${why}.`, {
        cause: error,
      });
    }
  }

  #judge(url: URL, addresses: readonly string[]): void {
    for (const address of addresses) {
      const problem = this.#deps.guard.problemOfAddress(url, address);
      if (problem !== undefined) throw this.#refusal(url, problem);
    }
  }

  async #addressesOf(url: URL): Promise<readonly string[]> {
    const name = unbracketed(url.hostname);
    if (isIP(name) !== 0) return [name];
    return (this.#deps.lookup ?? systemLookup)(name);
  }

  #parsed(address: string, base?: URL): URL {
    const url = URL.parse(address, base?.href);
    if (url !== null) return url;
    throw new SignalboxError("OUTBOUND_REFUSED", "What was named as an address is not one.");
  }

  #refusal(url: URL, problem: string): SignalboxError {
    if (this.#refusals.mayTell(`${url.host} ${problem}`))
      this.#deps.audit?.({
        action: "outbound.refuse",
        actor: GATEWAY_ACTOR,
        target: `address:${shown(url)}`,
        outcome: "denied",
        code: "OUTBOUND_REFUSED",
        details: { problem },
      });
    return new SignalboxError("OUTBOUND_REFUSED", `${shown(url)} is not fetched: ${problem}.`);
  }
}

// Whoever names addresses could fill the audit trail with them.
const REFUSALS = { everyMs: 60_000, max: 100 };

async function systemLookup(name: string): Promise<readonly string[]> {
  const found = await lookUp(name, { all: true });
  return found.map(({ address }) => address);
}

interface Bounds {
  readonly signal: AbortSignal;
  readonly bytesMax: number;
}

function send(
  url: URL,
  address: string,
  init: OutboundInit,
  { signal, bytesMax }: Bounds,
): Promise<Response> {
  const { method = "GET", headers = {}, body } = init;
  const name = unbracketed(url.hostname);
  const secure = url.protocol === "https:";
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const request = (secure ? httpsRequest : httpRequest)({
    host: address,
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    path: url.pathname + url.search,
    method,
    headers: {
      ...headers,
      host: url.host,
      ...(body !== undefined && { "content-length": String(Buffer.byteLength(body)) }),
    },
    // The certificate must be for the name; addresses are no server names.
    servername: isIP(name) === 0 ? name : "",
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal,
  });
  request.on("error", reject);
  request.on("response", (response) => {
    collect(response, bytesMax).then(resolve, (error: unknown) => {
      request.destroy();
      reject(error);
    });
  });
  request.end(body);
  return promise;
}

async function collect(message: IncomingMessage, bytesMax: number): Promise<Response> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the answer is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct))
    for (const value of values) headers.append(name, value);
  const empty = status === 204 || status === 205 || status === 304;
  return new Response(empty ? null : Buffer.concat(chunks), { status, headers });
}

function unbracketed(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

// Without its query, which may carry a secret.
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 200);
}

const HEADER_BYTES_MAX = 32 * 1024;
