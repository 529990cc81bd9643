// SQL over Neon's HTTP endpoint, as its serverless driver speaks it: one statement for each query, several of them in one
// transaction. Reading happens in a transaction that PostgreSQL itself keeps from writing.
import {
  ServiceError,
  ToolError,
  createRestClient,
  type FailedAnswer,
  type RateStatus,
  type RestClient,
  type RestVerdict,
  type ServiceContext,
} from "@signalbox/kit";
import { z } from "zod";
import type { Databases } from "./databases.ts";
import type { Place } from "./place.ts";
import type { NeonOptions } from "./settings.ts";
import { assertNoTransactionControl } from "./statement.ts";

/** One statement, `$1` to `$n` standing for its parameters. */
export type Statement = string | { readonly sql: string; readonly params?: readonly unknown[] };

export interface SqlOptions {
  readonly readOnly: boolean;
  readonly isolation?: "ReadCommitted" | "RepeatableRead" | "Serializable";
  readonly signal: AbortSignal;
}

const result = z.object({
  fields: z.array(z.object({ name: z.string(), dataTypeID: z.number().optional() })).default([]),
  rows: z.array(z.record(z.string(), z.unknown())).default([]),
  rowCount: z.number().nullish(),
  command: z.string().nullish(),
});

export type SqlResult = z.output<typeof result>;

export class SqlClient {
  readonly #databases: Databases;
  readonly #options: NeonOptions;
  readonly #context: ServiceContext;
  /** For each host; the oldest is forgotten. */
  readonly #clients = new Map<string, RestClient>();

  constructor(databases: Databases, options: NeonOptions, context: ServiceContext) {
    this.#databases = databases;
    this.#options = options;
    this.#context = context;
  }

  /** Runs the statements in one transaction: all of them or none. Throws ServiceError (SQL_FAILED) and ToolError. */
  async run(
    place: Place,
    statements: readonly Statement[],
    options: SqlOptions,
  ): Promise<SqlResult[]> {
    const queries = statements.map(queryOf);
    for (const { query } of queries) assertNoTransactionControl(query);
    const uri = await this.#databases.addressOf(place, options.signal);
    try {
      return await this.#send(uri, queries, options);
    } catch (error) {
      // The password may have been changed since it was asked for; nothing was done with the old one.
      const stale = error instanceof ServiceError && error.code === "SQL_LOGIN";
      if (!stale || !this.#databases.forget(uri)) throw error;
      const anew = await this.#databases.addressOf(place, options.signal);
      return await this.#send(anew, queries, options);
    }
  }

  rateStatus(): RateStatus[] {
    return [...this.#clients.values()].flatMap((client) => client.rateStatus());
  }

  async #send(
    uri: string,
    queries: readonly Query[],
    { readOnly, isolation, signal }: SqlOptions,
  ): Promise<SqlResult[]> {
    const { results } = await this.#clientOf(uri).ask(
      {
        method: "POST",
        path: "",
        json: { queries },
        headers: {
          "neon-connection-string": uri,
          "neon-batch-read-only": String(readOnly),
          ...(isolation !== undefined && { "neon-batch-isolation-level": isolation }),
        },
        safe: readOnly,
        signal,
      },
      z.object({ results: z.array(result) }),
    );
    if (results.length === queries.length) return results;
    throw new ServiceError("Neon answered fewer results than there were statements.", {
      kind: "non_retryable",
      code: "VENDOR_ANSWER",
    });
  }

  #clientOf(uri: string): RestClient {
    const known = this.#clients.get(uri);
    if (known !== undefined) return known;
    const [oldest] = this.#clients.keys();
    if (this.#clients.size >= clientsMax && oldest !== undefined) this.#clients.delete(oldest);
    const { password, hostname } = new URL(uri);
    const { secrets } = this.#context;
    const made = createRestClient({
      ...this.#context,
      vendor: "The database",
      baseUrl: this.#options.sql_url ?? sqlUrlOf(hostname),
      timeoutMs: this.#options.timeout,
      concurrentMax: this.#options.max_connections,
      secrets: [
        ...secrets,
        uri,
        ...(password === "" ? [] : [password, decodeURIComponent(password)]),
      ],
      classify,
    });
    this.#clients.set(uri, made);
    return made;
  }
}

const clientsMax = 100;

/** As Neon's driver has it: `ep-x.eu.aws.neon.tech` is asked at `api.eu.aws.neon.tech/sql`. */
function sqlUrlOf(host: string): string {
  return `https://${host.replace(/^[^.]+\./, "api.")}/sql`;
}

interface Query {
  readonly query: string;
  readonly params: readonly (string | null)[];
}

function queryOf(statement: Statement): Query {
  const { sql, params = [] } = typeof statement === "string" ? { sql: statement } : statement;
  return { query: sql, params: params.map(parameterText) };
}

/** Parameters go as text, which PostgreSQL reads by the type it expects; objects and lists as JSON. */
function parameterText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}

const sqlFailure = z.object({
  message: z.string(),
  code: z.string().regex(/^[0-9A-Z]{5}$/),
  detail: z.string().nullish(),
  hint: z.string().nullish(),
  position: z.string().nullish(),
});

function classify({ data }: FailedAnswer): RestVerdict | undefined {
  const { data: failure } = sqlFailure.safeParse(data);
  if (failure === undefined) return undefined;
  const message = sentenceOf(failure);
  // The transaction was rolled back because of others: again, and it may go through.
  if (failure.code === "40001" || failure.code === "40P01")
    return { kind: "retryable", delivered: "no", message, code: "SQL_CONFLICT" };
  if (failure.code.startsWith("28"))
    return { kind: "non_retryable", delivered: "no", message, code: "SQL_LOGIN" };
  return { kind: "non_retryable", delivered: "no", message, code: "SQL_FAILED" };
}

function sentenceOf({
  message,
  code,
  detail,
  hint,
  position,
}: z.output<typeof sqlFailure>): string {
  const parts = [
    message,
    detail ?? "",
    hint ?? "",
    position === null || position === undefined ? "" : `at character ${position}`,
    code === readOnlyCode ? "this transaction only reads; run_sql with readOnly false writes" : "",
    `SQLSTATE ${code}`,
  ];
  return parts.filter((part) => part !== "").join("; ");
}

const readOnlyCode = "25006";

/** The only result of a single statement. */
export function onlyResult([first]: readonly SqlResult[]): SqlResult {
  if (first !== undefined) return first;
  throw new ToolError("The database gave no result.", { code: "VENDOR_ANSWER" });
}
