// The analytics by GraphQL. Their answers have `errors: null` where nothing is wrong, and say with HTTP 200 that the budget is
// used up.
import { ServiceError, type RestClient } from "@signalbox/kit";
import { z } from "zod";

export interface AnalyticsQuery<Schema extends z.ZodType> {
  readonly document: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** What the answer's `data` must be. */
  readonly schema: Schema;
  readonly signal: AbortSignal;
}

const answer = z.object({
  data: z.unknown(),
  errors: z.array(z.object({ message: z.string() })).nullish(),
});

export class Analytics {
  readonly rest: RestClient;

  constructor(rest: RestClient) {
    this.rest = rest;
  }

  /** The answer's `data`; throws ServiceError where there are errors, or it does not fit. */
  async query<Schema extends z.ZodType>(query: AnalyticsQuery<Schema>): Promise<z.output<Schema>> {
    const { document, variables, schema, signal } = query;
    const json = { query: document, variables };
    const { data, errors } = await this.rest.ask(
      { method: "POST", path: "/graphql", json, safe: true, signal },
      answer,
    );
    if (errors !== undefined && errors !== null && errors.length > 0)
      throw this.#failure(errors.map(({ message }) => message.slice(0, 300)).slice(0, 5));
    const parsed = schema.safeParse(data);
    if (parsed.success) return parsed.data;
    throw new ServiceError("Cloudflare's analytics answered in a form that is not known here.", {
      kind: "non_retryable",
      code: "VENDOR_ANSWER",
      cause: parsed.error,
    });
  }

  #failure(messages: readonly string[]): ServiceError {
    const words = messages.join("; ");
    if (!/budget depleted|rate limit/i.test(words))
      return new ServiceError(`Cloudflare's analytics refused this: ${words}`, {
        kind: "non_retryable",
      });
    this.rest.limiter.pause("default", budgetWaitMs);
    return new ServiceError(
      `Cloudflare's analytics ask for fewer queries: ${words}. Try again in five minutes.`,
      { kind: "throttled", retryAfterMs: budgetWaitMs },
    );
  }
}

/** The budget is for five minutes. */
const budgetWaitMs = 300_000;
