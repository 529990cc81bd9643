import { z } from "@hono/zod-openapi";
import { allowsOverApi, keyLimits, periodAt } from "../../access/index.ts";
import type { Allowance, CallerView, LimitedCaller, Principal } from "../../access/index.ts";
import { isSignalboxError, SignalboxError } from "../../foundation/index.ts";
import type { ApiDeps, LimitsPort, QuotaUsage } from "../ports.ts";
import { route } from "../route.ts";
import type { Route } from "../route.ts";

const allowance = {
  max: z.int().describe("Most requests in any stretch of time as long as the window."),
  windowMs: z.int(),
  remaining: z.int().describe("How many more there may be now; 0 means that the next is refused."),
  resetsAt: z.iso.datetime().describe("When all of what was used is given back."),
};
const per = z.enum(["caller", "all"]).describe("Whether each caller has its own count.");
const period = z.enum(["day", "month"]);
const usage = {
  subject: z.string().describe('Whose calls: "principal:<id>", "project:<name>", "server:<name>".'),
  period,
  startsAt: z.iso.datetime(),
  resetsAt: z.iso.datetime(),
};

const limits = z
  .object({
    caller: z.object({ id: z.string(), name: z.string(), role: z.string() }),
    own: keyLimits.optional().describe("What is set for the key alone."),
    rate: z
      .object({ ...allowance, from: z.enum(["key", "configuration"]) })
      .optional()
      .describe("Of the caller; absent where it has no limit."),
    all: z.object(allowance).optional().describe("Of all callers together."),
    servers: z.array(z.object({ server: z.string(), per, ...allowance })),
    tools: z.array(z.object({ tools: z.string(), per, ...allowance })),
    quotas: z.array(
      z.object({
        ...usage,
        quota: z.int(),
        used: z.int().optional().describe("Absent while the database cannot be reached."),
        remaining: z.int().optional(),
      }),
    ),
    counting: z.object({
      store: z.enum(["memory", "postgres", "redis"]),
      up: z.boolean().describe("False while each gateway counts for itself."),
      gateways: z.int().describe("How many count together."),
      lease: z.number().describe("The part of a limit that one of them may admit ahead."),
    }),
  })
  .openapi("Limits");

const rateExample = {
  max: 100,
  windowMs: 60_000,
  remaining: 58,
  resetsAt: "2026-11-20T08:00:54.000Z",
};
const usageExample = {
  subject: "principal:key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  period: "day",
  startsAt: "2026-11-20T00:00:00.000Z",
  resetsAt: "2026-11-21T00:00:00.000Z",
};
const example = {
  caller: { id: "key_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90", name: "build server", role: "caller" },
  rate: { ...rateExample, from: "configuration" },
  servers: [{ server: "search", per: "all", ...rateExample }],
  tools: [],
  quotas: [{ ...usageExample, quota: 10_000, used: 412, remaining: 9_588 }],
  counting: { store: "memory", up: true, gateways: 1, lease: 0.2 },
};

const show: Route = route({
  method: "get",
  path: "/api/limits",
  scope: "call",
  tag: "Limits",
  summary: "What a caller may do how often, and what is left of it",
  description: "Of whoever asks; an administrator may ask for any key. Asking costs nothing.",
  query: z.object({
    key: z.string().min(1).optional().describe("The id of a key; without it, that of the request."),
  }),
  answer: { status: 200, description: "The limits in force.", schema: limits, example },
  errors: ["NOT_FOUND"],
  handle: async ({ query, principal, address }, deps) => {
    const caller = callerOf(query.key, principal, deps);
    const { id, name, role, keyId } = caller;
    const view = deps.limits.view(caller, address);
    const own = deps.limits.keyLimits(keyId ?? "");
    const now = deps.clock.now();
    const shown = (one: Allowance): object => presented(one, now);
    return {
      body: {
        caller: { id, name, role },
        ...(own !== undefined && { own }),
        ...(view.rate && { rate: { ...shown(view.rate), from: view.rate.from } }),
        ...(view.all && { all: shown(view.all) }),
        servers: view.servers.map((one) => ({ server: one.server, per: one.per, ...shown(one) })),
        tools: view.tools.map((one) => ({ tools: one.tools, per: one.per, ...shown(one) })),
        quotas: await quotasOf(view.quotas, deps.limits, now),
        counting: deps.limits.counting(),
      },
    };
  },
});

const set: Route = route({
  method: "put",
  path: "/api/keys/{id}/limits",
  scope: "admin",
  tag: "Limits",
  summary: "Give a key limits of its own",
  description:
    "In place of those it had. What is left out is as configured for all, and 0 lifts a limit; an empty object takes all away. Effective at once here, and within a second in other processes.",
  body: keyLimits,
  bodyExample: { rate: { max: 500, windowMs: 60_000 }, quota: { day: 10_000 } },
  answer: {
    status: 200,
    description: "In force.",
    schema: z.object({ key: z.string(), limits: keyLimits }).openapi("KeyLimits"),
    example: { key: example.caller.id, limits: { rate: { max: 500, windowMs: 60_000 } } },
  },
  errors: ["NOT_FOUND", "STORE_UNAVAILABLE"],
  audit: {
    action: "key.limit",
    target: ({ params }) => `key:${params["id"] ?? ""}`,
    state: ({ params: { id = "" } }, { limits: port, registry }) => {
      const project = registry.listKeys().find((one) => one.id === id)?.project;
      return { ...(project !== undefined && { project }), shown: port.keyLimits(id) };
    },
  },
  handle: async ({ params, body, principal }, deps) => {
    const { keyId = "" } = callerOf(params["id"], principal, deps);
    await deps.limits.setKeyLimits(keyId, body);
    return { body: { key: keyId, limits: body } };
  },
});

const used: Route = route({
  method: "get",
  path: "/api/usage/quotas",
  scope: "call",
  tag: "Limits",
  summary: "Calls of this day and this month",
  description:
    "Those that count in a quota, with what gateways have reserved and not yet made: at most a lease each. Operators and administrators of every project see everyone's, the largest first, others their own.",
  answer: {
    status: 200,
    description: "At most 1,000.",
    schema: z
      .object({ usage: z.array(z.object({ ...usage, used: z.int() })) })
      .openapi("QuotaUsage"),
    example: { usage: [{ ...usageExample, used: 420 }] },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ principal, address }, { limits: port, clock }) => {
    const all = allowsOverApi(principal, "read") && principal.permissions.gatewayWide;
    const own = port.view(principal, address).quotas.map(({ subject }) => subject);
    const rows = await port.usage(clock.now(), all ? undefined : own);
    return {
      body: {
        usage: rows.map(({ startsAt, ...row }) => ({ ...row, ...times(row.period, startsAt) })),
      },
    };
  },
});

/** `/api/limits`, and what belongs to it. */
export const limitRoutes: readonly Route[] = [show, set, used];

function callerOf(
  key: string | undefined,
  principal: Principal,
  { registry }: Pick<ApiDeps, "registry">,
): LimitedCaller & { name: string } {
  if (key === undefined || key === principal.keyId) return principal;
  if (!allowsOverApi(principal, "admin")) {
    throw new SignalboxError(
      "FORBIDDEN",
      "Only an administrator may ask for another key's limits.",
    );
  }
  const record = registry.listKeys().find(({ id }) => id === key);
  if (record === undefined || !principal.permissions.owns(record.project))
    throw new SignalboxError("NOT_FOUND", "There is no key with this id.");
  return { ...record, keyId: record.id };
}

async function quotasOf(
  quotas: CallerView["quotas"],
  port: LimitsPort,
  now: number,
): Promise<object[]> {
  if (quotas.length === 0) return [];
  const rows = await usageOf(
    quotas.map(({ subject }) => subject),
    port,
    now,
  );
  return quotas.map(({ subject, period: of, quota, held, debt }) => {
    const row = rows?.find((one) => one.subject === subject && one.period === of);
    const calls = Math.max(0, (row?.used ?? 0) - held + debt);
    return {
      subject,
      period: of,
      ...times(of, now),
      quota,
      ...(rows !== undefined && { used: calls, remaining: Math.max(0, quota - calls) }),
    };
  });
}

async function usageOf(
  subjects: readonly string[],
  port: LimitsPort,
  now: number,
): Promise<readonly QuotaUsage[] | undefined> {
  try {
    return await port.usage(now, subjects);
  } catch (error) {
    if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") return undefined;
    throw error;
  }
}

function presented({ max, windowMs, remaining, resetMs }: Allowance, now: number): object {
  return { max, windowMs, remaining, resetsAt: new Date(now + resetMs).toISOString() };
}

function times(of: "day" | "month", at: number): object {
  const { startsAt, endsAt } = periodAt(of, at);
  return { startsAt: new Date(startsAt).toISOString(), resetsAt: new Date(endsAt).toISOString() };
}
