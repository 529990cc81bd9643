import { expect, test } from "vitest";
import { startApi } from "../../test/support/api-over-http.ts";

test("a secret is stored, listed without its value, replaced and removed", async () => {
  const { ask, lines } = await startApi();
  const value = "a-value-that-nobody-hears-of";
  const created = await ask("admin", "PUT", "/api/secrets/github", { value });
  expect(created.status).toBe(201);
  expect(created.json).toMatchObject({
    name: "github",
    project: "default",
    createdBy: "admin",
    current: true,
    usedBy: [],
  });
  await ask("admin", "POST", "/api/servers", {
    name: "uses",
    url: "https://a.example/mcp",
    headers: { Authorization: "Bearer ${secret:github}" },
  });
  expect((await ask("admin", "PUT", "/api/secrets/github", { value: `${value}-2` })).status).toBe(
    200,
  );
  const list = await ask("admin", "GET", "/api/secrets");
  expect(list.json.secrets).toMatchObject([{ name: "github", usedBy: ["uses"] }]);
  const shown = await ask("operator", "GET", "/api/servers/uses");
  expect(shown.json.options.headers.Authorization).toBe("Bearer ${secret:github}");
  expect((await ask("admin", "DELETE", "/api/secrets/github")).status).toBe(204);
  expect((await ask("admin", "DELETE", "/api/secrets/github")).status).toBe(404);
  const said = [created.text, list.text, shown.text, JSON.stringify(lines)].join();
  expect(said).not.toContain(value);
});

test("projects and people have secrets of their own", async () => {
  const { ask } = await startApi();
  await ask("admin", "PUT", "/api/secrets/token", { value: "v1", project: "blue" });
  await ask("admin", "PUT", "/api/secrets/token", { value: "v2", owner: "key_1" });
  const list = await ask("admin", "GET", "/api/secrets?project=blue");
  expect(list.json.secrets).toMatchObject([{ name: "token", project: "blue" }]);
  expect((await ask("admin", "DELETE", "/api/secrets/token")).status).toBe(404);
  expect((await ask("admin", "DELETE", "/api/secrets/token?owner=key_1")).status).toBe(204);
});

test("secrets are for admins", async () => {
  const { ask } = await startApi();
  for (const [method, path] of [
    ["GET", "/api/secrets"],
    ["PUT", "/api/secrets/a"],
    ["DELETE", "/api/secrets/a"],
    ["POST", "/api/secrets/rotate"],
  ] as const) {
    expect((await ask(undefined, method, path)).status).toBe(401);
    for (const role of ["operator", "caller"] as const)
      expect((await ask(role, method, path)).json.code).toBe("FORBIDDEN");
  }
});

test("what cannot be a secret is refused without repeating it", async () => {
  const { ask } = await startApi();
  const refused = await ask("admin", "PUT", "/api/secrets/a%20b", { value: "unrepeatable" });
  expect(refused.json.code).toBe("NAME_INVALID");
  const wrong = await ask("admin", "PUT", "/api/secrets/a", { value: "unrepeatable", extra: 1 });
  expect(wrong.json.code).toBe("BODY_INVALID");
  expect(refused.text + wrong.text).not.toContain("unrepeatable");
  expect((await ask("admin", "PUT", "/api/secrets/a", { value: "" })).json.code).toBe(
    "BODY_INVALID",
  );
});

test("sealing anew says what it did", async () => {
  const { ask } = await startApi();
  await ask("admin", "PUT", "/api/secrets/a", { value: "v" });
  const { json, status } = await ask("admin", "POST", "/api/secrets/rotate", {});
  expect([status, json]).toEqual([
    200,
    { table: "secrets", resealed: 0, unreadable: [], left: 0, next: "connections:" },
  ]);
  expect((await ask("admin", "POST", "/api/secrets/rotate", { after: "x" })).json.code).toBe(
    "BODY_INVALID",
  );
});
