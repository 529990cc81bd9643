import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

/** `[services.neon]`: read at every start, so this file imports nothing but the kit and zod. */
export const neonSettings = defineSettings({
  options: z.strictObject({
    api_key: secret("Made in Neon's console under Settings, API keys").optional(),
    /** The project of calls that name none. */
    project_id: z.string().min(1).optional(),
    /** The branch of calls that name none; default the project's own default branch. */
    branch_id: z.string().min(1).optional(),
    /** The database of calls that name none; default `neondb`, else the branch's first. */
    database: z.string().min(1).optional(),
    /** SQL of calls that name no project goes here; enough by itself where only SQL is wanted. */
    database_url: secret("postgresql://user:password@ep-….neon.tech/neondb").optional(),
    api_url: z.url({ protocol: /^https?$/ }).default("https://console.neon.tech/api/v2"),
    /** Where SQL is sent; default what Neon has for the database's host. */
    sql_url: z.url({ protocol: /^https?$/ }).optional(),
    /** Statements or transactions under way at once, for each host. */
    max_connections: z.int().min(1).max(1000).default(20),
    timeout: duration.default(30_000),
    /** How long a call waits for what Neon does in the background. */
    operations_timeout: duration.default(120_000),
  }),
  env: [
    { name: "NEON_API_KEY", path: ["api_key"] },
    { name: "NEON_PROJECT_ID", path: ["project_id"] },
    { name: "NEON_BRANCH_ID", path: ["branch_id"] },
    { name: "NEON_DATABASE", path: ["database"] },
    { name: "NEON_DATABASE_URL", path: ["database_url"] },
    { name: "NEON_API_URL", path: ["api_url"] },
  ],
  missing: ({ api_key, database_url }) =>
    (api_key ?? database_url) === undefined
      ? ["NEON_API_KEY, or NEON_DATABASE_URL where only SQL is wanted"]
      : [],
});

export type NeonOptions = z.output<typeof neonSettings.options>;
