import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

/** `[services.railway]`: read at every start, so this file imports nothing but the kit and zod. */
export const railwaySettings = defineSettings({
  options: z.strictObject({
    /** Of an account, a workspace or a project: which it is, Railway is asked. */
    token: secret("Made under Account Settings, Tokens, or in a project's settings").optional(),
    /** Of an account or a workspace; used before `token`. */
    api_token: secret("Made under Account Settings, Tokens").optional(),
    /** The project of calls that name none. */
    project_id: z.string().min(1).optional(),
    /** The environment of calls that name none. */
    environment_id: z.string().min(1).optional(),
    api_url: z.url({ protocol: /^https?$/ }).default("https://backboard.railway.com/graphql/v2"),
    timeout: duration.default(30_000),
  }),
  env: [
    { name: "RAILWAY_TOKEN", path: ["token"] },
    { name: "RAILWAY_API_TOKEN", path: ["api_token"] },
    { name: "RAILWAY_PROJECT_ID", path: ["project_id"] },
    { name: "RAILWAY_ENVIRONMENT_ID", path: ["environment_id"] },
    { name: "RAILWAY_API_URL", path: ["api_url"] },
  ],
  missing: ({ token, api_token }) =>
    (token ?? api_token) === undefined ? ["RAILWAY_TOKEN, or RAILWAY_API_TOKEN"] : [],
});
