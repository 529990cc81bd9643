// GraphQL over a RestClient: errors stand in an answer of HTTP 200, and so may what is left of the vendor's limit.
import { ServiceError } from "../service-error.ts";
import type { RateStatus } from "../service.ts";
import { costReading } from "./rate-headers.ts";
import type { RestClient } from "./rest-client.ts";

export interface GraphqlClientOptions {
  /** Tokens, limits and deadlines are its own. */
  readonly rest: RestClient;
  /** Below the client's base URL; default "". */
  readonly path?: string;
  /** Attempts in all of a query that the vendor asks to wait for; default 3. */
  readonly attemptsMax?: number;
  /** What a vendor's error means, where its code does not tell; undefined leaves it to that. */
  classify?(error: GraphqlError): "throttled" | "retryable" | "non_retryable" | undefined;
}

export interface GraphqlError {
  readonly message: string;
  readonly path?: unknown;
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface GraphqlRequest {
  readonly document: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Of the document's operations; needed where it has several. */
  readonly operationName?: string;
  readonly signal: AbortSignal;
  /** What it will probably cost of the vendor's points; default 1. */
  readonly cost?: number;
  readonly key?: string;
  /** Whether it may be done twice; default: a query may, a mutation may not. */
  readonly safe?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A connection's page, as Relay has it. */
export interface Connection<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor?: string | null };
}

export class GraphqlClient {
  readonly #options: GraphqlClientOptions;

  constructor(options: GraphqlClientOptions) {
    this.#options = options;
  }

  /** The answer's `data`. Throws ServiceError where there are errors, and the signal's reason. */
  async query(request: GraphqlRequest): Promise<Record<string, unknown>> {
    const { rest, attemptsMax = 3 } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#send(request);
      const { key = "default" } = request;
      const reading = costReading(answer.extensions);
      if (reading !== undefined) rest.limiter.learn(key, [reading]);
      const failed = this.#failure(answer, request);
      if (failed === undefined) return answer.data ?? {};
      if (failed.kind !== "throttled" || attempt >= attemptsMax) throw failed;
      // It was not done: the limiter holds the next attempt back as long as the vendor needs.
      rest.limiter.pause(key, failed.retryAfterMs ?? 1_000);
    }
  }

  /** The nodes of all pages of a connection, up to `itemsMax`; `$after` of the document takes the cursor. */
  async *pages<Node>(
    request: GraphqlRequest,
    options: {
      connection(data: Record<string, unknown>): Connection<Node>;
      readonly itemsMax: number;
      readonly pagesMax?: number;
    },
  ): AsyncGenerator<Node, void> {
    const { itemsMax, pagesMax = 100 } = options;
    let after: string | null | undefined;
    let given = 0;
    for (let page = 0; page < pagesMax; page++) {
      const variables = { ...request.variables, ...(typeof after === "string" && { after }) };
      const { nodes, pageInfo } = options.connection(await this.query({ ...request, variables }));
      for (const node of nodes) {
        if (given >= itemsMax) return;
        given++;
        yield node;
      }
      after = pageInfo.endCursor;
      if (!pageInfo.hasNextPage || typeof after !== "string" || given >= itemsMax) return;
    }
  }

  rateStatus(): readonly RateStatus[] {
    return this.#options.rest.rateStatus();
  }

  async #send(request: GraphqlRequest): Promise<Answer> {
    const { rest, path = "" } = this.#options;
    const { document, variables, operationName, signal, cost, key, headers } = request;
    const { data, status } = await rest.request({
      method: "POST",
      path,
      json: {
        query: document,
        ...(variables !== undefined && { variables }),
        ...(operationName !== undefined && { operationName }),
      },
      safe: request.safe ?? !/^\s*(?:#[^\n]*\n\s*)*mutation\b/.test(document),
      signal,
      ...(cost !== undefined && { cost }),
      ...(key !== undefined && { key }),
      ...(headers !== undefined && { headers }),
    });
    if (isAnswer(data)) return data;
    throw new ServiceError(`${rest.vendor} answered something that is not GraphQL.`, {
      kind: "retryable",
      code: "VENDOR_ANSWER",
      status,
    });
  }

  #failure({ errors, extensions }: Answer, request: GraphqlRequest): ServiceError | undefined {
    const [first] = errors ?? [];
    if (!errors || first === undefined) return undefined;
    const { rest } = this.#options;
    const kind = this.#options.classify?.(first) ?? kindOf(first);
    if (kind === "throttled")
      return new ServiceError(`${rest.vendor} asks for fewer requests: ${first.message}`, {
        kind,
        retryAfterMs: restoredMs(extensions, request.cost),
      });
    const sentences = errors.slice(0, 5).map(({ message }) => message.slice(0, 300));
    return new ServiceError(`${rest.vendor} refused this: ${sentences.join("; ")}`, { kind });
  }
}

interface Answer {
  readonly data?: Record<string, unknown> | null;
  /** Some vendors send null where there are none. */
  readonly errors?: readonly GraphqlError[] | null;
  readonly extensions?: unknown;
}

function isAnswer(data: unknown): data is Answer {
  if (typeof data !== "object" || data === null) return false;
  const errors: unknown = Reflect.get(data, "errors") ?? undefined;
  if (errors !== undefined && !(Array.isArray(errors) && errors.every(isError))) return false;
  return "data" in data || errors !== undefined;
}

function isError(error: unknown): error is GraphqlError {
  return (
    typeof error === "object" && error !== null && typeof Reflect.get(error, "message") === "string"
  );
}

function kindOf({ extensions }: GraphqlError): "throttled" | "retryable" | "non_retryable" {
  const said = extensions?.["code"];
  const code = typeof said === "string" ? said.toUpperCase() : "";
  if (code === "THROTTLED" || code === "RATE_LIMITED" || code === "TOO_MANY_REQUESTS")
    return "throttled";
  return code === "INTERNAL_SERVER_ERROR" || code === "SERVICE_UNAVAILABLE"
    ? "retryable"
    : "non_retryable";
}

// Until the points it asked for are there again.
function restoredMs(extensions: unknown, cost = 1): number {
  const reading = costReading(extensions);
  if (reading?.perSecond === undefined || reading.remaining === undefined) return 1_000;
  const asked = requestedCost(extensions) ?? cost;
  return Math.max(100, Math.ceil(((asked - reading.remaining) / reading.perSecond) * 1000));
}

function requestedCost(extensions: unknown): number | undefined {
  const cost: unknown =
    typeof extensions === "object" && extensions !== null
      ? Reflect.get(extensions, "cost")
      : undefined;
  const asked: unknown =
    typeof cost === "object" && cost !== null ? Reflect.get(cost, "requestedQueryCost") : undefined;
  return typeof asked === "number" ? asked : undefined;
}
