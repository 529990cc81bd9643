import { z } from "zod";
import { tool } from "./runtime.ts";
import { verifiedToken } from "./token-status.ts";

export const verifyToken = tool({
  name: "verify_token",
  title: "Check the credentials",
  description:
    "Tells whether Cloudflare takes the configured API token (or global key), and until when. Use it when another tool is refused.",
  input: z.object({}),
  output: z.object({
    kind: z.enum(["token", "global_key"]),
    status: z.string().describe("active, disabled or expired"),
    id: z.string().optional().describe("Of the token, not the token itself"),
    expiresAt: z.string().optional().describe("ISO time; absent where it does not expire"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 60,
  handler: (_input, { runtime: { api, withToken }, signal }) =>
    verifiedToken(api, withToken, signal),
});
