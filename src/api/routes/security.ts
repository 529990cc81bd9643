import { z } from "@hono/zod-openapi";
import { shownRecord, type ExportedRecord } from "../../ops/index.ts";
import { enveloped, envelopeOf } from "../envelope.ts";
import type { CallEntry } from "../ports.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const entry = z
  .object({
    timestamp: z.iso.datetime(),
    kind: z.enum(["call", "audit"]).describe("Of the call log, or of the audit trail."),
    id: z.string(),
    action: z.string(),
    server: z.string().optional(),
    tool: z.string().optional(),
    success: z.boolean(),
    error: z.string().optional().describe("The code of the refusal or failure, or what was said."),
    userId: z.string().describe("Who did it; of an event of one's own, on whose behalf."),
    userName: z.string().optional(),
    duration: z.number().optional().describe("Milliseconds."),
    requestId: z.string().optional(),
  })
  .openapi("AuditLogEntry");
type Entry = z.infer<typeof entry> & { at: number };

const logs: Route = route({
  method: "get",
  path: "/api/mcp/security/audit-logs",
  scope: "audit",
  tag: "Audit",
  summary: "Calls and records of the audit trail together, newest first",
  description:
    "Without what calls carried. A key of one project sees that project's. With all the audit trail says: `GET /api/audit`.",
  query: z.strictObject({
    limit: z.coerce.number().int().min(1).max(500).default(100),
    server: z.string().min(1).max(64).optional(),
    success: z
      .enum(["true", "false"])
      .transform((text) => text === "true")
      .optional()
      .openapi({ type: "string", enum: ["true", "false"] }),
  }),
  answer: {
    status: 200,
    description: "The newest of both.",
    schema: envelopeOf(z.array(entry)),
    example: {
      success: true,
      data: [
        {
          timestamp: "2026-11-20T08:00:00.000Z",
          kind: "call",
          id: "01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
          action: "tools/call",
          server: "files",
          tool: "read_file",
          success: false,
          error: "SERVER_TIMEOUT",
          userId: "key_01980f6e-0000-7c53-a3c5-6c1f7c1f4b90",
          userName: "build server",
          duration: 30_000.4,
          requestId: "req_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
        },
      ],
      timestamp: "2026-11-20T08:00:01.000Z",
    },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ query: { limit, server, success }, principal }, deps) => {
    const { gatewayWide } = principal.permissions;
    const filter = {
      limit,
      ...(server !== undefined && { server }),
      ...(success !== undefined && { success }),
      ...(!gatewayWide && { project: principal.project }),
    };
    const [calls, records] = await Promise.all([
      deps.calls(filter),
      deps.auditTrail.recent(filter),
    ]);
    const newest = [...calls.map(ofCall), ...records.map(ofRecord)]
      .toSorted((one, other) => other.at - one.at)
      .slice(0, limit);
    const data = newest.map(({ at: _at, ...shown }) => shown);
    return { body: enveloped(data, deps.clock.now()) };
  },
});

/** `/api/mcp/security`. */
export const securityRoutes: readonly Route[] = [logs];

function ofCall(call: CallEntry): Entry {
  const { id, at, method, server, tool, outcome, errorCode, requestId } = call;
  const success = outcome === "ok";
  return {
    at,
    timestamp: iso(at),
    kind: "call",
    id,
    action: method,
    ...(server !== undefined && { server }),
    ...(tool !== undefined && { tool }),
    success,
    ...(!success && { error: errorCode ?? outcome }),
    userId: call.principalId,
    userName: call.principalName,
    duration: call.durationMs,
    requestId,
  };
}

const record = z.looseObject({
  id: z.string(),
  action: z.string(),
  actorId: z.string(),
  actorName: z.string(),
  target: z.string().nullable(),
  outcome: z.string(),
  code: z.string().nullable(),
  requestId: z.string().nullable(),
  details: z
    .looseObject({
      error: z.string().optional().catch(undefined),
      userId: z.string().optional().catch(undefined),
      duration: z.number().optional().catch(undefined),
    })
    .nullable()
    .catch(null),
});

function ofRecord(given: ExportedRecord): Entry {
  const { id, action, actorId, actorName, target, outcome, code, requestId, details } =
    record.parse(shownRecord(given));
  const { error, userId = actorId, duration } = details ?? {};
  const success = outcome === "ok";
  return {
    at: given.at,
    timestamp: iso(given.at),
    kind: "audit",
    id,
    action,
    ...placeOf(target ?? ""),
    success,
    ...(!success && { error: error ?? code ?? outcome }),
    userId,
    userName: actorName,
    ...(duration !== undefined && { duration }),
    ...(requestId !== null && { requestId }),
  };
}

/** The server and the tool that a target names, where it names one. */
function placeOf(target: string): { server?: string; tool?: string } {
  const [, kind, name = ""] = /^(server|tool):(.+)$/s.exec(target) ?? [];
  if (kind === "server") return { server: name };
  if (kind !== "tool") return {};
  const [, server, tool] = /^([a-z0-9_-]+?)__(.+)$/s.exec(name) ?? [];
  return server === undefined || tool === undefined ? { tool: name } : { server, tool };
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
