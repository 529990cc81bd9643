import { z } from "@hono/zod-openapi";
import { actorOf } from "../../access/index.ts";
import { PINNED_KINDS, pinStates, severities } from "../../registry/index.ts";
import type { PinDecider, PinDetailView, PinKey, PinView } from "../../registry/index.ts";
import type { ApiDeps } from "../ports.ts";
import { originOf } from "../recorded.ts";
import { ownerSeen, serverNamesSeen, type Asking } from "../reach.ts";
import { route } from "../route.ts";
import type { Route, RouteRequest } from "../route.ts";

const finding = z
  .object({
    id: z.string(),
    severity: z.enum(severities),
    where: z.string().describe("A JSON pointer into the definition."),
    message: z.string(),
    excerpt: z.string().optional().describe("What is hidden in it stands as `\\u{...}`."),
  })
  .openapi("PinFinding");

const pin = z
  .object({
    server: z.string(),
    kind: z.enum(PINNED_KINDS),
    name: z.string().describe("As the server writes it."),
    state: z.enum(pinStates),
    listed: z.boolean().describe("Whether this gateway sees the server list it now."),
    held: z.boolean().describe("Whether it is held back now: neither listed nor callable."),
    approved: z.array(z.string()).describe("SHA-256 of the approved definitions, newest first."),
    pending: z.string().optional().describe("The definition that waits, or was rejected."),
    firstSeen: z.iso.datetime(),
    changedAt: z.iso.datetime(),
    decidedBy: z.string().optional(),
    decidedAt: z.iso.datetime().optional(),
    findings: z.array(finding).describe("What a person should look at in what is listed now."),
  })
  .openapi("Pin");

const change = z
  .object({
    where: z.string().describe("A JSON pointer into the definition."),
    change: z.enum(["added", "removed", "changed"]),
    before: z.string().optional(),
    after: z.string().optional(),
    parts: z
      .array(z.object({ part: z.enum(["same", "added", "removed"]), text: z.string() }))
      .optional()
      .describe("Of texts, what was taken out and put in."),
  })
  .openapi("PinChange");

const detail = pin
  .extend({
    definition: z.unknown().optional().describe("The newest approved one."),
    pendingDefinition: z.unknown().optional(),
    diff: z.array(change).describe("From the approved definition to the one that waits."),
  })
  .openapi("PinDetail");

const example = {
  server: "files",
  kind: "tools",
  name: "read_file",
  state: "pending",
  listed: true,
  held: true,
  approved: ["0b1e63a1f5b2f0f3f34c11e0c8a4f1a5d7f6f7c7a1f4e6b7a9d8c6b5a4938271"],
  pending: "77f0c1c3a8f2f4f5e1c0b9a8d7c6b5a493827160f5e4d3c2b1a0998877665544",
  firstSeen: "2026-11-30T08:00:00.000Z",
  changedAt: "2026-11-30T09:30:00.000Z",
  findings: [],
};

const list: Route = route({
  method: "get",
  path: "/api/pins",
  scope: "read",
  tag: "Pins",
  summary: "What is known and approved of each tool and prompt",
  description:
    "In the order of servers and names; `counts` are of all that `server` and `kind` take.",
  query: z.object({
    server: z.string().optional(),
    kind: z.enum(PINNED_KINDS).optional(),
    state: z.enum(pinStates).optional(),
    findings: z.enum(["true", "false"]).default("false").describe("Only those with findings."),
    limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
  }),
  answer: {
    status: 200,
    description: "The pins, and how many there are.",
    schema: z.object({
      pins: z.array(pin),
      total: z.int(),
      counts: z.object({
        approved: z.int(),
        pending: z.int(),
        rejected: z.int(),
        held: z.int(),
      }),
    }),
    example: {
      pins: [example],
      total: 1,
      counts: { approved: 11, pending: 1, rejected: 0, held: 1 },
    },
  },
  handle: ({ query, principal }, { pins, registry }) => {
    const { findings, ...filter } = query;
    const servers = serverNamesSeen(principal, registry);
    const found = pins.list({ ...filter, servers, suspect: findings === "true" });
    return { body: { ...found, pins: found.pins.map(shown) } };
  },
});

const which = z.object({ kind: z.enum(PINNED_KINDS).default("tools") });

const show: Route = route({
  method: "get",
  path: "/api/pins/{server}/{tool}",
  scope: "read",
  tag: "Pins",
  summary: "One tool or prompt: its definitions and what changed",
  query: which,
  answer: {
    status: 200,
    description: "The pin, with what is approved and what waits.",
    schema: detail,
    example: {
      ...example,
      definition: { name: "read_file", description: "Reads a file." },
      pendingDefinition: { name: "read_file", description: "Reads any file." },
      diff: [
        {
          where: "/description",
          change: "changed",
          before: "Reads a file.",
          after: "Reads any file.",
          parts: [
            { part: "same", text: "Reads " },
            { part: "removed", text: "a" },
            { part: "added", text: "any" },
            { part: "same", text: " file." },
          ],
        },
      ],
    },
  },
  errors: ["SERVER_NOT_FOUND", "PIN_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async (asking, { pins, registry }) => ({
    body: shownDetail(await pins.get(keyOf(asking, asking.query.kind, registry))),
  }),
});

const verdict = z
  .strictObject({
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hex")
      .optional()
      .describe("Decides only where this is what waits: what was looked at, not what came since."),
  })
  .openapi("PinVerdict");

const approve: Route = route({
  method: "post",
  path: "/api/pins/{server}/{tool}/approve",
  scope: "admin",
  tag: "Pins",
  summary: "Approve the definition that waits",
  description: "It is served at once, here and within a second in all gateways on this database.",
  query: which,
  body: verdict,
  bodyExample: { hash: example.pending },
  bodyOptional: true,
  answer: { status: 200, description: "The pin.", schema: pin, example },
  errors: ["SERVER_NOT_FOUND", "PIN_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE", "BODY_INVALID"],
  handle: async (asking, { pins, registry }) => {
    const key = keyOf(asking, asking.query.kind, registry);
    const given = { ...deciderOf(asking), hash: asking.body?.hash };
    return { body: shown(await pins.approve(key, given)) };
  },
});

const reject: Route = route({
  method: "post",
  path: "/api/pins/{server}/{tool}/reject",
  scope: "operate",
  tag: "Pins",
  summary: "Reject the definition that waits",
  description:
    "It stays out until the server returns to an approved one. Where nothing waits, the approval is taken back.",
  query: which,
  body: verdict,
  bodyExample: { hash: example.pending },
  bodyOptional: true,
  answer: {
    status: 200,
    description: "The pin.",
    schema: pin,
    example: { ...example, state: "rejected" },
  },
  errors: ["SERVER_NOT_FOUND", "PIN_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE", "BODY_INVALID"],
  handle: async (asking, { pins, registry }) => {
    const key = keyOf(asking, asking.query.kind, registry);
    const given = { ...deciderOf(asking), hash: asking.body?.hash };
    return { body: shown(await pins.reject(key, given)) };
  },
});

const approveAll: Route = route({
  method: "post",
  path: "/api/pins/{server}/approve-all",
  scope: "admin",
  tag: "Pins",
  summary: "Approve all that waits at a server",
  description: "What was rejected stays out.",
  answer: {
    status: 200,
    description: "What was approved.",
    schema: z.object({ approved: z.array(pin) }),
    example: { approved: [{ ...example, state: "approved", held: false }] },
  },
  errors: ["SERVER_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async (asking, { pins, registry }) => {
    const server = ownerSeen(asking, registry);
    const approved = await pins.approveAll(server, deciderOf(asking));
    return { body: { approved: approved.map(shown) } };
  },
});

const forget: Route = route({
  method: "post",
  path: "/api/pins/{server}/forget",
  scope: "admin",
  tag: "Pins",
  summary: "Forget what was approved of a server",
  description: "It is then trusted as it is seen next, as if for the first time.",
  answer: {
    status: 200,
    description: "How many pins were forgotten.",
    schema: z.object({ forgotten: z.int() }),
    example: { forgotten: 12 },
  },
  errors: ["SERVER_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async (asking, { pins, registry }) => ({
    body: {
      forgotten: await pins.forget(ownerSeen(asking, registry), deciderOf(asking)),
    },
  }),
});

export const pinRoutes: readonly Route[] = [list, show, approve, reject, approveAll, forget];

function deciderOf(asking: RouteRequest<unknown, unknown>): PinDecider {
  return { actor: actorOf(asking.principal), origin: originOf(asking) };
}

function keyOf(asking: Asking, kind: PinKey["kind"], registry: ApiDeps["registry"]): PinKey {
  return { server: ownerSeen(asking, registry), kind, name: asking.params["tool"] ?? "" };
}

function shown({ firstSeen, changedAt, decidedAt, ...view }: PinView): z.input<typeof pin> {
  return {
    ...view,
    approved: [...view.approved],
    findings: [...view.findings],
    firstSeen: new Date(firstSeen).toISOString(),
    changedAt: new Date(changedAt).toISOString(),
    ...(decidedAt !== undefined && { decidedAt: new Date(decidedAt).toISOString() }),
  };
}

function shownDetail({ definition, pendingDefinition, diff, ...view }: PinDetailView): unknown {
  return {
    ...shown(view),
    ...(definition !== undefined && { definition }),
    ...(pendingDefinition !== undefined && { pendingDefinition }),
    diff,
  };
}
