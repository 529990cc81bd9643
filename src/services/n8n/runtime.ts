import {
  createRestClient,
  staticToken,
  toolsOf,
  type Clock,
  type FailedAnswer,
  type RestClient,
  type RestVerdict,
  type ServiceContext,
  type ServiceRuntime,
} from "@signalbox/kit";
import type { z } from "zod";
import { N8nMcp } from "./n8n-mcp.ts";
import type { n8nSettings } from "./settings.ts";

/** What every tool has as `context.runtime`. */
export interface N8n extends ServiceRuntime {
  /** The public API, below /api/v1, and the checks of n8n's health. */
  readonly api: RestClient;
  /** Webhooks; without the API's key. */
  readonly web: RestClient;
  /** Where webhooks are. */
  readonly webUrl: string;
  /** Whether something is sent to webhooks that ask for credentials. */
  readonly hasWebhookHeaders: boolean;
  /** n8n's own MCP server, where there is a token for it. */
  readonly mcp: N8nMcp | undefined;
  readonly clock: Clock;
}

/** `defineTool` for this service. */
export const tool = toolsOf<N8n>();

/** The longest that a workflow may be waited for. */
export const runMsMax = 600_000;

/** Called once, before the first call. */
export function connect(
  options: z.output<typeof n8nSettings.options>,
  context: ServiceContext,
): N8n {
  const { api_key = "", mcp_token, timeout: timeoutMs, webhook_headers } = options;
  const baseUrl = withoutApi(options.url ?? "");
  const webUrl = withoutApi(options.webhook_url ?? baseUrl);
  const api = createRestClient({
    ...context,
    vendor: "n8n",
    baseUrl,
    auth: { tokens: staticToken(api_key), header: "x-n8n-api-key", prefix: "" },
    // It has no limit of its own; one process serves the editor and all workflows.
    concurrentMax: 10,
    timeoutMs,
    classify: verdictOf,
  });
  const web = createRestClient({
    ...context,
    vendor: "n8n",
    baseUrl: webUrl,
    headers: webhook_headers,
    timeoutMs: runMsMax,
    attemptsMax: 1,
    bodyBytesMax: 2 * 1024 * 1024,
  });
  const mcp =
    mcp_token === undefined
      ? undefined
      : new N8nMcp(
          createRestClient({
            ...context,
            vendor: "n8n's MCP server",
            baseUrl: options.mcp_url ?? `${baseUrl}/mcp-server/http`,
            auth: { tokens: staticToken(mcp_token) },
            timeoutMs,
          }),
        );
  return {
    api,
    web,
    webUrl,
    hasWebhookHeaders: Object.keys(webhook_headers).length > 0,
    mcp,
    clock: context.clock,
    rateStatus: () => api.rateStatus(),
    health: async (signal) => {
      await api.request({ path: "/healthz/readiness", signal });
      await api.request({ path: "/api/v1/workflows", query: { limit: 1 }, signal });
      return { status: "ok" };
    },
  };
}

/** The address of n8n itself, where that of its API was given. */
function withoutApi(url: string): string {
  return url.replace(/\/+$/, "").replace(/\/api\/v1$/, "");
}

function verdictOf({ status }: FailedAnswer): RestVerdict | undefined {
  if (status === 401)
    return {
      kind: "non_retryable",
      message: "Unauthorized. Check N8N_API_KEY: it may have expired or been deleted.",
      code: "VENDOR_AUTH",
    };
  if (status === 403)
    return {
      kind: "non_retryable",
      message: "Forbidden. The API key has no scope for this: make one that has.",
      code: "VENDOR_AUTH",
    };
  return undefined;
}
