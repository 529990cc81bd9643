// Cloudflare's answers stand in an envelope, `{ success, errors, messages, result, result_info }`, and one with HTTP 200 may
// be a failure. A zone is named by people and by an id in addresses; an account is often the only one there is.
import {
  ServiceError,
  ToolError,
  createRestClient,
  staticToken,
  type Clock,
  type FailedAnswer,
  type RestClient,
  type RestRequest,
  type RestVerdict,
  type ServiceContext,
} from "@signalbox/kit";
import { z } from "zod";

export interface CloudflareApiOptions {
  readonly rest: RestClient;
  readonly clock: Clock;
  readonly accountId: string | undefined;
  readonly zoneId: string | undefined;
}

const said = z.object({ code: z.number().optional(), message: z.string() });
const envelope = z.object({
  success: z.boolean(),
  errors: z.array(said).nullish(),
  result: z.unknown(),
  result_info: z
    .object({
      page: z.number().optional(),
      total_pages: z.number().optional(),
      total_count: z.number().optional(),
      count: z.number().optional(),
      per_page: z.number().optional(),
    })
    .nullish(),
});

/** A page of results, and how many there are in all where that is said. */
export interface Page<Item> {
  readonly items: Item[];
  readonly page: number;
  readonly total: number | undefined;
  readonly more: boolean;
}

export class CloudflareApi {
  readonly rest: RestClient;
  readonly #options: CloudflareApiOptions;
  readonly #zones = new Map<string, { readonly id: string; readonly atMs: number }>();
  #account: string | undefined;

  constructor(options: CloudflareApiOptions) {
    this.rest = options.rest;
    this.#options = options;
    this.#account = options.accountId;
  }

  /** The result in an answer; throws ServiceError for failures, those of HTTP 200 too. */
  async ask<Schema extends z.ZodType>(
    request: RestRequest,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    return (await this.#opened(request, schema)).result;
  }

  /** One page of a list. */
  async page<Item extends z.ZodType>(
    request: RestRequest & { readonly query: { readonly page: number; readonly per_page: number } },
    item: Item,
  ): Promise<Page<z.output<Item>>> {
    const { result: items, info } = await this.#opened(request, z.array(item));
    const { page, per_page } = request.query;
    const total = info?.total_count;
    const pages = info?.total_pages ?? (total === undefined ? undefined : total / per_page);
    return {
      items,
      page,
      total,
      more: pages === undefined ? items.length >= per_page : page < pages,
    };
  }

  /** The id of a zone that is named by its id or its name; the configured one where none is named. */
  async zoneId(zone: string | undefined, signal: AbortSignal): Promise<string> {
    const named = zone ?? this.#options.zoneId;
    if (named === undefined)
      throw new ToolError("Say which zone: its name, such as example.com, or its id.", {
        code: "ARGUMENTS_INVALID",
      });
    if (/^[0-9a-f]{32}$/.test(named)) return named;
    const name = named.toLowerCase().replace(/\.$/, "");
    const known = this.#zones.get(name);
    const nowMs = this.#options.clock.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < zoneKnownMs) return known.id;
    const [found] = await this.ask(
      { path: "/zones", query: { name }, signal },
      z.array(z.object({ id: z.string() })),
    );
    if (found === undefined)
      throw new ToolError(`There is no zone "${name}" here. zones_list names them.`, {
        code: "NOT_FOUND",
      });
    if (this.#zones.size >= zonesKnownMax) this.#zones.clear();
    this.#zones.set(name, { id: found.id, atMs: nowMs });
    return found.id;
  }

  forgetZones(): void {
    this.#zones.clear();
  }

  /** The account that is configured, or was found. */
  get account(): string | undefined {
    return this.#account;
  }

  /** The account that is configured, else the only one there is. */
  async accountId(signal: AbortSignal): Promise<string> {
    if (this.#account !== undefined) return this.#account;
    const accounts = await this.ask(
      { path: "/accounts", query: { page: 1, per_page: 5 }, signal },
      z.array(z.object({ id: z.string() })),
    );
    const [only] = accounts;
    if (only === undefined || accounts.length > 1)
      throw new ToolError(
        `Set CLOUDFLARE_ACCOUNT_ID: the credentials see ${accounts.length === 0 ? "no account" : "several accounts"}.`,
        { code: "CLOUDFLARE_ACCOUNT_NEEDED" },
      );
    this.#account = only.id;
    return only.id;
  }

  async #opened<Schema extends z.ZodType>(request: RestRequest, schema: Schema) {
    const { data, status } = await this.rest.request(request);
    const opened = envelope.safeParse(data);
    if (opened.success && !opened.data.success) throw failureIn(opened.data.errors ?? [], status);
    const result = schema.safeParse(opened.data?.result);
    if (opened.success && result.success)
      return { result: result.data, info: opened.data.result_info };
    const [issue] = (result.error ?? opened.error)?.issues ?? [];
    throw new ServiceError(
      `Cloudflare answered in a form that is not known here: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
      { kind: "non_retryable", code: "VENDOR_ANSWER", status },
    );
  }
}

/** The client for one of Cloudflare's places; with a token, or a global key and its e-mail address. */
export function cloudflareRest(
  credentials: {
    readonly api_token?: string | undefined;
    readonly email?: string | undefined;
    readonly api_key?: string | undefined;
  },
  context: ServiceContext,
  options: { baseUrl: string; limit: number; timeoutMs: number },
): RestClient {
  const { api_token, email = "", api_key } = credentials;
  return createRestClient({
    ...context,
    vendor: "Cloudflare",
    baseUrl: options.baseUrl,
    ...(api_token !== undefined
      ? { auth: { tokens: staticToken(api_token) } }
      : api_key !== undefined && { headers: { "x-auth-email": email, "x-auth-key": api_key } }),
    plans: [{ name: "default", limit: options.limit, windowMs: 300_000 }],
    // With this many under way, 200 a second from one address are not reached.
    concurrentMax: 20,
    timeoutMs: options.timeoutMs,
    classify: verdictOf,
  });
}

function verdictOf({ status, headers, data }: FailedAnswer): RestVerdict | undefined {
  const errors = envelope.shape.errors.safeParse(
    typeof data === "object" && data !== null ? Reflect.get(data, "errors") : undefined,
  );
  const first = errors.data?.[0];
  if (status === 429)
    return {
      kind: "throttled",
      ...(first !== undefined && { message: first.message }),
      // Who goes beyond the limit is kept out for five minutes.
      ...(!headers.has("retry-after") && { retryAfterMs: 300_000 }),
    };
  if (first === undefined || status >= 500 || status === 408) return undefined;
  const { message, code } = wordsOf(errors.data ?? [], status);
  return { kind: "non_retryable", message, ...(code !== undefined && { code }) };
}

function failureIn(errors: readonly z.output<typeof said>[], status: number): ServiceError {
  const { message, code } = wordsOf(errors, status);
  return new ServiceError(`Cloudflare refused this: ${message}`, {
    kind: "non_retryable",
    status,
    ...(code !== undefined && { code }),
  });
}

function wordsOf(
  errors: readonly z.output<typeof said>[],
  status: number,
): { message: string; code: string | undefined } {
  const words = errors.slice(0, 5).map(({ code, message }) => {
    const number = code === undefined ? "" : ` (${code})`;
    return `${message}${number}`;
  });
  const code = errors.map((error) => codes.get(error.code ?? 0)).find((one) => one !== undefined);
  const known = code ?? (status === 404 ? "NOT_FOUND" : undefined);
  const advice =
    known === "VENDOR_AUTH" || status === 401 || status === 403
      ? ". Check the token and its permissions: verify_token tells whether it is active"
      : "";
  return { message: (words.join("; ") || "it gave no reason") + advice, code: known };
}

// As api.cloudflare.com numbers them.
const codes: ReadonlyMap<number, string> = new Map([
  [1000, "VENDOR_AUTH"],
  [6003, "VENDOR_AUTH"],
  [6111, "VENDOR_AUTH"],
  [9109, "VENDOR_AUTH"],
  [10000, "VENDOR_AUTH"],
  [81053, "CLOUDFLARE_RECORD_CONFLICT"],
  [81057, "CLOUDFLARE_RECORD_EXISTS"],
  [81058, "CLOUDFLARE_RECORD_EXISTS"],
  [81044, "NOT_FOUND"],
  [10003, "NOT_FOUND"],
]);

const zoneKnownMs = 600_000;
const zonesKnownMax = 1000;
