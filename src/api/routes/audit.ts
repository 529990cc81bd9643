import { z } from "@hono/zod-openapi";
import { SignalboxError } from "../../foundation/index.ts";
import type { Principal } from "../../access/index.ts";
import { auditFormats, exportAudit, shownRecord } from "../../ops/index.ts";
import type { AuditConditions } from "../ports.ts";
import { projectWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const EXPORT_MAX = 1_000_000;

const outcome = z.enum(["ok", "denied", "failed"]);
const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => Date.parse(text))
  .openapi({ type: "string", format: "date-time" });
const text = z.string().min(1).max(200).optional();
const conditions = {
  action: text.describe('Such as "server.update".'),
  actor: text.describe("The id of who did it."),
  target: text.describe('Such as "server:files".'),
  outcome: outcome.optional(),
  project: z.string().min(1).max(32).optional(),
  from: moment.optional().describe("Only records from then on."),
  to: moment.optional().describe("Only records before."),
};

const record = z
  .looseObject({
    seq: z.int().describe("Its place in the chain."),
    id: z.string(),
    at: z.iso.datetime(),
    action: z.string(),
    actorId: z.string(),
    actorName: z.string(),
    actorKind: z.string(),
    target: z.string().optional(),
    project: z.string().optional(),
    outcome,
    code: z.string().optional(),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
    address: z.string().optional(),
    requestId: z.string().optional(),
    hash: z.string().describe("SHA-256 over what it says and the hash of the record before it."),
  })
  .openapi("AuditRecord");
const recordExample = {
  seq: 412,
  id: "aud_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  at: "2026-11-20T08:00:00.000Z",
  action: "server.update",
  actorId: "key_01980f6e-0000-7c53-a3c5-6c1f7c1f4b90",
  actorName: "Ada",
  actorKind: "key",
  target: "server:files",
  project: "default",
  outcome: "ok",
  before: { url: "https://old.example/mcp" },
  after: { url: "https://new.example/mcp" },
  address: "127.0.0.1",
  requestId: "req_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  hash: "9f2c41d0a5b1e7f86c3d2b4a5968770e1f2d3c4b5a69788796a5b4c3d2e1f0aa",
};

const list: Route = route({
  method: "get",
  path: "/api/audit",
  scope: "audit",
  tag: "Audit",
  summary: "The audit trail, newest first",
  description:
    "Who decided or changed what. A key of one project sees that project's records; what a call carried is in none of them.",
  query: z.strictObject({
    ...conditions,
    limit: z.coerce.number().int().min(1).max(1000).default(50),
    before: z.coerce.number().int().positive().optional().describe("`next` of a page before."),
  }),
  answer: {
    status: 200,
    description: "Records, and where the next page begins when there may be one.",
    schema: z.object({ records: z.array(record), next: z.int().optional() }),
    example: { records: [recordExample] },
  },
  errors: ["PROJECT_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async ({ query: { limit, before, ...asked }, principal }, { auditTrail }) => {
    const records = await auditTrail.recent({
      ...conditionsOf(asked, principal),
      limit,
      ...(before !== undefined && { beforeSeq: before }),
    });
    const last = records.length === limit ? records.at(-1) : undefined;
    return {
      body: {
        records: records.map((one) => withoutNulls(shownRecord(one))),
        ...(last !== undefined && { next: last.seq }),
      },
    };
  },
});

const exported: Route = route({
  method: "get",
  path: "/api/audit/export",
  scope: "audit",
  tag: "Audit",
  summary: "The audit trail as NDJSON or CSV, oldest first",
  description: `At most ${String(EXPORT_MAX)} records; ask again with \`after\` set to the last one's \`seq\`.`,
  query: z.strictObject({
    ...conditions,
    format: z.enum(auditFormats).default("ndjson"),
    after: z.coerce.number().int().min(0).default(0).describe("Only records behind this place."),
  }),
  answer: {
    status: 200,
    description: "The records, a line each.",
    contentType: "application/x-ndjson",
    example: `${JSON.stringify(recordExample)}\n`,
  },
  errors: ["PROJECT_NOT_FOUND", "STORE_UNAVAILABLE"],
  audit: { action: "audit.export", details: ({ query }) => query },
  handle: async ({ query: { format, after, ...asked }, principal, signal }, { auditTrail }) => {
    const wanted = conditionsOf(asked, principal);
    const page = async (seq: number, limit: number): ReturnType<typeof auditTrail.after> => {
      signal.throwIfAborted();
      return await auditTrail.after(seq, limit, wanted);
    };
    // Read before the answer begins, so that a database that is away is told as an error and not as an empty export.
    await page(after, 1);
    return {
      stream: exportAudit({ format, afterSeq: after, max: EXPORT_MAX, page }),
      contentType: format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson",
      headers: { "Content-Disposition": `attachment; filename="audit.${format}"` },
    };
  },
});

const verify: Route = route({
  method: "post",
  path: "/api/audit/verify",
  scope: "audit",
  gatewayWide: true,
  tag: "Audit",
  summary: "Whether the audit trail is as it was written",
  description:
    "Reads the whole trail, one verification at a time. With the hash of an earlier head, kept elsewhere, it also tells whether it is still the same trail.",
  body: z
    .strictObject({
      head: z
        .string()
        .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")
        .optional(),
    })
    .openapi("AuditAnchor"),
  bodyOptional: true,
  bodyExample: {},
  answer: {
    status: 200,
    description: "What was found; `valid` when nothing is wrong.",
    schema: z
      .object({
        valid: z.boolean(),
        checked: z.int(),
        first: z.int().describe("The place of the first record; retention takes those before it."),
        head: z.object({ seq: z.int(), hash: z.string() }).describe("The last record: an anchor."),
        faults: z
          .array(
            z.object({
              seq: z.int(),
              kind: z.enum(["edited", "missing", "truncated", "replaced"]),
              sentence: z.string(),
            }),
          )
          .describe("The first hundred."),
      })
      .openapi("AuditVerdict"),
    example: {
      valid: true,
      checked: 412,
      first: 1,
      head: { seq: 412, hash: recordExample.hash },
      faults: [],
    },
  },
  errors: ["CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "audit.verify",
    details: (_, answer) => ({ ...found.safeParse(answer?.body).data }),
  },
  handle: async ({ body }, { auditTrail }) => {
    const verdict = await auditTrail.verify(body?.head);
    if (verdict === undefined)
      throw new SignalboxError("CONFLICT", "Many verifications wait already; try again later.");
    const { checked, head, faults } = verdict;
    return {
      body: {
        valid: faults.length === 0,
        checked,
        first: head.baseSeq + 1,
        head: { seq: head.seq, hash: head.hash },
        faults,
      },
    };
  },
});

/** What the trail keeps of a verification. */
const found = z.object({ valid: z.boolean(), checked: z.int(), head: z.object({ seq: z.int() }) });

const name = z.string().min(1).max(200);
const custom = z
  .strictObject({
    action: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$/, "has 1 to 80 of a-z, A-Z, 0-9, _, ., : and -")
      .describe('Kept as "custom.<action>".'),
    server: name.optional(),
    tool: name.optional(),
    arguments: z
      .unknown()
      .optional()
      .describe("Kept with secrets masked; leave out what is private."),
    success: z.boolean().default(true),
    error: z.string().max(2000).optional(),
    userId: name.optional().describe("On whose behalf, as the sender says."),
    duration: z.number().min(0).optional().describe("Milliseconds."),
  })
  .openapi("AuditEvent");

const add: Route = route({
  method: "post",
  path: "/api/audit/events",
  scope: "operate",
  tag: "Audit",
  summary: "Add an event of one's own to the audit trail",
  description: "It is told as done by the asker, and cannot be taken back.",
  body: custom,
  bodyExample: { action: "invoice.send", server: "billing", tool: "send", success: true },
  answer: {
    status: 202,
    description: "Taken; written within a second.",
    schema: z.object({ action: z.string() }),
    example: { action: "custom.invoice.send" },
  },
  handle: ({ body, principal, address, requestId }, { audit }) => {
    const { action: given, server, tool, success, ...details } = body;
    const { id, name: called, kind, project } = principal;
    const target = targetOf(server, tool);
    const action = `custom.${given}`;
    audit?.({
      action,
      actor: { id, name: called, kind },
      project,
      outcome: success ? "ok" : "failed",
      requestId,
      ...(target !== undefined && { target }),
      ...(Object.keys(details).length > 0 && { details }),
      ...(address !== undefined && { address }),
    });
    return { status: 202, body: { action } };
  },
});

/** `/api/audit`. */
export const auditRoutes: readonly Route[] = [list, exported, verify, add];

function conditionsOf(
  asked: Omit<AuditConditions, "actorId"> & { actor?: string | undefined },
  principal: Principal,
): AuditConditions {
  const { actor, project, ...rest } = asked;
  const wide = principal.permissions.gatewayWide;
  const of = wide && project === undefined ? undefined : projectWanted(principal, project);
  return {
    ...rest,
    ...(actor !== undefined && { actorId: actor }),
    ...(of !== undefined && { project: of }),
  };
}

function targetOf(server: string | undefined, tool: string | undefined): string | undefined {
  if (tool === undefined) return server === undefined ? undefined : `server:${server}`;
  return `tool:${server === undefined ? "" : `${server}__`}${tool}`;
}

function withoutNulls(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
