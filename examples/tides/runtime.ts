import {
  createRestClient,
  staticToken,
  toolsOf,
  type RestClient,
  type ServiceContext,
  type ServiceRuntime,
} from "@signalbox/kit";
import type { z } from "zod";
import type { tidesSettings } from "./settings.ts";

/** What every tool has as `context.runtime`. */
export interface Tides extends ServiceRuntime {
  readonly api: RestClient;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Tides>();

/** Called once, before the first call. */
export function connect(
  { url, api_key = "", timeout }: z.output<typeof tidesSettings.options>,
  context: ServiceContext,
): Tides {
  const api = createRestClient({
    ...context,
    vendor: "Tides",
    baseUrl: url,
    auth: { tokens: staticToken(api_key) },
    // As the vendor's documentation has it; what its answers say corrects it.
    plans: [{ name: "minute", limit: 60, windowMs: 60_000 }],
    timeoutMs: timeout,
    idempotencyHeader: "idempotency-key",
  });
  return {
    api,
    rateStatus: () => api.rateStatus(),
    health: async (signal) => {
      await api.request({ path: "/v1/ping", signal });
      return { status: "ok" };
    },
  };
}
