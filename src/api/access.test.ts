import { expect, test } from "vitest";
import { keyOf, startApi } from "../../test/support/api-over-http.ts";
import { builtinRoleNames, builtinRoles } from "../access/index.ts";
import { createApi } from "./create-api.ts";
import { routeTable } from "./route-table.ts";
import type { Route } from "./route.ts";

const filled = (path: string): string => path.replaceAll(/\{\w+\}/g, "anything");

/** Their links are the credential: without a sealed ticket, or the state of a consent under way, there is nothing here. */
const byLink = new Map([
  ["/connect", 410],
  ["/connect/start", 410],
  ["/connect/callback", 410],
  ["/connect/end", 410],
]);

test("every address but health, readiness and what is public by nature refuses who has no key", async () => {
  const { ask } = await startApi();
  const open: string[] = [];
  for (const { method, path } of routeTable) {
    const answer = await ask(undefined, method.toUpperCase(), filled(path));
    if (answer.status < 400) {
      open.push(path);
      continue;
    }
    expect([path, answer.status]).toEqual([path, byLink.get(path) ?? 401]);
    if (byLink.has(path)) continue;
    expect(answer.json).toMatchObject({
      code: "KEY_MISSING",
      requestId: expect.stringMatching(/^req_/),
      docs: "docs/errors/KEY_MISSING.md",
    });
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="signalbox"');
  }
  expect(open.toSorted()).toEqual([
    "/",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp/{bundle}",
    "/.well-known/oauth-protected-resource/{endpoint}",
    "/connect/client.json",
    "/health",
    "/ready",
  ]);
});

test("a wrong key is refused, from loopback too, and beside a right one", async () => {
  const { ask } = await startApi();
  const wrong = await ask(undefined, "GET", "/api/servers", undefined, {
    "x-api-key": "sbx_wrong",
  });
  expect(wrong.status).toBe(401);
  expect(wrong.json.code).toBe("KEY_INVALID");
  expect(wrong.headers.get("www-authenticate")).toContain('error="invalid_token"');
  const mixed = await ask("admin", "GET", "/api/servers", undefined, { "x-mcp-key": "sbx_wrong" });
  expect(mixed.status).toBe(401);
  const basic = await ask(undefined, "GET", "/api/servers", undefined, {
    authorization: `Basic ${keyOf("admin")}`,
  });
  expect(basic.json.code).toBe("KEY_INVALID");
});

test("each role reaches what its scopes name and is refused the rest", async () => {
  const { ask } = await startApi();
  for (const { method, path, scope, gatewayWide } of routeTable) {
    if (scope === "public") continue;
    for (const role of builtinRoleNames) {
      const { status, json } = await ask(role, method.toUpperCase(), filled(path));
      const wide = role !== "developer" && role !== "caller";
      const what = `${role} ${method} ${path}`;
      // What a handler refuses for another reason tells that reason.
      const { details } = json ?? {};
      const refused = status === 403 && (details?.scope ?? details?.project) !== undefined;
      const included = builtinRoles[role].scopes.includes(scope);
      expect([what, refused]).toEqual([what, !included || (gatewayWide === true && !wide)]);
    }
  }
});

test("a caller's key cannot add a server, and nothing is started", async () => {
  const { ask, gateway, store } = await startApi();
  for (const role of ["caller", "operator"] as const) {
    const body = { name: "evil", command: "sh", args: ["-c", "id"] };
    for (const path of ["/api/servers", "/api/servers/test", "/api/servers?test=true"]) {
      const answer = await ask(role, "POST", path, body);
      expect(answer.status).toBe(403);
      expect(answer.json).toMatchObject({ code: "FORBIDDEN", details: { scope: "manage" } });
    }
  }
  expect(gateway.tested).toEqual([]);
  expect(store.servers.rows.size).toBe(0);
});

test("a stranger is not told what exists below /api", async () => {
  const { ask } = await startApi();
  for (const [method, path] of [
    ["GET", "/api/nothing"],
    ["PATCH", "/api/servers"],
    ["GET", "/api/servers/fixed"],
    ["GET", "/api/servers/unknown"],
    ["GET", "/api"],
  ] as const)
    expect([path, (await ask(undefined, method, path)).status]).toEqual([path, 401]);
});

test("a route without a scope is refused when the table is built", async () => {
  const { deps } = await startApi();
  const [first] = routeTable;
  if (first === undefined) throw new Error("the table is empty");
  const unscoped: Route = { ...first };
  Reflect.deleteProperty(unscoped, "scope");
  expect(() => createApi(deps, [unscoped])).toThrow(/no scope/);
});

test("callers see their own calls only", async () => {
  const { ask, filters } = await startApi();
  await ask("caller", "GET", "/api/calls?principalId=admin");
  expect(filters).toEqual([]);
  await ask("caller", "GET", "/api/calls");
  await ask("operator", "GET", "/api/calls?server=files&outcome=error&limit=7");
  expect(filters).toEqual([
    { limit: 50, principalId: "caller" },
    { limit: 7, server: "files", outcome: "error" },
  ]);
});

test("a key limited to bundles sees the catalog of these alone", async () => {
  const { ask } = await startApi();
  expect((await ask("bundled", "GET", "/api/catalog?bundle=coding")).status).toBe(200);
  expect((await ask("bundled", "GET", "/api/catalog?bundle=other")).status).toBe(403);
  expect((await ask("bundled", "GET", "/api/catalog")).json).toMatchObject({
    code: "FORBIDDEN",
    details: { bundles: ["coding"] },
  });
  expect((await ask("caller", "GET", "/api/catalog?bundle=absent")).json.code).toBe(
    "BUNDLE_NOT_FOUND",
  );
});
