import { z } from "@hono/zod-openapi";
import { anyRoleName } from "../../access/index.ts";
import { duration } from "../../foundation/index.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const newToken = z
  .strictObject({
    subject: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/)
      .describe("Who it is for, its `sub`."),
    name: z.string().min(1).max(100).optional().describe("As logs show it."),
    role: anyRoleName.default("caller"),
    bundles: z
      .union([z.literal("all"), z.array(z.string().min(1).max(64)).max(100)])
      .default("all")
      .describe('"all", or the names of the only bundles that its holder may use.'),
    expiresIn: duration
      .optional()
      .describe("Milliseconds, or a duration such as 8h; at most `auth.jwt.expires_in`."),
  })
  .openapi("NewToken");

/** What of the answer may be kept. */
const made = z.object({ expiresAt: z.string() });

const create: Route = route({
  method: "post",
  path: "/api/tokens",
  scope: "admin",
  gatewayWide: true,
  tag: "Tokens",
  summary: "Make a JWT signed with JWT_SECRET",
  description:
    "The token is not kept: it cannot be listed or revoked, and works until it expires. For what must be revocable make a key.",
  body: newToken,
  bodyExample: { subject: "agent-7", role: "caller", expiresIn: "8h" },
  answer: {
    status: 201,
    description: "Made, and valid at once.",
    schema: z.object({ token: z.string(), expiresAt: z.iso.datetime() }).openapi("CreatedToken"),
    example: { token: "<JWT, shown once>", expiresAt: "2026-11-21T08:00:00.000Z" },
  },
  errors: ["TOKENS_OFF"],
  audit: {
    action: "token.create",
    target: ({ body }) => `subject:${body.subject}`,
    details: ({ body: { role, bundles } }, answer) => ({
      role,
      bundles,
      ...made.safeParse(answer?.body).data,
    }),
  },
  handle: async ({ body: { expiresIn, name, ...wanted } }, deps) => {
    const { token, expiresAt } = await deps.issueToken({
      ...wanted,
      ...(name !== undefined && { name }),
      ...(expiresIn !== undefined && { lifetimeMs: expiresIn }),
    });
    return { status: 201, body: { token, expiresAt: new Date(expiresAt).toISOString() } };
  },
});

/** `/api/tokens`. */
export const tokenRoutes: readonly Route[] = [create];
