import { z } from "zod";
import type { ApiClient } from "./api-client.ts";
import { keyView } from "./api-shapes.ts";
import type { KeyView } from "./api-shapes.ts";

export interface NewKey {
  name: string;
  role: string;
  bundles: readonly string[] | "all";
  project?: string | undefined;
  /** Rules that narrow the role, as the API takes them. */
  rules?: readonly object[];
  lifetimeMs?: number | undefined;
}

const createdKey = z.looseObject({ key: z.string(), record: keyView });

/** Creates a key; the answer is the only time its secret is seen. */
export async function createKey(
  api: ApiClient,
  wanted: NewKey,
): Promise<{ key: string; record: KeyView }> {
  const { name, role, bundles, project, rules = [], lifetimeMs } = wanted;
  const body = {
    name,
    role,
    bundles,
    ...(project === undefined ? {} : { project }),
    ...(rules.length === 0 ? {} : { rules }),
    ...(lifetimeMs === undefined ? {} : { expiresAt: Date.now() + lifetimeMs }),
  };
  return await api.post("/api/keys", body, createdKey);
}
