import { z } from "@hono/zod-openapi";
import { allowsOverApi, callsSeenBy, type Principal } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import { callOutcomes } from "../ports.ts";
import type { CallEntry } from "../ports.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const call = z
  .looseObject({
    id: z.string(),
    at: z.iso.datetime(),
    principalId: z.string(),
    principalName: z.string(),
    project: z.string(),
    method: z.string(),
    server: z.string().optional(),
    tool: z.string().optional(),
    publicName: z.string().optional(),
    bundle: z.string().optional(),
    outcome: z.enum(callOutcomes),
    errorCode: z.string().optional(),
    durationMs: z.number(),
    upstreamMs: z.number(),
    ownMs: z.number().describe("What the gateway itself added."),
    requestBytes: z.int(),
    responseBytes: z.int(),
    requestId: z.string(),
    traceId: z.string().optional(),
    era: z.enum(["modern", "legacy"]),
  })
  .openapi("Call");
const example = {
  id: "01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  at: "2026-11-20T08:00:00.000Z",
  principalId: "key_01980f6e-0000-7c53-a3c5-6c1f7c1f4b90",
  principalName: "build server",
  project: "default",
  method: "tools/call",
  server: "files",
  tool: "read_file",
  publicName: "files__read_file",
  outcome: "ok",
  durationMs: 12.4,
  upstreamMs: 12.1,
  ownMs: 0.3,
  requestBytes: 211,
  responseBytes: 1804,
  requestId: "req_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  era: "modern",
};

// A cursor names the last call of a page: several may lie in one millisecond.
const cursor = z
  .string()
  .regex(/^(\d{1,16}(~[A-Za-z0-9._-]{1,80})?|\d{4}-\d\d-\d\dT[0-9:.]{5,20}(Z|[+-]\d\d:\d\d))$/, {
    message: "must be a date and time, epoch milliseconds, or `next` of a page before",
  })
  .transform((text) => {
    const [time = "", beforeId] = text.split("~");
    const before = /^\d+$/.test(time) ? Number(time) : Date.parse(time);
    return { before, ...(beforeId !== undefined && { beforeId }) };
  })
  .refine(({ before }) => Number.isFinite(before) && before < 8.64e15, "is no time");

const list: Route = route({
  method: "get",
  path: "/api/calls",
  scope: "own",
  tag: "Calls",
  summary: "The call log, newest first",
  description:
    "Without the scope `read` a key sees its own calls only, with it those of its project. What a call carried is shown with that call alone.",
  query: z.strictObject({
    limit: z.coerce.number().int().min(1).max(500).default(50),
    server: z.string().min(1).max(64).optional(),
    outcome: z.enum(callOutcomes).optional(),
    before: cursor.optional().openapi({
      type: "string",
      description: "A date and time, epoch milliseconds, or `next` of a page before.",
    }),
  }),
  answer: {
    status: 200,
    description: "Calls, and where the next page begins when there may be one.",
    schema: z.object({ calls: z.array(call), next: z.string().optional() }),
    example: { calls: [example] },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ query: { limit, server, outcome, before }, principal }, deps) => {
    const entries = await deps.calls({
      limit,
      ...(server !== undefined && { server }),
      ...(outcome !== undefined && { outcome }),
      ...before,
      ...callsSeenBy(principal, allowsOverApi(principal, "read")),
    });
    const last = entries.length === limit ? entries.at(-1) : undefined;
    return {
      body: {
        calls: entries.map((entry) => presented(withoutPayload(entry))),
        ...(last !== undefined && { next: `${last.at}~${last.id}` }),
      },
    };
  },
});

const get: Route = route({
  method: "get",
  path: "/api/calls/{id}",
  scope: "own",
  tag: "Calls",
  summary: "One call, with what it carried",
  description:
    "What it carried is shown to whoever made it and to holders of the scope `payloads`, whose look is told to the audit trail.",
  answer: {
    status: 200,
    description: "The call.",
    schema: call
      .extend({
        arguments: z
          .unknown()
          .optional()
          .describe("Only where the configuration asks for it, redacted."),
      })
      .openapi("CallInDetail"),
    example: { ...example, arguments: { path: "/data/report.txt" } },
  },
  errors: ["NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async ({ params, principal, address, requestId }, deps) => {
    const entry = await deps.call(params["id"] ?? "");
    if (entry === undefined || !sees(principal, entry))
      throw new SignalboxError("NOT_FOUND", "There is no call with this id.");
    const own = entry.principalId === principal.id;
    if (!own && !allowsOverApi(principal, "payloads"))
      return { body: presented(withoutPayload(entry)) };
    if (!own && entry.arguments !== undefined) {
      const { id, name, kind } = principal;
      deps.audit?.({
        action: "payload.read",
        actor: { id, name, kind },
        target: `call:${entry.id}`,
        project: entry.project,
        outcome: "ok",
        requestId,
        ...(address !== undefined && { address }),
      });
    }
    return { body: presented(entry) };
  },
});

/** `/api/calls`. */
export const callRoutes: readonly Route[] = [list, get];

function sees(principal: Principal, { principalId, project }: CallEntry): boolean {
  const seen = callsSeenBy(principal, allowsOverApi(principal, "read"));
  return (seen.principalId ?? principalId) === principalId && (seen.project ?? project) === project;
}

function withoutPayload(entry: CallEntry): CallEntry {
  const { arguments: _hidden, ...rest } = entry;
  return rest;
}

function presented(entry: CallEntry): object {
  return { ...entry, at: new Date(entry.at).toISOString() };
}
