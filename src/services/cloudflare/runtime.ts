import {
  toolsOf,
  type Clock,
  type RestClient,
  type ServiceContext,
  type ServiceRuntime,
} from "@signalbox/kit";
import type { z } from "zod";
import { Analytics } from "./analytics.ts";
import { CloudflareApi, cloudflareRest } from "./cloudflare-api.ts";
import { verifiedToken } from "./token-status.ts";
import { VideoUploads } from "./video-uploads.ts";
import type { cloudflareSettings } from "./settings.ts";

/** What every tool has as `context.runtime`. */
export interface Cloudflare extends ServiceRuntime {
  readonly api: CloudflareApi;
  readonly analytics: Analytics;
  readonly uploads: VideoUploads;
  readonly clock: Clock;
  /** Whether a token is used rather than the global key. */
  readonly withToken: boolean;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Cloudflare>();

/** Called once, before the first call. */
export function connect(
  options: z.output<typeof cloudflareSettings.options>,
  context: ServiceContext,
): Cloudflare {
  const { url: baseUrl, timeout: timeoutMs } = options;
  const { clock } = context;
  const rest = cloudflareRest(options, context, { baseUrl, limit: 1200, timeoutMs });
  // The analytics count for themselves, by what a query costs.
  const analyticsRest = cloudflareRest(options, context, { baseUrl, limit: 320, timeoutMs });
  const api = new CloudflareApi({
    rest,
    clock,
    accountId: options.account_id,
    zoneId: options.zone_id,
  });
  const uploads = new VideoUploads({
    api,
    clock,
    dirs: options.upload_dirs,
    chunkBytes: options.upload_chunk_bytes,
    place: (origin, trusted) => uploadRest(origin, trusted, options, context),
    baseUrl,
  });
  const withToken = options.api_token !== undefined;
  return {
    api,
    analytics: new Analytics(analyticsRest),
    uploads,
    clock,
    withToken,
    rateStatus: () => [
      ...rest.rateStatus(),
      ...analyticsRest.rateStatus().map((status) => ({ ...status, key: "analytics" })),
    ],
    health: async (signal) => {
      const { status } = await verifiedToken(api, withToken, signal);
      return status === "active"
        ? { status: "ok" }
        : { status: "down", message: `The API token is ${status}.` };
    },
  };
}

function uploadRest(
  baseUrl: string,
  trusted: boolean,
  options: z.output<typeof cloudflareSettings.options>,
  context: ServiceContext,
): RestClient {
  return cloudflareRest(trusted ? options : {}, context, {
    baseUrl,
    limit: 1200,
    timeoutMs: options.upload_timeout,
  });
}
