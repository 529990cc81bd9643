// An administrator of one project, over the API: its own project is all there is.
import { describe, expect, test } from "vitest";
import { startApi } from "../../test/support/api-over-http.ts";
import type { Fixture, Holder } from "../../test/support/api-over-http.ts";

const url = "https://a.example/mcp";

/** A server, a bundle and a key of the default project, and of the neighbour's. */
async function twoProjects(): Promise<Fixture & { keys: Record<string, string> }> {
  const api = await startApi();
  const keys: Record<string, string> = {};
  for (const [holder, name] of [
    ["admin", "ours"],
    ["neighbour", "theirs"],
  ] as const) {
    expect((await api.ask(holder, "POST", "/api/servers", { name, url })).status).toBe(201);
    expect((await api.ask(holder, "POST", "/api/bundles", { name })).status).toBe(201);
    const made = await api.ask(holder, "POST", "/api/keys", { name });
    keys[name] = made.json.record.id;
  }
  return { ...api, keys };
}

const named = (list: { name: string }[]): string[] => list.map(({ name }) => name);

test("what an administrator of a project makes is its project's, and its lists show nothing else", async () => {
  const { ask } = await twoProjects();
  const seen = async (who: Holder, what: string): Promise<string[]> =>
    named((await ask(who, "GET", `/api/${what}`)).json[what]);
  expect(await seen("neighbour", "servers")).toEqual(["theirs"]);
  expect(await seen("neighbour", "bundles")).toEqual(["theirs"]);
  expect(await seen("neighbour", "projects")).toEqual(["elsewhere"]);
  expect(await seen("neighbour", "keys")).toEqual(["neighbour of the test", "theirs"]);
  expect(await seen("developer", "servers")).toEqual(["fixed", "ours"]);
  expect(await seen("admin", "servers")).toEqual(["fixed", "ours", "theirs"]);
  expect((await ask("neighbour", "GET", "/api/servers/theirs")).json.options.project).toBe(
    "elsewhere",
  );
  const status = await ask("neighbour", "GET", "/api/status");
  expect(status.json).toMatchObject({ servers: { total: 1 }, bundles: 1 });
  expect(status.text).not.toContain("db.internal");
});

describe("what is of another project", () => {
  test("is answered like what is not there, and told to the audit trail", async () => {
    const { ask, keys, audited } = await twoProjects();
    const body = { url };
    for (const [method, path, given] of [
      ["GET", "/api/servers/NAME"],
      ["PUT", "/api/servers/NAME", body],
      ["DELETE", "/api/servers/NAME"],
      ["POST", "/api/servers/NAME/test"],
      ["GET", "/api/servers/NAME/logs"],
      ["GET", "/api/servers/NAME/history"],
      ["POST", "/api/servers/NAME/breaker", { state: "open" }],
      ["POST", "/api/servers/NAME/endpoints/x/drain"],
      ["POST", "/api/cache/clear", { server: "NAME" }],
      ["GET", "/api/bundles/NAME"],
      ["PUT", "/api/bundles/NAME", {}],
      ["DELETE", "/api/bundles/NAME"],
      ["DELETE", "/api/keys/NAME"],
      ["POST", "/api/access/check", { key: "NAME", server: "theirs", permission: "read" }],
    ] as const) {
      const told = async (name: string): Promise<string> => {
        const filled =
          given === undefined ? undefined : JSON.stringify(given).replace("NAME", name);
        const { status, json } = await ask("neighbour", method, path.replace("NAME", name), filled);
        const message = String(json.message).replaceAll(name, "NAME");
        return `${method} ${path} ${String(status)} ${json.code} ${message}`;
      };
      const theirs =
        path.includes("keys") || path.includes("access") ? (keys["ours"] ?? "") : "ours";
      audited.length = 0;
      expect(await told(theirs)).toBe(await told("none"));
      expect(audited.filter(({ action }) => action === "access.deny")).toMatchObject([
        {
          actor: { id: "neighbour" },
          target: expect.stringContaining(theirs),
        },
      ]);
    }
    expect(named((await ask("admin", "GET", "/api/servers")).json.servers)).toContain("ours");
    expect((await ask("admin", "GET", "/api/bundles/ours")).status).toBe(200);
  });

  test("cannot be taken over: not by naming its project, nor by moving or testing something", async () => {
    const { ask, gateway } = await twoProjects();
    const project = "default";
    for (const [method, path, body] of [
      ["POST", "/api/servers", { name: "new", url, project }],
      ["PUT", "/api/servers/theirs", { url, project }],
      ["POST", "/api/bundles", { name: "new", project }],
      ["PUT", "/api/bundles/theirs", { project }],
      ["POST", "/api/keys", { name: "new", project }],
      ["POST", "/api/keys", { name: "new", project: "*" }],
    ] as const) {
      const { status, json } = await ask("neighbour", method, path, body);
      expect([method, path, status, json.code]).toEqual([method, path, 404, "PROJECT_NOT_FOUND"]);
    }
    const stolen = await ask("neighbour", "POST", "/api/servers/test", { name: "ours", url });
    expect(stolen.status).toBe(403);
    expect(gateway.tested).toEqual([]);
  });
});

test("a server and a bundle stay in their project when a change does not name one", async () => {
  const { ask } = await twoProjects();
  for (const who of ["neighbour", "admin"] as const) {
    const server = await ask(who, "PUT", "/api/servers/theirs", { url: `${url}2` });
    expect(server.json.options).toMatchObject({ url: `${url}2`, project: "elsewhere" });
    const bundle = await ask(who, "PUT", "/api/bundles/theirs", { title: who });
    expect(bundle.json.options).toMatchObject({ title: who, project: "elsewhere" });
  }
  const moved = await ask("admin", "PUT", "/api/servers/theirs", { url, project: "default" });
  expect(moved.json.options.project).toBe("default");
});

test("only an administrator of the whole gateway may have it run a program", async () => {
  const { ask, gateway } = await twoProjects();
  const program = { command: "sh", args: ["-c", "id"] };
  for (const who of ["neighbour", "developer"] as const) {
    for (const [method, path, body] of [
      ["POST", "/api/servers", { name: "evil", ...program }],
      ["POST", "/api/servers?test=true", { name: "evil", ...program }],
      ["POST", "/api/servers/test", program],
      ["PUT", `/api/servers/${who === "neighbour" ? "theirs" : "ours"}`, program],
    ] as const) {
      const { status, json } = await ask(who, method, path, body);
      expect([who, path, status, json.code]).toEqual([who, path, 403, "FORBIDDEN"]);
    }
  }
  expect(gateway.tested).toEqual([]);
  expect((await ask("admin", "POST", "/api/servers", { name: "fine", ...program })).status).toBe(
    201,
  );
});

test("roles and projects are changed by administrators of every project, and read by those who may", async () => {
  const { ask } = await twoProjects();
  const role = {
    name: "reader",
    scopes: ["call"],
    rules: [{ effect: "allow", actions: ["read"] }],
  };
  for (const [path, body] of [
    ["/api/roles", role],
    ["/api/projects", { name: "third" }],
  ] as const) {
    const refused = await ask("neighbour", "POST", path, body);
    expect(refused.json).toMatchObject({ code: "FORBIDDEN", details: { project: "elsewhere" } });
    expect((await ask("admin", "POST", path, body)).status).toBe(201);
    const one = `${path}/${body.name}`;
    expect((await ask("admin", "GET", one)).json.name).toBe(body.name);
    const changed = "rules" in body ? { rules: [] } : { title: "Third" };
    expect((await ask("admin", "PUT", one, changed)).json.options).toMatchObject(changed);
    expect((await ask("admin", "DELETE", one)).status).toBe(204);
    expect((await ask("admin", "GET", one)).status).toBe(404);
  }
  expect((await ask("neighbour", "GET", "/api/projects/default")).json.code).toBe(
    "PROJECT_NOT_FOUND",
  );
  expect((await ask("neighbour", "GET", "/api/roles")).json.roles).toHaveLength(5);
});

test("a key cannot make one that is less limited than itself", async () => {
  const { ask, store, registry } = await startApi();
  const admin = store.records.get("admin");
  if (admin === undefined) throw new Error("there is an admin");
  await ask("admin", "POST", "/api/bundles", { name: "some" });
  const as = async (more: object, wanted: object): Promise<number> => {
    store.records.set("admin", { ...admin, ...more });
    await registry.reload();
    return (await ask("admin", "POST", "/api/keys", { name: "new", ...wanted })).status;
  };
  expect(await as({ rules: [{ effect: "deny", servers: ["secret"] }] }, {})).toBe(403);
  expect(await as({ bundles: ["some"] }, {})).toBe(403);
  expect(await as({ bundles: ["some"] }, { bundles: ["some"] })).toBe(201);
  expect(await as({}, { bundles: "all", role: "auditor", project: "*" })).toBe(201);
});

test("a key with rules of its own shows them", async () => {
  const { ask } = await startApi();
  const rules = [{ effect: "deny", tools: ["files__write"] }];
  const made = await ask("admin", "POST", "/api/keys", { name: "narrow", rules });
  expect(made.json.record).toMatchObject({ role: "caller", project: "default", rules });
  const wrong = await ask("admin", "POST", "/api/keys", {
    name: "k",
    rules: [{ effect: "deny", tool: "x" }],
  });
  expect(wrong.json).toMatchObject({ code: "BODY_INVALID" });
  const role = await ask("admin", "POST", "/api/keys", { name: "k", role: "none" });
  expect(role.json).toMatchObject({ code: "ROLE_NOT_FOUND" });
});

test("whoever manages some servers only neither changes others nor describes their tools", async () => {
  const { ask, store, registry } = await startApi();
  const developer = store.records.get("developer");
  if (developer === undefined) throw new Error("there is a developer");
  const rules = [
    { effect: "allow" as const, servers: ["mine*"] },
    { effect: "deny" as const, servers: ["mine-not"] },
  ];
  store.records.set("developer", { ...developer, rules });
  await registry.reload();
  const statusOf = async (method: string, path: string, body?: object): Promise<number> =>
    (await ask("developer", method, path, body)).status;
  expect(await statusOf("POST", "/api/servers", { name: "mine", url })).toBe(201);
  expect(await statusOf("POST", "/api/servers", { name: "other", url })).toBe(403);
  expect(await statusOf("POST", "/api/servers", { name: "mine-not", url })).toBe(403);
  expect(await statusOf("GET", "/api/servers/fixed")).toBe(404);
  const hints = { annotations: { readOnlyHint: true } };
  expect(await statusOf("POST", "/api/bundles", { name: "a", tools: { mine__x: hints } })).toBe(
    201,
  );
  expect(await statusOf("POST", "/api/bundles", { name: "b", tools: { fixed__x: hints } })).toBe(
    403,
  );
});

describe("what calls carried", () => {
  const entry = (principalId: string) => ({
    id: `c-${principalId}`,
    at: 0,
    principalId,
    principalName: principalId,
    project: "default",
    method: "tools/call",
    outcome: "ok" as const,
    durationMs: 1,
    upstreamMs: 1,
    ownMs: 0,
    requestBytes: 1,
    responseBytes: 1,
    requestId: "r",
    era: "modern" as const,
    arguments: { of: principalId },
  });

  test("is in no list, not even of who made them", async () => {
    const { ask, audited } = await startApi({
      calls: () => Promise.resolve([entry("operator"), entry("caller")]),
    });
    for (const who of ["admin", "operator", "auditor"] as const) {
      const { calls } = (await ask(who, "GET", "/api/calls")).json;
      expect(calls).toHaveLength(2);
      expect(JSON.stringify(calls)).not.toContain("arguments");
    }
    expect(audited).toEqual([]);
  });

  test("is shown with a call to whoever made it and to auditors, whose look is told", async () => {
    const { ask, audited } = await startApi({
      call: (id) => Promise.resolve(id.startsWith("c-") ? entry(id.slice("c-".length)) : undefined),
    });
    const seen = async (who: Holder, call: string): Promise<unknown> => {
      const { status, json } = await ask(who, "GET", `/api/calls/${call}`);
      return status === 200 ? (json.arguments ?? "hidden") : json.code;
    };
    expect(await seen("admin", "c-caller")).toBe("hidden");
    expect(await seen("caller", "c-caller")).toEqual({ of: "caller" });
    expect(await seen("caller", "c-operator")).toBe("NOT_FOUND");
    expect(await seen("neighbour", "c-caller")).toBe("NOT_FOUND");
    expect(await seen("admin", "none")).toBe("NOT_FOUND");
    expect(audited).toEqual([]);
    expect(await seen("auditor", "c-caller")).toEqual({ of: "caller" });
    expect(audited).toMatchObject([
      {
        action: "payload.read",
        actor: { id: "auditor" },
        target: "call:c-caller",
        project: "default",
        requestId: expect.stringMatching(/^req_/),
        address: expect.any(String),
      },
    ]);
  });
});

describe("questions of access", () => {
  const about = (body: object) => ({ server: "fixed", permission: "read", ...body });

  test("are answered to everyone about the own key, about others to administrators and auditors", async () => {
    const { ask } = await startApi();
    const check = async (who: Holder, body: object = {}): Promise<unknown> => {
      const { status, json } = await ask(who, "POST", "/api/access/check", about(body));
      return status === 200 ? json.allowed : json.code;
    };
    expect(await check("caller")).toBe(true);
    expect(await check("developer", { permission: "manage" })).toBe(true);
    expect(await check("developer", { permission: "manage", server: "none" })).toBe(false);
    expect(await check("operator", { permission: "manage" })).toBe(false);
    expect(await check("caller", { key: "caller" })).toBe(true);
    expect(await check("caller", { key: "admin" })).toBe("FORBIDDEN");
    expect(await check("auditor", { key: "caller" })).toBe(true);
    expect(await check("auditor", { key: "none" })).toBe("NOT_FOUND");
    expect(await check("neighbour", { key: "caller" })).toBe("NOT_FOUND");
    await ask("admin", "DELETE", "/api/keys/caller");
    expect(await check("admin", { key: "caller" })).toBe(false);
  });

  test("why is told to who may read, but nothing of servers it may not know of", async () => {
    const { ask } = await startApi();
    const why = async (who: Holder, body: object): Promise<unknown> =>
      (await ask(who, "POST", "/api/access/explain", body)).json;
    expect(await why("operator", { server: "fixed" })).toMatchObject({ reason: "So it is." });
    expect(await why("neighbour", { server: "fixed" })).toEqual({
      allowed: false,
      reason: 'There is no server "fixed" here.',
      role: "admin",
      project: "elsewhere",
    });
    expect(await why("caller", { server: "fixed" })).toMatchObject({ code: "FORBIDDEN" });
    expect(await why("admin", { server: "fixed", tool: "x" })).toMatchObject({
      code: "BODY_INVALID",
    });
    await ask("admin", "DELETE", "/api/keys/caller");
    expect(await why("auditor", { server: "fixed", key: "caller" })).toMatchObject({
      allowed: false,
      reason: "The key was revoked.",
    });
  });
});

test("what a role or a project does not permit is told to the audit trail and counted by scope", async () => {
  const { ask, audited, metrics } = await startApi();
  await ask("caller", "GET", "/api/keys");
  await ask("neighbour", "GET", "/metrics");
  expect(audited).toMatchObject([
    {
      action: "access.deny",
      actor: { id: "caller", kind: "key" },
      target: "route:GET /api/keys",
      outcome: "denied",
      code: "FORBIDDEN",
      details: { role: "caller", scope: "admin" },
      address: expect.any(String),
      requestId: expect.stringMatching(/^req_/),
    },
    { actor: { id: "neighbour" }, target: "route:GET /metrics", project: "elsewhere" },
  ]);
  const text = await metrics.render();
  expect(text).toContain('mcp_authz_denied_total{scope="admin"} 1');
  expect(text).toContain('mcp_authz_denied_total{scope="read"} 1');
});
