import type { z } from "@hono/zod-openapi";
import type { Principal, Scope } from "../access/index.ts";
import type { ErrorCode } from "../foundation/index.ts";
import type { ApiDeps } from "./ports.ts";

/** One address of the API: what it needs, what it takes, what it answers. The table of routes is made of these. */
export interface Route {
  readonly method: "get" | "post" | "put" | "delete";
  /** With parameters in braces, as in OpenAPI: `/api/servers/{name}`. */
  readonly path: string;
  /** What the key must include; "public" needs no key. A route without one is refused when the table is built. */
  readonly scope: Scope | "public";
  /** True where it concerns every project, so that a principal of one may not use it. */
  readonly gatewayWide?: true;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly bodyExample?: unknown;
  /** True where the body is that of a plain form. */
  readonly isForm?: true;
  /** True where a request may also come without a body. */
  readonly bodyOptional?: boolean;
  readonly answer: AnswerShape;
  /** Answers beside the first that are no errors. */
  readonly otherAnswers?: readonly AnswerShape[];
  /** Codes it may fail with, beside those of every route. */
  readonly errors?: readonly ErrorCode[];
  /** How its requests are told to the audit trail: said by every route that changes something. */
  readonly audit?: RouteAudit<unknown, unknown>;
  handle(request: RouteRequest<unknown, unknown>, deps: ApiDeps): Promise<Answer> | Answer;
}

export interface AnswerShape {
  readonly status: number;
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly contentType?: string;
  readonly example?: unknown;
}

export interface RouteRequest<Query, Body> {
  /** Path parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** Who asks; `anonymous` on public routes. */
  readonly principal: Principal;
  /** The token of the session that was presented; undefined where a key was, or nothing was looked at. */
  readonly session: string | undefined;
  /** Tells that something was not shown to the principal, as `kind:name`, and how that was answered. */
  readonly hid: (target: string, code: ErrorCode) => void;
  readonly headers: Headers;
  /** The socket's peer. */
  readonly address: string | undefined;
  readonly requestId: string;
  /** Ends when the client goes away. */
  readonly signal: AbortSignal;
}

/** What a route does, for the audit trail. Nothing in it may be secret. */
export interface RouteAudit<Query, Body> {
  /** `kind.verb`; `kind.put` comes out as create or update, by whether the thing was there before. */
  readonly action: string;
  /** What it is done to, as `kind:name`; without an answer the request failed. */
  target?(request: RouteRequest<Query, Body>, answer?: Answer): string | undefined;
  /** The thing, as the API shows it, asked before the handler and after it. May throw where there is none. */
  state?(
    request: RouteRequest<Query, Body>,
    deps: ApiDeps,
    answer?: Answer,
  ): Promise<AuditedThing | undefined> | AuditedThing | undefined;
  details?(request: RouteRequest<Query, Body>, answer?: Answer): Record<string, unknown>;
}

export interface AuditedThing {
  readonly project?: string;
  readonly shown?: unknown;
}

export interface Answer {
  readonly status?: number;
  /** Sent as JSON; for other types give `text`, or `stream`, and `contentType`. */
  readonly body?: unknown;
  readonly text?: string;
  /** Sent piece by piece, as fast as the client takes it. */
  readonly stream?: AsyncIterable<string>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Each a `Set-Cookie` header. */
  readonly cookies?: readonly string[];
}

/** A route whose handler sees its query and body as their schemas make them. */
export function route<Query extends z.ZodObject = z.ZodObject, Body extends z.ZodType = z.ZodType>(
  definition: Omit<Route, "query" | "body" | "audit" | "handle"> & {
    query?: Query;
    body?: Body;
    audit?: RouteAudit<z.output<Query>, z.output<Body>>;
    handle(
      request: RouteRequest<z.output<Query>, z.output<Body>>,
      deps: ApiDeps,
    ): Promise<Answer> | Answer;
  },
): Route {
  return definition;
}
