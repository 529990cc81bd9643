import {
  ToolError,
  createRestClient,
  staticToken,
  toolsOf,
  type Clock,
  type FailedAnswer,
  type RestClient,
  type RestVerdict,
  type ServiceContext,
  type ServiceRuntime,
  type TokenProvider,
} from "@signalbox/kit";
import { Databases } from "./databases.ts";
import type { NeonOptions } from "./settings.ts";
import { SqlClient } from "./sql-client.ts";

/** What every tool has as `context.runtime`. */
export interface Neon extends ServiceRuntime {
  readonly api: RestClient;
  readonly sql: SqlClient;
  readonly databases: Databases;
  readonly clock: Clock;
  readonly options: NeonOptions;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Neon>();

/** Called once, before the first call. */
export function connect(options: NeonOptions, context: ServiceContext): Neon {
  const { api_key, api_url, timeout } = options;
  const api = createRestClient({
    ...context,
    vendor: "Neon",
    baseUrl: api_url,
    auth: { tokens: api_key === undefined ? noKey : staticToken(api_key) },
    plans: [{ name: "minute", limit: 700, windowMs: 60_000, burst: 40 }],
    timeoutMs: timeout,
    // A lock is held while another operation of the project runs, often for some seconds.
    attemptsMax: 7,
    redact: ["password", "connection_uri", "connection_uris", "uri", "key"],
    classify,
  });
  const databases = new Databases(api, options, context.clock);
  const sql = new SqlClient(databases, options, context);
  return {
    api,
    sql,
    databases,
    clock: context.clock,
    options,
    rateStatus: () => [...api.rateStatus(), ...sql.rateStatus()],
    health: async (signal) => {
      if (api_key === undefined) await sql.run({}, ["select 1"], { readOnly: true, signal });
      else await api.request({ path: "/projects", query: { limit: 1 }, signal });
      return { status: "ok" };
    },
    close: () => {
      databases.forgetAll();
      return Promise.resolve();
    },
  };
}

const noKey: TokenProvider = {
  get: () =>
    Promise.reject(
      new ToolError(
        "Neon's API needs a key, and only a database's address is set. Set NEON_API_KEY.",
        { code: "SERVICE_NOT_CONFIGURED" },
      ),
    ),
  refuse: () => {},
};

// 423: another operation of the project is under way, and this one was not begun.
function classify({ status, data }: FailedAnswer): RestVerdict | undefined {
  if (status === 423) return { kind: "retryable", delivered: "no", code: "PROJECT_LOCKED" };
  if (status === 401)
    return {
      kind: "non_retryable",
      message: "the API key is not valid; set another as NEON_API_KEY",
      code: "VENDOR_AUTH",
    };
  if (status === 404) return { kind: "non_retryable", code: "NOT_FOUND", ...said(data) };
  return undefined;
}

function said(data: unknown): { message?: string } {
  const message: unknown =
    typeof data === "object" && data !== null ? Reflect.get(data, "message") : undefined;
  return typeof message === "string" && message !== "" ? { message } : {};
}
