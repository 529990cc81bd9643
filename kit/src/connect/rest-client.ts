// A vendor's HTTP API as a service uses it: one place for tokens, limits, deadlines, repeats, bounds and what a failure
// means, so that a tool is a few lines about its own request. Nothing is repeated that may have been done, unless the
// request says that doing it twice does no harm: by its method, by an idempotency key, or by `safe`.
import type { z } from "zod";
import { systemClock, type Clock } from "../clock.ts";
import { ServiceError } from "../service-error.ts";
import type { Fetch } from "../service-context.ts";
import type { RateStatus } from "../service.ts";
import { issuesText } from "../tool.ts";
import { boundedBody } from "./bounded-body.ts";
import { rateReadings } from "./rate-headers.ts";
import { RateLimiter, type RatePlan } from "./rate-limiter.ts";
import { masked, withoutFields } from "./redact.ts";
import { retryAfterMs } from "./retry-after.ts";
import type { TokenProvider } from "./token-provider.ts";

export interface RestClientOptions {
  /** The vendor, as sentences name it: "Xero". */
  readonly vendor: string;
  readonly baseUrl: string;
  readonly fetch: Fetch;
  readonly clock?: Clock;
  /** Of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly auth?: {
    readonly tokens: TokenProvider;
    /** The header that carries the token; default `authorization`. */
    readonly header?: string;
    /** What stands before it; default "Bearer ". */
    readonly prefix?: string;
  };
  /** The vendor's limits as published; what its answers say corrects them. */
  readonly plans?: readonly RatePlan[];
  /** Requests under way at once; default no bound. */
  readonly concurrentMax?: number;
  /** A request that would wait longer for the vendor's limits is refused; default 60 s. */
  readonly waitMsMax?: number;
  /** The longest request, its repeats included; default 30 s. */
  readonly timeoutMs?: number;
  /** Attempts in all; default 3. */
  readonly attemptsMax?: number;
  /** The largest answer; default 10 MiB. */
  readonly bodyBytesMax?: number;
  /** The header that carries an idempotency key; left out where the vendor knows none. */
  readonly idempotencyHeader?: string;
  /** Names of fields that must not be shown; `withoutSecrets` takes them out. */
  readonly redact?: readonly string[];
  /** Values that are masked in sentences: keys and passwords. */
  readonly secrets?: readonly string[];
  /** What a failed answer means, where its status alone does not tell; undefined leaves it to the status. */
  classify?(answer: FailedAnswer): RestVerdict | undefined;
  /** 0 to 1, for delays. */
  random?(): number;
}

export interface RestRequest {
  /** Default GET. */
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the base URL, or an address of the same origin; build it with `path` so that names in it are escaped. */
  readonly path: string;
  /** What is undefined is left out; a list is repeated. */
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[]>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>;
  /** Sent as it is, with the headers you give. */
  readonly body?: string | Uint8Array | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent in the vendor's header; with one, and a vendor that knows them, a request may be repeated. */
  readonly idempotencyKey?: string;
  /** Whether it may be done twice; default by its method: GET, HEAD, PUT and DELETE may. */
  readonly safe?: boolean;
  /** Whose limits it counts against; default "default". */
  readonly key?: string;
  /** Of the vendor's limits; default 1. */
  readonly cost?: number;
  readonly signal: AbortSignal;
  /** Less than the client's. */
  readonly timeoutMs?: number;
}

type QueryValue = string | number | boolean | undefined;

export interface RestResponse<Data = unknown> {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON; text where it is none; undefined where there is no body. */
  readonly data: Data;
}

export interface FailedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: unknown;
}

/** What a vendor's refusal means. */
export interface RestVerdict {
  readonly kind: ServiceError["kind"];
  /** In the vendor's words, or better ones. */
  readonly message?: string;
  readonly code?: string;
  readonly retryAfterMs?: number;
  readonly delivered?: "no" | "maybe";
}

export interface PageOptions<Item> {
  /** The items of a page. */
  items(data: unknown): readonly Item[];
  /** The request for the next page; undefined after the last one. */
  next(response: RestResponse, request: RestRequest): RestRequest | undefined;
  readonly itemsMax: number;
  /** Default 100. */
  readonly pagesMax?: number;
}

/** Part of a path with names in it escaped: path`/repos/${owner}/${repo}`. Refuses names that would leave their place. */
export function path(parts: TemplateStringsArray, ...names: readonly (string | number)[]): string {
  return String.raw({ raw: parts }, ...names.map(pathSegment));
}

function pathSegment(name: string | number): string {
  const text = String(name);
  if (text === "" || text === "." || text === "..")
    throw new ServiceError(`"${text}" cannot be a name here.`, {
      kind: "non_retryable",
      delivered: "no",
    });
  return encodeURIComponent(text);
}

/** A client of one vendor; throws TypeError where the base URL is none. */
export function createRestClient(options: RestClientOptions): RestClient {
  return new RestClient(options);
}

export class RestClient {
  readonly vendor: string;
  readonly limiter: RateLimiter;
  readonly #options: RestClientOptions;
  readonly #base: URL;
  readonly #clock: Clock;

  constructor(options: RestClientOptions) {
    const { vendor, baseUrl, plans = [], concurrentMax, waitMsMax, clock = systemClock } = options;
    this.vendor = vendor;
    this.#options = options;
    this.#base = new URL(baseUrl.endsWith("/") ? baseUrl : `${baseUrl}/`);
    this.#clock = clock;
    this.limiter = new RateLimiter({
      plans,
      clock,
      ...(concurrentMax !== undefined && { concurrentMax }),
      ...(waitMsMax !== undefined && { waitMsMax }),
    });
  }

  /** Sends a request and gives what the vendor answered. Throws ServiceError for every failure, and the signal's reason. */
  async request(request: RestRequest): Promise<RestResponse> {
    const { timeoutMs = 30_000 } = this.#options;
    const limitMs = Math.min(timeoutMs, request.timeoutMs ?? timeoutMs);
    const timer = new AbortController();
    const over = new AbortController();
    // The client's own clock, so that tests need not wait; it ends with the request.
    this.#clock.wait(limitMs, over.signal).then(
      () => timer.abort(),
      () => {},
    );
    const signal = AbortSignal.any([request.signal, timer.signal]);
    const deadlineMs = this.#clock.monotonicMs() + limitMs;
    try {
      return await this.#withRepeats(request, signal, deadlineMs);
    } catch (error) {
      if (timer.signal.aborted && !request.signal.aborted)
        throw new ServiceError(`${this.vendor} did not answer within ${limitMs} ms.`, {
          kind: "timeout",
          cause: error,
        });
      throw error;
    } finally {
      over.abort();
    }
  }

  /** Sends a request whose answer must fit a schema. Throws ServiceError (VENDOR_ANSWER) where it does not. */
  async ask<Schema extends z.ZodType>(
    request: RestRequest,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const { data, status } = await this.request(request);
    const parsed = schema.safeParse(data);
    if (parsed.success) return parsed.data;
    throw new ServiceError(
      `${this.vendor} answered in a form that is not known here: ${issuesText(parsed.error)}.`,
      { kind: "non_retryable", code: "VENDOR_ANSWER", status, cause: parsed.error },
    );
  }

  /** The items of all pages, one after the other, up to `itemsMax`; the next page is fetched when it is needed. */
  async *pages<Item>(first: RestRequest, options: PageOptions<Item>): AsyncGenerator<Item, void> {
    const { itemsMax, pagesMax = 100 } = options;
    let request: RestRequest | undefined = first;
    let given = 0;
    for (let page = 0; request !== undefined && page < pagesMax; page++) {
      const response: RestResponse = await this.request(request);
      for (const item of options.items(response.data)) {
        if (given >= itemsMax) return;
        given++;
        yield item;
      }
      if (given >= itemsMax) return;
      request = options.next(response, request);
    }
  }

  rateStatus(): readonly RateStatus[] {
    return this.limiter.status();
  }

  /** A copy of what the vendor said without the fields that must not be shown. */
  withoutSecrets(data: unknown): unknown {
    return withoutFields(data, this.#options.redact ?? []);
  }

  async #withRepeats(
    request: RestRequest,
    signal: AbortSignal,
    deadlineMs: number,
  ): Promise<RestResponse> {
    const { attemptsMax = 3 } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(request, signal, deadlineMs);
      } catch (error) {
        if (!(error instanceof ServiceError) || signal.aborted) throw error;
        const waitMs =
          attempt < attemptsMax ? this.#repeatAfterMs(error, request, attempt) : undefined;
        if (waitMs === undefined || this.#clock.monotonicMs() + waitMs >= deadlineMs) throw error;
        await this.#clock.wait(waitMs, signal);
      }
    }
  }

  async #attempt(
    request: RestRequest,
    signal: AbortSignal,
    deadlineMs: number,
  ): Promise<RestResponse> {
    const { key = "default", cost } = request;
    const waitMsMax = deadlineMs - this.#clock.monotonicMs();
    const place = await this.limiter.take(key, {
      signal,
      waitMsMax,
      ...(cost !== undefined && { cost }),
    });
    try {
      return await this.#answered(request, key, signal);
    } finally {
      place[Symbol.dispose]();
    }
  }

  async #answered(request: RestRequest, key: string, signal: AbortSignal): Promise<RestResponse> {
    const token = await this.#options.auth?.tokens.get(signal);
    const response = await this.#send(request, token, signal);
    this.limiter.learn(key, rateReadings(response.headers, this.#clock.now()));
    const data = await this.#dataOf(response, signal);
    const answer = { status: response.status, headers: response.headers, data };
    if (response.ok) return answer;
    throw this.#failure(answer, key, token);
  }

  async #send(
    request: RestRequest,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const url = this.#urlOf(request);
    const { method = "GET" } = request;
    const body = bodyOf(request);
    try {
      return await this.#options.fetch(url.href, {
        method,
        headers: this.#headersOf(request, token),
        ...(body !== undefined && { body }),
        signal,
      });
    } catch (error) {
      throw this.#unsent(error, signal);
    }
  }

  #headersOf(request: RestRequest, token: string | undefined): Record<string, string> {
    const { auth, headers, idempotencyHeader } = this.#options;
    const { idempotencyKey } = request;
    const { header = "authorization", prefix = "Bearer " } = auth ?? {};
    const type =
      request.json !== undefined
        ? "application/json"
        : request.form !== undefined
          ? "application/x-www-form-urlencoded"
          : undefined;
    return {
      accept: "application/json",
      ...(type !== undefined && { "content-type": type }),
      ...headers,
      ...(token !== undefined && { [header]: prefix + token }),
      ...(idempotencyHeader !== undefined &&
        idempotencyKey !== undefined && { [idempotencyHeader]: idempotencyKey }),
      ...request.headers,
    };
  }

  // The token must not follow a link to somebody else.
  #urlOf(request: RestRequest): URL {
    const url = this.#parsed(request.path);
    if (url === null || url.origin !== this.#base.origin)
      throw new ServiceError(`${this.vendor} named an address that is not its own.`, {
        kind: "non_retryable",
        delivered: "no",
      });
    for (const [name, value] of Object.entries(request.query ?? {})) {
      const values: readonly QueryValue[] = Array.isArray(value) ? value : [value];
      for (const one of values) if (one !== undefined) url.searchParams.append(name, String(one));
    }
    return url;
  }

  #parsed(place: string): URL | null {
    if (/^https?:\/\//i.test(place)) return URL.parse(place);
    const relative = place.replace(/^\/+/, "");
    if (relative === "" || relative.startsWith("?"))
      return URL.parse(this.#options.baseUrl + relative);
    return URL.parse(`./${relative}`, this.#base.href);
  }

  async #dataOf(response: Response, signal: AbortSignal): Promise<unknown> {
    const { bodyBytesMax = 10 * 1024 * 1024 } = this.#options;
    let bytes: Uint8Array;
    try {
      bytes = await boundedBody(response, bodyBytesMax);
    } catch (error) {
      throw error instanceof ServiceError ? error : this.#unsent(error, signal, "maybe");
    }
    if (bytes.byteLength === 0) return undefined;
    const text = new TextDecoder().decode(bytes);
    const type = response.headers.get("content-type") ?? "";
    if (!/\bjson\b/i.test(type) && !/^\s*[[{]/.test(text)) return text;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  #failure(answer: FailedAnswer, key: string, token: string | undefined): ServiceError {
    const { status, headers, data } = answer;
    const own = this.#options.classify?.(answer);
    const asked = own?.retryAfterMs ?? retryAfterMs(headers.get("retry-after"), this.#clock.now());
    const kind = own?.kind ?? kindOfStatus(status, asked);
    if (status === 401 && token !== undefined) this.#options.auth?.tokens.refuse(token);
    if (kind === "throttled") this.limiter.pause(key, asked ?? throttledMs);
    const said = own?.message ?? messageIn(data);
    const words = said === undefined ? "" : `: ${this.#shown(said)}`;
    return new ServiceError(`${this.vendor} ${verb(kind, status)}${words}`, {
      kind,
      status,
      ...(asked !== undefined && { retryAfterMs: asked }),
      ...(own?.code !== undefined && { code: own.code }),
      ...(own?.delivered !== undefined && { delivered: own.delivered }),
      // A refused token is renewed, and what it was refused for was not done.
      ...(status === 401 && token !== undefined && { delivered: "no" as const }),
    });
  }

  #unsent(error: unknown, signal: AbortSignal, delivered?: "maybe"): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof ServiceError) return error;
    const causes = causesOf(error);
    const code = causes
      .map((one) => Reflect.get(one, "code"))
      .find((one) => typeof one === "string");
    // The gateway's own refusal to go there.
    const refusal = causes.find((one) => Reflect.get(one, "code") === "OUTBOUND_REFUSED");
    if (refusal !== undefined)
      return new ServiceError(this.#shown(refusal.message), {
        kind: "non_retryable",
        delivered: "no",
        code: "OUTBOUND_REFUSED",
        cause: error,
      });
    const never = delivered === undefined && typeof code === "string" && neverSent.has(code);
    const why = this.#shown(causes.at(-1)?.message ?? String(error));
    return new ServiceError(`${this.vendor} could not be reached: ${why}.`, {
      kind: "network",
      delivered: never ? "no" : "maybe",
      cause: error,
    });
  }

  #repeatAfterMs(error: ServiceError, request: RestRequest, attempt: number): number | undefined {
    const renewed = error.status === 401 && error.delivered === "no" && attempt === 1;
    if (error.kind === "non_retryable" && !renewed) return undefined;
    if (error.delivered === "maybe" && !this.#isSafe(request)) return undefined;
    if (renewed) return 0;
    const chance = this.#options.random?.() ?? Math.random();
    const backOffMs = Math.min(backOffFirstMs * 2 ** (attempt - 1), backOffMsMax);
    return Math.max(error.retryAfterMs ?? 0, backOffMs * (0.5 + chance / 2));
  }

  #isSafe({ method = "GET", idempotencyKey, safe }: RestRequest): boolean {
    if (safe !== undefined) return safe;
    if (idempotencyKey !== undefined && this.#options.idempotencyHeader !== undefined) return true;
    return method !== "POST" && method !== "PATCH";
  }

  #shown(text: string): string {
    return masked(text, this.#options.secrets ?? []);
  }
}

function bodyOf({ json, form, body }: RestRequest): string | Uint8Array | FormData | undefined {
  if (json !== undefined) return JSON.stringify(json);
  return form === undefined ? body : new URLSearchParams(form).toString();
}

function kindOfStatus(status: number, asked: number | undefined): ServiceError["kind"] {
  if (status === 429) return "throttled";
  if (status === 408 || status === 504) return "timeout";
  if (status === 503 && asked !== undefined) return "throttled";
  return status >= 500 || status === 425 ? "retryable" : "non_retryable";
}

function verb(kind: ServiceError["kind"], status: number): string {
  if (kind === "throttled") return "asks for fewer requests";
  if (kind === "non_retryable")
    return status >= 300 && status < 400
      ? `redirects (HTTP ${status})`
      : `refused this (HTTP ${status})`;
  return `failed (HTTP ${status})`;
}

// Where vendors put their sentence.
function messageIn(data: unknown): string | undefined {
  if (typeof data === "string") return /^\s*</.test(data) ? undefined : data;
  if (typeof data !== "object" || data === null) return undefined;
  for (const name of [
    "message",
    "Message",
    "error_description",
    "detail",
    "Detail",
    "title",
    "error",
    "errors",
  ]) {
    const said: unknown = Reflect.get(data, name);
    if (typeof said === "string" && said !== "") return said;
    const inner = Array.isArray(said) ? said[0] : said;
    if (typeof inner === "string") return inner;
    const message = typeof inner === "object" && inner !== null ? messageIn(inner) : undefined;
    if (message !== undefined) return message;
  }
  return undefined;
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let one = error; one instanceof Error && causes.length < 5; one = one.cause)
    causes.push(one);
  return causes;
}

/** The connection was not made, so nothing was sent. */
const neverSent: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
const throttledMs = 1_000;
const backOffFirstMs = 250;
const backOffMsMax = 8_000;

/** The address of `rel="next"` in a `Link` header (RFC 8288); undefined where there is none. */
export function nextLink(headers: Headers): string | undefined {
  const link = headers.get("link")?.slice(0, 8_000) ?? "";
  for (const [, address, parameters = ""] of link.matchAll(/<([^<>]*)>((?:;[^,<]*)*)/g))
    if (/;\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?/i.test(parameters)) return address;
  return undefined;
}

/** Up to `max` items of an iterator, and whether there are more. */
export async function takeUpTo<Item>(
  items: AsyncIterable<Item>,
  max: number,
): Promise<{ items: Item[]; more: boolean }> {
  const taken: Item[] = [];
  for await (const item of items) {
    if (taken.length >= max) return { items: taken, more: true };
    taken.push(item);
  }
  return { items: taken, more: false };
}
