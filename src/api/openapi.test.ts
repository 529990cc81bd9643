import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { startApi } from "../../test/support/api-over-http.ts";
import { openapiDocument } from "./openapi.ts";
import { routeTable } from "./route-table.ts";

const root = join(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const shape = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        operationId: z.string(),
        summary: z.string(),
        security: z.array(z.unknown()).optional(),
        responses: z.record(z.string(), z.looseObject({ description: z.string() })),
      }),
    ),
  ),
});
const { version } = z.object({ version: z.string() }).parse(JSON.parse(read("package.json")));
const document = shape.parse(openapiDocument(routeTable, version));

test("openapi.json is what the routes say; `npm run docs` writes it", () => {
  expect(JSON.parse(read("openapi.json"))).toEqual(
    JSON.parse(JSON.stringify(openapiDocument(routeTable, version))),
  );
});

test("every route is described, and nothing else", () => {
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(described.toSorted()).toEqual(
    routeTable.map(({ method, path }) => `${method} ${path}`).toSorted(),
  );
});

test("every route with a scope asks for a key and tells of its refusal, and names are unique", () => {
  const ids = new Set<string>();
  for (const { method, path, scope, errors = [] } of routeTable) {
    const operation = document.paths[path]?.[method];
    ids.add(operation?.operationId ?? "");
    expect([path, operation?.security !== undefined]).toEqual([path, scope !== "public"]);
    // Whoever signs in has no key yet, and may be refused all the same.
    const refuses = scope !== "public" || errors.includes("SIGN_IN_FAILED");
    expect([path, "401" in (operation?.responses ?? {})]).toEqual([path, refuses]);
  }
  expect(ids.size).toBe(routeTable.length);
});

test("it is served to holders of a key as it is committed", async () => {
  const { ask } = await startApi();
  const { json } = await ask("caller", "GET", "/openapi.json");
  expect(json.openapi).toBe("3.1.0");
  expect(Object.keys(json.paths)).toEqual(Object.keys(document.paths));
});
