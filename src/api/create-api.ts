import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { HttpBindings } from "@hono/node-server";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { Denials, allows, anonymous, scopes } from "../access/index.ts";
import type { Principal } from "../access/index.ts";
import type { ErrorCode, Log } from "../foundation/index.ts";
import {
  isSignalboxError,
  messageOf,
  parseTraceparent,
  SignalboxError,
} from "../foundation/index.ts";
import { envelopedError, isEnveloped } from "./envelope.ts";
import { errorAnswer } from "./error-answer.ts";
import { parseInput } from "./input-problems.ts";
import { readJsonBody } from "./json-body.ts";
import { openapiDocument } from "./openapi.ts";
import type { ApiDeps } from "./ports.ts";
import { recorded } from "./recorded.ts";
import { requestIdOf } from "./request-id.ts";
import type { Answer, Route } from "./route.ts";
import { routeTable } from "./route-table.ts";
import { securityHeaders } from "./security-headers.ts";
import { nearestName } from "./suggestion.ts";
import { trafficRecorder } from "./traffic.ts";

/** The HTTP API: serves every path that is not the data plane's. The listener has checked Host and Origin before. */
export interface Api {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** The OpenAPI 3.1 document of this API. */
  openapi(): object;
}

/** The API over the given parts of the gateway. Throws when the route table has a route without a scope. */
export function createApi(deps: ApiDeps, routes: readonly Route[] = routeTable): Api {
  const app = new OpenAPIHono<Environment>();
  const log = deps.log.child({ area: "api" });
  recordTraffic(app, { ...deps, log });
  const denials = new Denials(deps.metrics, deps.audit);
  for (const route of routes) addRoute(app, route, deps, denials);
  refuseOtherMethods(app, routes, deps);
  // A route and not `notFound`, whose errors would pass by the recording of traffic.
  app.all("*", async (c) => {
    await requireKeyBelowApi(c, deps);
    throw unknownAddress(c.req.method, c.req.path, routes);
  });
  app.onError((error, c) => {
    const answer = errorAnswer(error, c.get("requestId"), log);
    const { path } = c.req;
    return responseOf(isEnveloped(path) ? envelopedError(answer, deps.clock.now()) : answer);
  });
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => responseOf(errorAnswer(refused(error), requestIdOf(undefined), log)),
  });
  return {
    handle: (req, res) => void listener(req, res),
    openapi: () => openapiDocument(routes, deps.version),
  };
}

interface Environment {
  Bindings: HttpBindings;
  Variables: { requestId: string; route: string; principal: string };
}

type App = OpenAPIHono<Environment>;
type RequestContext = Context<Environment>;

function recordTraffic(app: App, { clock, metrics, log }: ApiDeps): void {
  const record = trafficRecorder(metrics, log);
  app.use("*", async (c, next) => {
    const startedAt = clock.monotonicMs();
    const requestId = requestIdOf(c.req.header("x-request-id"));
    c.set("requestId", requestId);
    await next();
    for (const [name, value] of Object.entries(securityHeaders)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    c.res.headers.set("X-Request-Id", requestId);
    record({
      method: c.req.method,
      path: c.req.path.slice(0, 500),
      route: c.get("route") ?? "_unmatched",
      statusCode: c.res.status,
      durationMs: clock.monotonicMs() - startedAt,
      ip: c.env.incoming.socket.remoteAddress,
      requestId,
      traceId: parseTraceparent(c.req.header("traceparent"))?.traceId,
      principal: c.get("principal"),
    });
  });
}

function addRoute(app: App, route: Route, deps: ApiDeps, denials: Denials): void {
  if (!known.has(route.scope)) {
    throw new TypeError(
      `The route ${route.method} ${route.path} has no scope; "public" must be said.`,
    );
  }
  app.on(route.method.toUpperCase(), routerPath(route), async (c) => {
    c.set("route", route.path);
    const principal = route.scope === "public" ? anonymous : await authenticated(c, deps);
    const denied = (target: string, code: ErrorCode): void => {
      if (route.scope === "public") return;
      const address = c.env.incoming.socket.remoteAddress;
      const requestId = c.get("requestId");
      denials.add({ principal, scope: route.scope, target, code, requestId, address });
    };
    try {
      requireScope(principal, route, deps);
      const body = route.body === undefined ? undefined : await bodyOf(c, route);
      const request = {
        params: c.req.param(),
        query: route.query === undefined ? undefined : parseInput("query", route.query, queryOf(c)),
        body,
        principal,
        hid: denied,
        headers: c.req.raw.headers,
        address: c.env.incoming.socket.remoteAddress,
        requestId: c.get("requestId"),
        signal: c.req.raw.signal,
      };
      const answer = await recorded(route, request, deps);
      return answer.stream === undefined ? responseOf(answer) : streamed(c, answer, deps.log);
    } catch (error) {
      if (isSignalboxError(error) && error.code === "FORBIDDEN") {
        denied(`route:${route.method.toUpperCase()} ${route.path}`, error.code);
      }
      throw error;
    }
  });
}

function requireScope(principal: Principal, { scope, gatewayWide }: Route, deps: ApiDeps): void {
  if (scope === "public") return;
  const lacks = deps.lacksScope(principal, scope);
  if (lacks !== undefined) throw lacks;
  const { role, project } = principal;
  if (!allows(principal, scope)) {
    throw new SignalboxError(
      "FORBIDDEN",
      `A key of the role "${role}" may not do this: it needs the scope "${scope}".`,
      { details: { role, scope } },
    );
  }
  if (gatewayWide === true && !principal.permissions.gatewayWide) {
    throw new SignalboxError(
      "FORBIDDEN",
      `This concerns every project, and the key is of the project "${project}".`,
      { details: { role, project } },
    );
  }
}

async function authenticated(c: RequestContext, deps: ApiDeps): Promise<Principal> {
  const outcome = await deps.authenticate(c.env.incoming, c.get("requestId"));
  if (!outcome.ok) {
    const { code, message, headers } = outcome;
    throw new SignalboxError(code, message, headers === undefined ? {} : { headers });
  }
  c.set("principal", outcome.principal.name);
  return outcome.principal;
}

async function bodyOf(c: RequestContext, route: Route): Promise<unknown> {
  const given = await readJsonBody(c.env.incoming, { signal: c.req.raw.signal });
  if (given === undefined && route.bodyOptional === true) return undefined;
  if (given === undefined)
    throw new SignalboxError("BODY_INVALID", "The request needs a JSON body.");
  return route.body === undefined ? undefined : parseInput("body", route.body, given);
}

function queryOf(c: RequestContext): Record<string, string> {
  const entries = Object.entries(c.req.queries()).map(([name, values]) => {
    const [value = "", ...others] = values;
    if (others.length === 0) return [name, value] as const;
    throw new SignalboxError("BODY_INVALID", `"${name.slice(0, 64)}" stands twice in the query.`);
  });
  return Object.fromEntries(entries);
}

// Registered after all routes, so that a path with a parameter keeps the methods it has.
function refuseOtherMethods(app: App, routes: readonly Route[], deps: ApiDeps): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map((route) => route.method);
    const allow = methods.map((method) => method.toUpperCase());
    if (methods.includes("get")) allow.push("HEAD");
    app.all(routerPath({ path }), async (c) => {
      c.set("route", path);
      await requireKeyBelowApi(c, deps);
      throw new SignalboxError("METHOD_NOT_ALLOWED", `${path} takes ${allow.join(", ")}.`, {
        details: { allow },
      });
    });
  }
}

// A stranger is not told what exists below /api and what does not.
async function requireKeyBelowApi(c: RequestContext, deps: ApiDeps): Promise<void> {
  if (c.req.path === "/api" || c.req.path.startsWith("/api/")) await authenticated(c, deps);
}

function unknownAddress(method: string, path: string, routes: readonly Route[]): SignalboxError {
  const nearest = nearestName(path, [...routes.map((route) => route.path), "/mcp"]);
  const hint =
    nearest === undefined ? "/openapi.json lists all addresses" : `did you mean ${nearest}?`;
  return new SignalboxError(
    "NOT_FOUND",
    `There is nothing at ${method} ${path.slice(0, 200)}; ${hint}`,
    {
      details: {
        addresses: "/openapi.json",
        ...(nearest !== undefined && { suggestion: nearest }),
      },
    },
  );
}

// What the adapter cannot make a request of: a malformed address or Host header.
function refused(cause: unknown): SignalboxError {
  return new SignalboxError("BODY_INVALID", "The request line or its headers cannot be read.", {
    cause,
  });
}

function responseOf({ status = 200, body, text, contentType, headers }: Answer): Response {
  if (status === 204) return new Response(null, { status, headers: { ...headers } });
  return new Response(text ?? JSON.stringify(body), {
    status,
    headers: { "Content-Type": contentType ?? "application/json", ...headers },
  });
}

function streamed(c: RequestContext, answer: Answer, log: Log): Response {
  const { status = 200, stream = [], contentType, headers } = answer;
  const requestId = c.get("requestId");
  // The status is long out by then: only a connection that breaks tells that something is missing.
  const failed = (error: unknown): void => {
    log.error({ requestId, problem: messageOf(error) }, "An answer broke off in the middle");
    c.env.outgoing.destroy();
  };
  const pieces = ReadableStream.from(untilItFails(stream, failed));
  return new Response(pieces.pipeThrough(new TextEncoderStream()), {
    status,
    headers: { "Content-Type": contentType ?? "application/json", ...headers },
  });
}

async function* untilItFails(
  stream: AsyncIterable<string> | Iterable<string>,
  failed: (error: unknown) => void,
): AsyncGenerator<string> {
  try {
    yield* stream;
  } catch (error) {
    failed(error);
  }
}

function routerPath({ path }: Pick<Route, "path">): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

const known: ReadonlySet<string> = new Set(["public", ...scopes]);
