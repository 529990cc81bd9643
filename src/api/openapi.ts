import { OpenAPIHono, z } from "@hono/zod-openapi";
import { errorTable } from "../foundation/index.ts";
import type { ErrorCode } from "../foundation/index.ts";
import { envelopedErrorSchema, isEnveloped } from "./envelope.ts";
import { errorSchema } from "./error-answer.ts";
import type { AnswerShape, Route } from "./route.ts";

/** The OpenAPI 3.1 document of a table of routes; the same table and version always give the same text. */
export function openapiDocument(routes: readonly Route[], version: string): object {
  const app = new OpenAPIHono();
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "key", {
    type: "http",
    scheme: "bearer",
    description:
      "A key of this gateway (`sbx_…`), which `X-API-Key` and `X-MCP-Key` carry as well; a JWT signed with the shared secret; or an OAuth access token issued for `/api`.",
  });
  for (const route of routes) registry.registerPath(pathOf(route));
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Signalbox",
      version,
      license: { name: "MIT" },
      description:
        "The HTTP API of the Signalbox MCP gateway: servers, bundles, projects, roles, keys, the call log and the catalog. MCP itself is served at `/mcp` and `/mcp/{bundle}`.",
    },
    servers: [{ url: "/", description: "This gateway." }],
    tags: [...new Set(routes.map((route) => route.tag))].map((name) => ({ name })),
  });
}

type Registry = OpenAPIHono["openAPIRegistry"];
type PathConfig = Parameters<Registry["registerPath"]>[0];

function pathOf(route: Route): PathConfig {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  return {
    method: route.method,
    path: route.path,
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    description: describeWithScope(route),
    ...(route.scope !== "public" && { security: [{ key: [] }] }),
    request: {
      ...(names.length > 0 && {
        params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
      }),
      ...(route.query && { query: route.query }),
      ...(route.body && {
        body: {
          required: route.bodyOptional !== true,
          content: { "application/json": { schema: route.body, example: route.bodyExample } },
        },
      }),
    },
    responses: responsesOf(route),
  };
}

function describeWithScope(route: Route): string {
  const wide = route.gatewayWide === true ? ", and a key of every project" : "";
  const scope =
    route.scope === "public" ? "Needs no key." : `Needs the scope \`${route.scope}\`${wide}.`;
  return route.description === undefined ? scope : `${route.description} ${scope}`;
}

function responsesOf(route: Route): PathConfig["responses"] {
  const responses: PathConfig["responses"] = {};
  const schema = isEnveloped(route.path) ? envelopedErrorSchema : errorSchema;
  for (const [status, codes] of byStatus(codesOf(route))) {
    responses[status] = {
      description: codes.map((code) => `\`${code}\`: ${errorTable[code].summary}`).join(" "),
      content: { "application/json": { schema } },
    };
  }
  for (const answer of [route.answer, ...(route.otherAnswers ?? [])])
    responses[answer.status] = responseOf(answer);
  return responses;
}

function responseOf(answer: AnswerShape): PathConfig["responses"][string] {
  const { description, schema, contentType, example } = answer;
  if (schema === undefined && contentType === undefined) return { description };
  const content = {
    schema: schema ?? { type: "string" as const },
    ...(example !== undefined && { example }),
  };
  return { description, content: { [contentType ?? "application/json"]: content } };
}

function codesOf(route: Route): ErrorCode[] {
  const codes: ErrorCode[] = [...(route.errors ?? [])];
  if (route.scope !== "public") codes.push(...CREDENTIAL_CODES);
  if (route.query !== undefined || route.body !== undefined) codes.push("BODY_INVALID");
  if (route.body !== undefined) codes.push("BODY_TOO_LARGE", "CONTENT_TYPE");
  return codes;
}

const CREDENTIAL_CODES: readonly ErrorCode[] = [
  "KEY_MISSING",
  "KEY_INVALID",
  "KEY_EXPIRED",
  "KEY_REVOKED",
  "TOKEN_INVALID",
  "TOKEN_EXPIRED",
  "TOKEN_AUDIENCE",
  "TOKEN_SCOPE",
  "CREDENTIAL_MALFORMED",
  "AUTH_LOCKED",
  "AUTH_UNAVAILABLE",
  "FORBIDDEN",
];

function byStatus(codes: readonly ErrorCode[]): [number, ErrorCode[]][] {
  const groups = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorTable[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return [...groups].toSorted(([one], [other]) => one - other);
}

function operationId({ method, path }: Route): string {
  const words = path.split(/[/{}.]+/).filter((word) => word !== "" && word !== "api");
  return [method, ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join("");
}
