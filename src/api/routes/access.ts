import { z } from "@hono/zod-openapi";
import {
  allowsOverApi,
  projectOf,
  ruleActions,
  ruleOptions,
  type Principal,
} from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import type { Explanation, Question } from "../../registry/index.ts";
import type { ApiDeps } from "../ports.ts";
import { seesServer } from "../reach.ts";
import { route } from "../route.ts";
import type { Route, RouteRequest } from "../route.ts";

const key = z
  .string()
  .min(1)
  .max(100)
  .optional()
  .describe("The id of another key; for holders of the scope `admin` or `audit`.");
const offered = z.string().min(1).max(2_000);
const action = z.enum(ruleActions);

const checkBody = z
  .strictObject({
    key,
    server: z.string().min(1).max(64),
    permission: action.describe("`call` is `read` or `write`."),
  })
  .openapi("AccessCheck");

const check: Route = route({
  method: "post",
  path: "/api/access/check",
  scope: "own",
  tag: "Access",
  summary: "Whether a key may do something with a server",
  description:
    "True where anything of the server permits it. A server that is not there, or not for this key, is a plain false.",
  body: checkBody,
  bodyExample: { server: "neon", permission: "read" },
  answer: {
    status: 200,
    description: "Yes or no.",
    schema: z.object({ allowed: z.boolean() }),
    example: { allowed: true },
  },
  errors: ["NOT_FOUND"],
  handle: (request, deps) => {
    const { server, permission } = request.body;
    const subject = subjectOf(request, deps);
    const allowed = subject.ok && mayDo(subject.principal, server, permission, deps);
    return { body: { allowed } };
  },
});

const explainBody = z
  .strictObject({
    key,
    bundle: z.string().min(1).max(64).optional().describe("At this bundle instead of /mcp."),
    server: z.string().min(1).max(64).optional(),
    tool: offered.optional().describe("By its public name."),
    prompt: offered.optional().describe("By its public name."),
    resource: offered.optional().describe("By its public URI."),
    action: action.default("call"),
  })
  .refine(
    ({ server, tool, prompt, resource }) =>
      [server, tool, prompt, resource].filter((one) => one !== undefined).length === 1,
    "name one of server, tool, prompt and resource",
  )
  .openapi("AccessQuestion");

const explain: Route = route({
  method: "post",
  path: "/api/access/explain",
  scope: "read",
  tag: "Access",
  summary: "Whether a key may do something, and why",
  body: explainBody,
  bodyExample: { key: "key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90", tool: "files__write_file" },
  answer: {
    status: 200,
    description: "The decision, and the rule that made it.",
    schema: z
      .object({
        allowed: z.boolean(),
        reason: z.string().describe("In a sentence."),
        role: z.string(),
        project: z.string(),
        server: z.string().optional(),
        rule: z
          .object({
            of: z.enum(["role", "key"]).describe("Whose rule it is."),
            place: z.int().describe("Its place among them, from 1."),
            rule: ruleOptions,
          })
          .optional(),
      })
      .openapi("AccessExplanation"),
    example: {
      allowed: false,
      reason: 'Rule 2 of the role "reader" denies it.',
      role: "reader",
      project: "default",
      server: "files",
      rule: { of: "role", place: 2, rule: { effect: "deny", tools: ["files__write_*"] } },
    },
  },
  errors: ["NOT_FOUND"],
  handle: async (request, deps) => {
    const subject = subjectOf(request, deps);
    if (!subject.ok) return { body: subject.explanation };
    return { body: await explained(request, subject.principal, deps) };
  },
});

/** `/api/access`. */
export const accessRoutes: readonly Route[] = [check, explain];

type Subject =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly explanation: Explanation };

// Whose permissions are asked for: those of the key that asks, unless another one is named.
function subjectOf(
  { body, principal, hid }: RouteRequest<unknown, { key?: string | undefined }>,
  { access, registry }: ApiDeps,
): Subject {
  const id = body.key;
  if (id === undefined || id === principal.keyId) return { ok: true, principal };
  if (!allowsOverApi(principal, "admin") && !allowsOverApi(principal, "audit")) {
    throw new SignalboxError(
      "FORBIDDEN",
      'To ask about another key takes the scope "admin" or "audit".',
    );
  }
  const record = registry.listKeys().find((one) => one.id === id);
  const holder = record === undefined ? undefined : access.keyHolder(id);
  if (record === undefined || holder === undefined || !principal.permissions.owns(record.project)) {
    if (record !== undefined) hid(`key:${id}`, "NOT_FOUND");
    throw new SignalboxError("NOT_FOUND", "There is no key with this id.");
  }
  if (holder.ok) return holder;
  const { role, project } = record;
  return {
    ok: false,
    explanation: { allowed: false, reason: standing(holder.code), role, project },
  };
}

function standing(code: string): string {
  return code === "KEY_REVOKED" ? "The key was revoked." : "The key has expired.";
}

function mayDo(
  principal: Principal,
  name: string,
  permission: z.output<typeof action>,
  { access, registry }: ApiDeps,
): boolean {
  if (permission === "call") {
    return access.mayUse(principal, name, "read") || access.mayUse(principal, name, "write");
  }
  if (permission !== "manage") return access.mayUse(principal, name, permission);
  const server = registry.servers().find((one) => one.name === name);
  if (server === undefined || !allowsOverApi(principal, "manage")) return false;
  return principal.permissions.reaches({ name, project: projectOf(server) }, "manage");
}

// The asker is told nothing of servers it may not know of, whatever the key it asks about may do.
async function explained(
  { body, principal: asker }: RouteRequest<unknown, z.output<typeof explainBody>>,
  principal: Principal,
  { access, registry }: ApiDeps,
): Promise<Explanation> {
  const question = questionOf(body);
  const explanation = await access.explain(principal, question);
  const about = registry.servers().find((one) => one.name === explanation.server);
  if (about === undefined || seesServer(asker, about)) return explanation;
  const { role, project } = principal;
  const reason = `There is no ${question.kind} "${question.name}" here.`;
  return { allowed: false, reason, role, project };
}

function questionOf(body: z.output<typeof explainBody>): Question {
  const { bundle, server, tool, prompt, resource, action: asked } = body;
  const rest = { action: asked, ...(bundle !== undefined && { bundle }) };
  if (tool !== undefined) return { kind: "tool", name: tool, ...rest };
  if (prompt !== undefined) return { kind: "prompt", name: prompt, ...rest };
  if (resource !== undefined) return { kind: "resource", name: resource, ...rest };
  return { kind: "server", name: server ?? "", ...rest };
}
