import {
  ToolError,
  createRestClient,
  staticToken,
  toolsOf,
  type Clock,
  type FailedAnswer,
  type RestVerdict,
  type ServiceContext,
  type ServiceRuntime,
} from "@signalbox/kit";
import type { z } from "zod";
import type { Scope } from "./memory.ts";
import { platformStore } from "./platform-store.ts";
import { serverStore } from "./server-store.ts";
import { dialectOf, type mem0Settings } from "./settings.ts";
import type { Store } from "./store.ts";

/** What every tool has as `context.runtime`. */
export interface Mem0 extends ServiceRuntime {
  readonly store: Store;
  readonly clock: Clock;
  readonly dialect: "platform" | "server";
}

/** `defineTool` for this service. */
export const tool = toolsOf<Mem0>();

/** Called once, before the first call. */
export function connect(
  { api_key, url, dialect: chosen, timeout, events_timeout }: z.output<typeof mem0Settings.options>,
  context: ServiceContext,
): Mem0 {
  const dialect = dialectOf({ url, dialect: chosen });
  const platform = dialect === "platform";
  const api = createRestClient({
    ...context,
    vendor: "Mem0",
    baseUrl: url,
    ...(api_key !== undefined && {
      auth: platform
        ? { tokens: staticToken(api_key), prefix: "Token " }
        : { tokens: staticToken(api_key), header: "x-api-key", prefix: "" },
    }),
    timeoutMs: timeout,
    classify,
  });
  const { clock } = context;
  const store = platform
    ? platformStore(api, { clock, eventsTimeoutMs: events_timeout })
    : serverStore(api);
  return {
    store,
    clock,
    dialect,
    rateStatus: () => api.rateStatus(),
    health: async (signal) => {
      await store.ping(signal);
      return { status: "ok" };
    },
  };
}

function classify({ status }: FailedAnswer): RestVerdict | undefined {
  if (status === 401)
    return {
      kind: "non_retryable",
      message: "the API key is not valid; set another as MEM0_API_KEY",
      code: "VENDOR_AUTH",
    };
  return status === 404
    ? {
        kind: "non_retryable",
        message: "there is no such memory; list names them",
        code: "NOT_FOUND",
      }
    : undefined;
}

/** The scope; throws ToolError where nobody is named: Mem0 would take that for everybody. */
export function scopeOf({ userId, agentId, runId }: Scope): Scope {
  if ((userId ?? agentId ?? runId) !== undefined) return { userId, agentId, runId };
  throw new ToolError("Whose memories? Give userId, agentId or runId.", {
    code: "ARGUMENTS_INVALID",
  });
}
