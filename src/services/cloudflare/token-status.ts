import { ServiceError, path } from "@signalbox/kit";
import { z } from "zod";
import type { CloudflareApi } from "./cloudflare-api.ts";

const verified = z.object({
  id: z.string(),
  status: z.string(),
  expires_on: z.string().nullish(),
  not_before: z.string().nullish(),
});

/** What Cloudflare says of the credentials; the global key has no status of its own, so that a list is asked for with it. */
export async function verifiedToken(
  api: CloudflareApi,
  withToken: boolean,
  signal: AbortSignal,
): Promise<{ kind: "token" | "global_key"; status: string; id?: string; expiresAt?: string }> {
  if (!withToken) {
    await api.ask({ path: "/accounts", query: { page: 1, per_page: 5 }, signal }, z.unknown());
    return { kind: "global_key", status: "active" };
  }
  const { id, status, expires_on } = await verifiedAnywhere(api, signal);
  return {
    kind: "token",
    status,
    id,
    ...(typeof expires_on === "string" && { expiresAt: expires_on }),
  };
}

// A token belongs to a user or to an account, and each knows only its own.
async function verifiedAnywhere(
  api: CloudflareApi,
  signal: AbortSignal,
): Promise<z.output<typeof verified>> {
  const { account } = api;
  try {
    return await api.ask({ path: "/user/tokens/verify", signal }, verified);
  } catch (error) {
    const unknown = error instanceof ServiceError && error.status === 401;
    if (!unknown || account === undefined) throw error;
    return await api.ask({ path: path`/accounts/${account}/tokens/verify`, signal }, verified);
  }
}
