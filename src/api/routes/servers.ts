import { z } from "@hono/zod-openapi";
import { projectOf } from "../../access/index.ts";
import { SignalboxError, isSignalboxError } from "../../foundation/index.ts";
import { LINK_STATES, isFailing, maskServer, serverOptions } from "../../registry/index.ts";
import type { ServerFacts, ServerView, TestReport } from "../../registry/index.ts";
import type { ApiDeps, LinkUptime } from "../ports.ts";
import { requireManage, seesServer, serverManaged, serverSeen, serverWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { Answer, AuditedThing, Route } from "../route.ts";

const optionsExample = {
  command: "npx",
  args: ["-y", "@modelcontextprotocol/server-filesystem", "/data"],
  env: { LOG: "1" },
};
const options = serverOptions
  .describe("A server's options: `command` for a local process, or `url` for a remote one.")
  .openapi("ServerOptions", { example: optionsExample });
const newServer = serverOptions
  .safeExtend({
    name: z
      .string()
      .describe("1 to 32 of a-z, 0-9, - and _; the prefix of its tools' public names."),
  })
  .openapi("NewServer");
const candidate = serverOptions
  .safeExtend({
    name: z
      .string()
      .default("candidate")
      .describe("With the name of a stored server, masked values are taken from it."),
  })
  .openapi("ServerCandidate");

const report = z
  .looseObject({
    ok: z.boolean(),
    ms: z.number().describe("How long it took, in milliseconds."),
    era: z.enum(["modern", "legacy"]).optional(),
    revision: z.string().optional(),
    serverInfo: z.record(z.string(), z.unknown()).optional(),
    tools: z.int().optional(),
    prompts: z.int().optional(),
    resources: z.int().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .openapi("TestReport", {
    example: {
      ok: true,
      ms: 212,
      era: "modern",
      revision: "2026-07-28",
      tools: 14,
      prompts: 4,
      resources: 10,
    },
  });

const linkState = z
  .enum(LINK_STATES)
  .describe(
    "`connected` and `degraded` take calls; `idle` opens with the first one; `error`, `reconnecting` and `needs_auth` say why in `lastError`.",
  );

const server = z
  .object({
    name: z.string(),
    origin: z
      .enum(["config", "store", "builtin", "service"])
      .describe(
        "Who defines it: signalbox.toml, this API, the product, or the settings of one of its services.",
      ),
    readOnly: z.boolean().describe("True where it cannot be changed over this API."),
    title: z.string().optional(),
    options: options.describe('With secrets masked: values of env and headers read "***".'),
    status: z
      .looseObject({
        state: z
          .enum([...LINK_STATES, "not_configured"])
          .describe(
            "`not_configured` is a service of the gateway whose settings `needs` names; the others are states of links.",
          ),
        transport: z.string(),
        since: z.iso.datetime().optional().describe("Since when it is in this state."),
        era: z.enum(["modern", "legacy"]).optional(),
        revision: z.string().optional(),
        eraProbedAt: z.iso.datetime().optional(),
        tools: z.int().optional(),
        pid: z.int().optional(),
        calls: z.int(),
        errors: z.int(),
        lastError: z
          .object({ code: z.string(), message: z.string(), at: z.iso.datetime() })
          .optional(),
      })
      .optional(),
    needs: z
      .array(z.string())
      .optional()
      .describe("What a service of the gateway still needs before it can be served."),
    service: z
      .object({
        connected: z.boolean().describe("Whether it was used since its settings changed."),
        health: z
          .looseObject({
            status: z.enum(["ok", "degraded", "down"]),
            message: z.string().optional(),
            at: z.iso.datetime(),
          })
          .optional(),
        rates: z
          .array(
            z.looseObject({
              key: z.string(),
              name: z.string(),
              limit: z.number(),
              remaining: z.number(),
              resetsAt: z.iso.datetime().optional(),
            }),
          )
          .describe("What is left of the vendor's limits."),
      })
      .optional()
      .describe("How one of the gateway's services fares."),
    missing: z
      .object({ reason: z.string(), message: z.string().optional(), since: z.iso.datetime() })
      .optional()
      .describe(
        'Present while its part of the lists is left out or of an earlier time, as in `_meta["signalbox/missing"]`.',
      ),
  })
  .openapi("Server");

const time = z.iso.datetime();
const transition = z.object({
  at: time,
  from: linkState,
  to: linkState,
  reason: z.string(),
  code: z.string().optional(),
});
const breaker = z.looseObject({
  state: z.enum(["closed", "half_open", "open"]),
  since: time,
  failures: z.int().describe("In a row, while closed."),
  reason: z.string().optional(),
  retryAfterMs: z.number().optional(),
});

const runtimeView = z
  .object({
    primary: z.string().describe("The endpoint whose lists are the server's."),
    strategy: z.string().describe("How calls are spread over the endpoints."),
    endpoints: z.array(
      z.looseObject({
        id: z.string(),
        url: z.string().optional(),
        state: linkState,
        since: time,
        uptime: z.number().optional().describe("0 to 1, since the gateway knows it."),
        reconnects: z.int().describe("Connections lost, unplanned, and made again."),
        era: z.string().optional(),
        revision: z.string().optional(),
        lanes: z.int(),
        connections: z
          .object({ open: z.int(), busy: z.int(), waiting: z.int(), max: z.int() })
          .optional(),
        processes: z
          .array(z.looseObject({ pid: z.int() }))
          .optional()
          .describe("Of a local server: what each process and all it started use."),
        balance: z.looseObject({}).describe("What the load balancer knows of it."),
        lastError: z.object({ code: z.string(), message: z.string(), at: time }).optional(),
        history: z.array(transition).describe("Its newest changes of state, the newest last."),
      }),
    ),
    breakers: z.object({
      server: breaker,
      tools: z.record(z.string(), breaker).describe("Tools that failed lately."),
    }),
    bulkhead: z.looseObject({}).describe("Calls that run and wait."),
    retries: z.looseObject({}).describe("What was repeated, what was not and why, and the budget."),
    uptime: z
      .array(
        z.object({
          endpoint: z.string(),
          day: z.number().optional(),
          week: z.number().optional(),
          month: z.number().optional(),
        }),
      )
      .optional()
      .describe(
        "By the stored history: the share of the last 24 hours, 7 and 30 days in which an endpoint was up, 0 to 1, without the time in which nobody needed it. Absent while the database is away.",
      ),
    cache: z
      .object({
        keys: z.int(),
        bytes: z.int(),
        hits: z.int(),
        misses: z.int(),
        hitRate: z.number().optional(),
      })
      .optional()
      .describe("Answers of it that are kept, and lookups of them. Absent where none are kept."),
    crashLoop: z
      .looseObject({
        looping: z.boolean(),
        since: time.optional(),
        retryAfterMs: z.number().describe("Until the next start is let through."),
      })
      .optional()
      .describe("Of a local server: whether its process ends again and again after its start."),
  })
  .openapi("ServerRuntime");

const example = {
  name: "files",
  origin: "store",
  readOnly: false,
  options: { ...optionsExample, env: { LOG: "***" } },
  status: {
    state: "connected",
    transport: "stdio",
    since: "2026-11-20T08:00:00.000Z",
    era: "legacy",
    revision: "2025-11-25",
    tools: 14,
    pid: 4711,
    calls: 128,
    errors: 0,
  },
};

const list: Route = route({
  method: "get",
  path: "/api/servers",
  scope: "read",
  tag: "Servers",
  summary: "Every server of the asker's project with its state",
  answer: {
    status: 200,
    description: "The servers of the product, of the configuration file and of the store.",
    schema: z.object({ servers: z.array(server) }),
    example: { servers: [example] },
  },
  handle: ({ principal }, deps) => {
    const seen = deps.registry.servers().filter((one) => seesServer(principal, one));
    return {
      body: { servers: seen.map((one) => ({ ...presented(one), ...serviceFigures(one, deps) })) },
    };
  },
});

const add: Route = route({
  method: "post",
  path: "/api/servers",
  scope: "manage",
  tag: "Servers",
  summary: "Add a server",
  description:
    "Served at once, without touching the traffic of the others. With `test=true` it is added only when it answers.",
  query: z.strictObject({ test: z.enum(["true", "false"]).optional() }),
  body: newServer,
  bodyExample: { name: "files", ...optionsExample },
  answer: {
    status: 201,
    description: "Added.",
    schema: server.extend({ test: report.optional() }).openapi("AddedServer"),
    example,
  },
  errors: [
    "NAME_INVALID",
    "NAME_TAKEN",
    "PROJECT_NOT_FOUND",
    "STORE_UNAVAILABLE",
    "SERVER_UNREACHABLE",
  ],
  audit: {
    action: "server.create",
    target: ({ body }) => `server:${body.name}`,
    state: ({ body }, deps) => thing(body.name, deps),
  },
  handle: async ({ body, query, signal, principal }, { registry }) => {
    const { name, ...given } = body;
    const rest = serverWanted(principal, name, given);
    const test =
      query.test === "true"
        ? await registry.testServer({ name, options: rest }, within(signal))
        : undefined;
    if (test !== undefined) requirePassed(name, test);
    const added = presented(await registry.addServer(name, rest));
    return { status: 201, body: test === undefined ? added : { ...added, test } };
  },
});

const testCandidate: Route = route({
  method: "post",
  path: "/api/servers/test",
  scope: "manage",
  tag: "Servers",
  summary: "Try a server that is not added",
  description:
    "Starts or connects to what the body describes, lists what it offers, and ends it again.",
  body: candidate,
  bodyExample: optionsExample,
  answer: {
    status: 200,
    description: "What was found; `ok` tells whether it answered.",
    schema: report,
  },
  errors: ["NAME_INVALID", "PROJECT_NOT_FOUND"],
  audit: {
    action: "server.test",
    target: ({ body }) => `server:${body.name}`,
    details: ({ body: { name: _name, ...tried } }, answer) => ({
      tried: maskServer(tried),
      ...testedAs(answer),
    }),
  },
  handle: async ({ body: { name, ...rest }, signal, principal }, { registry }) => {
    // The masked values of a stored server are only for whoever may manage it.
    const stored = registry.servers().find((one) => one.name === name);
    if (stored !== undefined) requireManage(principal, name, projectOf(stored));
    const wanted = serverWanted(principal, name, rest);
    return { body: await registry.testServer({ name, options: wanted }, within(signal)) };
  },
});

const get: Route = route({
  method: "get",
  path: "/api/servers/{name}",
  scope: "read",
  tag: "Servers",
  summary: "One server, with its endpoints and what guards them",
  answer: {
    status: 200,
    description: "The server; `runtime` is absent while it is switched off.",
    schema: server.extend({ runtime: runtimeView.optional() }).openapi("ServerInDetail"),
    example,
  },
  errors: ["SERVER_NOT_FOUND"],
  handle: async (request, deps) => {
    const seen = serverSeen(request, deps);
    const { name } = seen;
    const body = { ...presented(seen), ...serviceFigures(seen, deps) };
    const facts = deps.registry.serverFacts(name);
    if (facts === undefined) return { body };
    const cache = deps.cache.statisticsOf(name);
    const uptime = await storedUptime(name, deps);
    const runtime = {
      ...presentedFacts(facts),
      ...(uptime !== undefined && { uptime }),
      ...(cache !== undefined && { cache }),
    };
    return { body: { ...body, runtime } };
  },
});

const drain = endpointRoute({
  verb: "drain",
  summary: "Take an endpoint out of service",
  description:
    "It takes no new calls; what runs may finish. It lasts until `resume`, or a restart.",
  done: "Drained.",
});

const resume = endpointRoute({
  verb: "resume",
  summary: "Take an endpoint back into service",
  description: "It takes calls again, as its share and its health let it.",
  done: "Back in service.",
});

const linkHistory: Route = route({
  method: "get",
  path: "/api/servers/{name}/history",
  scope: "read",
  tag: "Servers",
  summary: "When and why the links of a server changed their state",
  query: z.strictObject({
    limit: z.coerce.number().int().min(1).max(1000).default(100),
    before: z.iso.datetime().optional().describe("Only changes before this time."),
  }),
  answer: {
    status: 200,
    description: "The newest first, from all gateways on this database.",
    schema: z.object({
      history: z.array(transition.extend({ endpoint: z.string() })),
    }),
    example: {
      history: [
        {
          at: "2026-11-20T08:00:00.000Z",
          endpoint: "mcp.example.com",
          from: "connecting",
          to: "connected",
          reason: "speaks 2026-07-28",
        },
      ],
    },
  },
  errors: ["SERVER_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async (request, deps) => {
    const { query } = request;
    const { name } = serverSeen(request, deps);
    const before = query.before === undefined ? undefined : Date.parse(query.before);
    const rows = await deps.linkHistory({
      server: name,
      limit: query.limit,
      ...(before !== undefined && { before }),
    });
    return { body: { history: rows.map(({ at, ...row }) => ({ ...row, at: iso(at) })) } };
  },
});

const breakerBody = z
  .strictObject({
    state: z.enum(["open", "closed"]),
    tool: z
      .string()
      .min(1)
      .optional()
      .describe("The tool as the server names it; without it, the server's own breaker."),
  })
  .openapi("BreakerChange");

const setBreaker: Route = route({
  method: "post",
  path: "/api/servers/{name}/breaker",
  scope: "operate",
  tag: "Servers",
  summary: "Open or close a circuit breaker by hand",
  description: "One opened by hand stays open until it is closed by hand.",
  body: breakerBody,
  bodyExample: { state: "open" },
  answer: { status: 204, description: "Done." },
  errors: ["SERVER_NOT_FOUND", "SERVER_DISABLED"],
  audit: {
    action: "breaker.set",
    target: onServer,
    state: ({ params }, deps) => ({ project: thing(params["name"], deps).project }),
    details: ({ body }) => body,
  },
  handle: (request, deps) => {
    const { state, tool } = request.body;
    deps.registry.setBreaker(serverSeen(request, deps).name, state, tool);
    return { status: 204 };
  },
});

const replace: Route = route({
  method: "put",
  path: "/api/servers/{name}",
  scope: "manage",
  tag: "Servers",
  summary: "Replace a server's options",
  description:
    "The body is the whole of the options, less the project, which stays when it is left out. Where a masked value is sent back it keeps what is stored, as long as the program or address that receives it stays the same.",
  body: options,
  bodyExample: optionsExample,
  answer: { status: 200, description: "Replaced.", schema: server, example },
  errors: ["SERVER_NOT_FOUND", "PROJECT_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "server.update",
    target: onServer,
    state: ({ params }, deps) => thing(params["name"], deps),
  },
  handle: async (request, deps) => {
    const before = serverManaged(request, deps);
    const wanted = serverWanted(request.principal, before.name, request.body, before);
    return { body: presented(await deps.registry.updateServer(before.name, wanted)) };
  },
});

const remove: Route = route({
  method: "delete",
  path: "/api/servers/{name}",
  scope: "manage",
  tag: "Servers",
  summary: "Remove a server",
  description: "Calls in flight may end; new ones no longer find its tools.",
  answer: { status: 204, description: "Removed." },
  errors: ["SERVER_NOT_FOUND", "CONFLICT", "STORE_UNAVAILABLE"],
  audit: {
    action: "server.delete",
    target: onServer,
    state: ({ params }, deps) => thing(params["name"], deps),
  },
  handle: async (request, deps) => {
    await deps.registry.removeServer(serverManaged(request, deps).name);
    return { status: 204 };
  },
});

const testOne: Route = route({
  method: "post",
  path: "/api/servers/{name}/test",
  scope: "operate",
  tag: "Servers",
  summary: "Try a server",
  body: z.strictObject({}),
  bodyExample: {},
  bodyOptional: true,
  answer: {
    status: 200,
    description: "What was found; `ok` tells whether it answered.",
    schema: report,
  },
  errors: ["SERVER_NOT_FOUND"],
  audit: {
    action: "server.test",
    target: onServer,
    state: ({ params }, deps) => ({ project: thing(params["name"], deps).project }),
    details: (_, answer) => testedAs(answer),
  },
  handle: async (request, deps) => {
    const { name } = serverSeen(request, deps);
    return { body: await deps.registry.testServer(name, within(request.signal)) };
  },
});

const logs: Route = route({
  method: "get",
  path: "/api/servers/{name}/logs",
  scope: "operate",
  tag: "Servers",
  summary: "What a local server wrote to its standard error",
  answer: {
    status: 200,
    description: "The last lines, oldest first.",
    schema: z.object({ lines: z.array(z.string()) }),
    example: { lines: ["Secure MCP Filesystem Server running on stdio"] },
  },
  errors: ["SERVER_NOT_FOUND"],
  handle: (request, deps) => ({
    body: { lines: deps.registry.logs(serverSeen(request, deps).name) },
  }),
});

/** `/api/servers`: a server that is a program on this machine takes an admin of the whole gateway. */
export const serverRoutes: readonly Route[] = [
  list,
  add,
  testCandidate,
  get,
  replace,
  remove,
  testOne,
  logs,
  drain,
  resume,
  setBreaker,
  linkHistory,
];

function onServer({ params }: { params: Readonly<Record<string, string>> }): string {
  return `server:${params["name"] ?? ""}`;
}

function thing(name: string | undefined, { registry }: ApiDeps): Required<AuditedThing> {
  const view = registry.server(name ?? "");
  return { project: projectOf(view), shown: view.options };
}

const tested = z.object({ ok: z.boolean(), error: z.object({ code: z.string() }).optional() });

function testedAs(answer: Answer | undefined): Record<string, unknown> {
  const { ok, error } = tested.safeParse(answer?.body).data ?? {};
  return { ...(ok !== undefined && { ok }), ...(error && { code: error.code }) };
}

// The rest is shown without it while the database is away.
async function storedUptime(
  name: string,
  deps: ApiDeps,
): Promise<readonly LinkUptime[] | undefined> {
  try {
    return await deps.linkUptime(name);
  } catch (error) {
    if (isSignalboxError(error) && error.code === "STORE_UNAVAILABLE") return undefined;
    throw error;
  }
}

type Status = NonNullable<ServerView["status"]>;

function presented(view: ServerView): object {
  const { status, ...rest } = view;
  if (status === undefined) return { ...rest, status: unstarted(view) };
  const { name: _name, since, lastError, era_probed_at: eraProbedAt, missing, ...figures } = status;
  const absent = missing ?? (isFailing(status.state) ? failure(status) : undefined);
  return {
    ...rest,
    status: {
      ...figures,
      since: iso(since),
      ...(eraProbedAt !== undefined && { eraProbedAt: iso(eraProbedAt) }),
      ...(lastError && { lastError: { ...lastError, at: iso(lastError.at) } }),
    },
    ...(absent && { missing: absent }),
  };
}

// A server whose lists nobody has asked for since it failed is as absent as one of which the lists have noticed.
function failure({ since, lastError }: Pick<Status, "since" | "lastError">): object {
  const { code = "INTERNAL", message } = lastError ?? {};
  return { reason: code, ...(message !== undefined && { message }), since: iso(since) };
}

// The gateway keeps nothing running for a server that is switched off.
function unstarted({ options: own, origin, needs }: ServerView): object {
  const { enabled, command, transport } = own;
  const figures = { calls: 0, errors: 0 };
  if (needs !== undefined) return { state: "not_configured", transport: "in-process", ...figures };
  if (origin === "service")
    return { state: enabled === false ? "disabled" : "idle", transport: "in-process", ...figures };
  const kind = transport ?? (command === undefined ? "streamable-http" : "stdio");
  return { state: enabled === false ? "disabled" : "idle", transport: kind, ...figures };
}

function serviceFigures({ name, origin }: ServerView, deps: ApiDeps): object {
  const known = origin === "service" ? deps.serviceFacts?.(name) : undefined;
  if (known === undefined) return {};
  const { health, rates, connected } = known;
  return {
    service: {
      connected,
      ...(health !== undefined && { health: { ...health, at: iso(health.at) } }),
      rates: rates.map(({ resetsAt, ...rate }) => ({
        ...rate,
        ...(resetsAt !== undefined && { resetsAt: iso(resetsAt) }),
      })),
    },
  };
}

function endpointRoute(about: {
  verb: "drain" | "resume";
  summary: string;
  description: string;
  done: string;
}): Route {
  const { verb, summary, description, done } = about;
  return route({
    method: "post",
    path: `/api/servers/{name}/endpoints/{endpoint}/${verb}`,
    scope: "operate",
    tag: "Servers",
    summary,
    description,
    body: z.strictObject({}),
    bodyExample: {},
    bodyOptional: true,
    answer: { status: 204, description: done },
    errors: ["SERVER_NOT_FOUND", "SERVER_DISABLED", "ENDPOINT_NOT_FOUND"],
    audit: {
      action: `endpoint.${verb}`,
      target: onServer,
      state: ({ params }, deps) => ({ project: thing(params["name"], deps).project }),
      details: ({ params }) => ({ endpoint: params["endpoint"] }),
    },
    handle: (request, deps) => {
      const { name } = serverSeen(request, deps);
      deps.registry.drainEndpoint(name, request.params["endpoint"] ?? "", verb === "drain");
      return { status: 204 };
    },
  });
}

function presentedFacts({ endpoints, breakers, crashLoop, ...facts }: ServerFacts): object {
  return {
    ...facts,
    endpoints: endpoints.map(presentedEndpoint),
    breakers: {
      server: { ...breakers.server, since: iso(breakers.server.since) },
      tools: Object.fromEntries(
        Object.entries(breakers.tools).map(([tool, one]) => [
          tool,
          { ...one, since: iso(one.since) },
        ]),
      ),
    },
    ...(crashLoop && { crashLoop: timed(crashLoop, "since") }),
  };
}

function presentedEndpoint(one: ServerFacts["endpoints"][number]): object {
  const { since, lastError, history, processes, balance, ...figures } = one;
  return {
    ...figures,
    since: iso(since),
    ...(processes && { processes: processes.map((each) => timed(each, "startedAt")) }),
    balance: timed(balance, "ejectedUntil"),
    ...(lastError && { lastError: { ...lastError, at: iso(lastError.at) } }),
    history: history.map((step) => ({ ...step, at: iso(step.at) })),
  };
}

/** The facts with the time under `name`, where there is one, as text. */
function timed<Name extends string>(
  facts: { readonly [key in Name]?: number | undefined },
  name: Name,
): object {
  const { [name]: at, ...others } = facts;
  return { ...others, ...(at !== undefined && { [name]: iso(at) }) };
}

function requirePassed(name: string, test: TestReport): void {
  if (test.ok) return;
  throw new SignalboxError(
    "SERVER_UNREACHABLE",
    `The server "${name}" was not added, since its test failed: ${test.error?.message ?? "it does not answer"}`,
    { details: { test } },
  );
}

function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

// A first start may download the server's package.
function within(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(testWithinMs)]);
}

const testWithinMs = 110_000;
