// GitHub's REST API as the tools use it. Beside the limits of an hour GitHub has secondary ones, which it does not count
// for us: points a minute (a read 1, a write 5), and how much may be written in a minute and an hour.
import {
  createRestClient,
  nextLink,
  RateLimiter,
  ServiceError,
  type Clock,
  type RateStatus,
  type RestClient,
  type RestClientOptions,
  type RestRequest,
} from "@signalbox/kit";
import { z } from "zod";

export interface Page<Item> {
  readonly items: Item[];
  /** What to ask for to go on; left out at the end. */
  readonly nextPage?: number;
}

/** Which pages of a list. */
export interface PageInput {
  readonly page: number;
  readonly perPage: number;
  /** How many pages, one after the other. */
  readonly pages: number;
}

/** What a search may count against. */
type Resource = "core" | "search" | "code_search";

export class GithubApi {
  readonly clock: Clock;
  readonly #clients: Readonly<Record<Resource, RestClient>>;
  readonly #secondary: RateLimiter;
  readonly #writes: RateLimiter;

  constructor(options: RestClientOptions & { clock: Clock }) {
    const { clock } = options;
    this.clock = clock;
    const client = (name: Resource, limit: number, windowMs: number): RestClient =>
      createRestClient({ ...options, plans: [{ name, limit, windowMs }] });
    this.#clients = {
      core: client("core", 5_000, 3_600_000),
      search: client("search", 30, 60_000),
      code_search: client("code_search", 10, 60_000),
    };
    this.#secondary = new RateLimiter({
      clock,
      // 900 in any minute.
      plans: [{ name: "points", limit: 600, windowMs: 60_000, burst: 300 }],
      concurrentMax: 50,
    });
    this.#writes = new RateLimiter({
      clock,
      plans: [
        // 80 in any minute, 500 in any hour.
        { name: "minute", limit: 60, windowMs: 60_000, burst: 20 },
        { name: "hour", limit: 400, windowMs: 3_600_000, burst: 100 },
      ],
    });
  }

  /** Asks for something, and for the part of it that a schema names. */
  async ask<Schema extends z.ZodType>(
    request: RestRequest,
    schema: Schema,
    resource: Resource = "core",
  ): Promise<z.output<Schema>> {
    return await this.#counted(request, 1, () => this.#clients[resource].ask(request, schema));
  }

  /** Changes something. Never repeated where it may have been done: GitHub knows no idempotency keys. */
  async change<Schema extends z.ZodType>(
    request: RestRequest,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const write = await this.#writes.take("writes", { signal: request.signal });
    write[Symbol.dispose]();
    return await this.#counted(request, 5, () =>
      this.#clients.core.ask({ safe: false, ...request }, schema),
    );
  }

  /** Pages of a list, by the links GitHub gives; `pick` finds the items of a page. */
  async list<Item>(
    request: RestRequest,
    { page, perPage, pages }: PageInput,
    pick: z.ZodType<readonly Item[]>,
    resource: Resource = "core",
  ): Promise<Page<Item>> {
    const { query, ...rest } = request;
    let next: RestRequest = { ...request, query: { ...query, per_page: perPage, page } };
    const items: Item[] = [];
    for (let read = 1; ; read++) {
      const { link, found } = await this.#page(next, pick, resource);
      items.push(...found);
      if (link === undefined) return { items };
      if (read >= pages) return { items, nextPage: page + read };
      next = { ...rest, path: link };
    }
  }

  rateStatus(): readonly RateStatus[] {
    const counted = Object.entries(this.#clients).flatMap(([resource, client]) =>
      client.rateStatus().map((status) => ({ ...status, key: resource, name: "window" })),
    );
    return [...counted, ...this.#secondary.status(), ...this.#writes.status()];
  }

  async #page<Item>(
    request: RestRequest,
    pick: z.ZodType<readonly Item[]>,
    resource: Resource,
  ): Promise<{ link: string | undefined; found: readonly Item[] }> {
    const { data, headers, status } = await this.#counted(request, 1, () =>
      this.#clients[resource].request(request),
    );
    const parsed = pick.safeParse(data);
    if (parsed.success) return { link: nextLink(headers), found: parsed.data };
    throw new ServiceError(
      `GitHub answered in a form that is not known here: ${z.prettifyError(parsed.error)}.`,
      { kind: "non_retryable", code: "VENDOR_ANSWER", status, cause: parsed.error },
    );
  }

  async #counted<Answer>(
    { signal }: RestRequest,
    cost: number,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    const place = await this.#secondary.take("secondary", { signal, cost });
    try {
      return await ask();
    } finally {
      place[Symbol.dispose]();
    }
  }
}

/** What is left of a failed request where nobody knows whether it was carried out: looks whether what it was to make is there. */
export async function orFound<Made>(
  make: () => Promise<Made>,
  find: () => Promise<Made | undefined>,
): Promise<Made> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof ServiceError) || !uncertain(error)) throw error;
    const found = await find().catch(() => undefined);
    if (found === undefined) throw error;
    return found;
  }
}

function uncertain({ kind, delivered }: ServiceError): boolean {
  return delivered === "maybe" && kind !== "non_retryable";
}
