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
  const { id, status, expires_on } = await api.ask(
    { path: "/user/tokens/verify", signal },
    verified,
  );
  return {
    kind: "token",
    status,
    id,
    ...(typeof expires_on === "string" && { expiresAt: expires_on }),
  };
}
