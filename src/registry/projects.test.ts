import { expect, onTestFinished, test } from "vitest";
import { Roles, type RoleOptions } from "../access/index.ts";
import { manualClock, silentLog } from "../foundation/index.ts";
import { bundleOptions, serverOptions } from "../gateway/index.ts";
import { FakeGateway, FakeStore } from "./port-fakes.ts";
import { Registry } from "./registry.ts";

const remote = (project?: string) =>
  serverOptions.parse({ url: "https://mcp.example.com/mcp", ...(project && { project }) });
const reader: RoleOptions = { scopes: ["call"], rules: [{ effect: "allow", actions: ["read"] }] };

async function started(store = new FakeStore()) {
  const gateway = new FakeGateway();
  const registry = new Registry({
    store,
    gateway,
    log: silentLog,
    clock: manualClock(1_000),
    configServers: () => new Map(),
    configBundles: () => new Map(),
    configProjects: () => new Map([["filed", { title: "Of the file" }]]),
    configRoles: () => new Map([["support", reader]]),
    builtin: [{ name: "signalbox", options: {}, origin: "builtin" }],
  });
  onTestFinished(() => registry.stop());
  await registry.start();
  return { registry, gateway, store };
}

test("there is a default project, those of the file, and stored ones", async () => {
  const { registry, store } = await started();
  await registry.projects.add("payments", { title: "Payments" });
  expect(registry.projects.list()).toMatchObject([
    { name: "filed", origin: "config", readOnly: true },
    { name: "payments", origin: "store", readOnly: false },
    { name: "default", origin: "builtin", servers: 0 },
  ]);
  expect(store.projects.rows.get("payments")).toEqual({ title: "Payments" });
  await registry.projects.update("payments", { title: "Money" });
  expect(registry.projects.get("payments").options).toEqual({ title: "Money" });
  for (const [change, code] of [
    [() => registry.projects.add("payments", {}), "NAME_TAKEN"],
    [() => registry.projects.add("filed", {}), "NAME_TAKEN"],
    [() => registry.projects.add("*", {}), "NAME_INVALID"],
    [() => registry.projects.update("filed", {}), "CONFLICT"],
    [() => registry.projects.remove("default"), "CONFLICT"],
    [() => registry.projects.remove("none"), "PROJECT_NOT_FOUND"],
  ] as const) {
    await expect(change()).rejects.toMatchObject({ code });
  }
});

test("what names a project that is not there is refused", async () => {
  const { registry } = await started();
  const nowhere = { code: "PROJECT_NOT_FOUND" };
  await expect(registry.addServer("a", remote("nowhere"))).rejects.toMatchObject(nowhere);
  await expect(
    registry.addBundle("b", bundleOptions.parse({ project: "nowhere" })),
  ).rejects.toMatchObject(nowhere);
  await expect(
    registry.createKey({ name: "k", role: "caller", project: "nowhere" }),
  ).rejects.toMatchObject(nowhere);
  await registry.addServer("a", remote("filed"));
  await expect(registry.updateServer("a", remote("nowhere"))).rejects.toMatchObject(nowhere);
});

test("a project to which something belongs cannot be removed", async () => {
  const { registry } = await started();
  await registry.projects.add("payments", {});
  await registry.addServer("ledger", remote("payments"));
  await registry.addBundle("books", bundleOptions.parse({ project: "payments" }));
  const { record } = await registry.createKey({
    name: "k",
    role: "caller",
    project: "payments",
    bundles: ["books"],
  });
  const refused = async (details: object): Promise<void> => {
    await expect(registry.projects.remove("payments")).rejects.toMatchObject({
      code: "CONFLICT",
      details,
    });
  };
  await refused({ servers: 1, bundles: 1, keys: 1 });
  await registry.removeServer("ledger");
  await refused({ servers: 0, bundles: 1, keys: 1 });
  await registry.removeBundle("books");
  await refused({ servers: 0, bundles: 0, keys: 1 });
  await registry.revokeKey(record.id);
  await registry.projects.remove("payments");
  expect(registry.projects.has("payments")).toBe(false);
});

test("a key of a project is limited to that project's bundles alone", async () => {
  const { registry } = await started();
  await registry.addBundle("books", bundleOptions.parse({ project: "filed" }));
  const wanted = { name: "k", role: "caller", bundles: ["books"] };
  await expect(registry.createKey(wanted)).rejects.toMatchObject({ code: "BUNDLE_NOT_FOUND" });
  for (const project of ["filed", "*"]) {
    const { record } = await registry.createKey({ ...wanted, project });
    expect(record).toMatchObject({ project, bundles: ["books"] });
  }
});

test("roles are built in, of the file, or stored, and all but the built-in are served", async () => {
  const { registry, gateway } = await started();
  await registry.roles.add("reader", reader);
  expect(registry.roles.list().map(({ name, origin }) => `${name}:${origin}`)).toEqual([
    "admin:builtin",
    "operator:builtin",
    "developer:builtin",
    "caller:builtin",
    "auditor:builtin",
    "support:config",
    "reader:store",
  ]);
  expect([...(gateway.now.roles?.keys() ?? [])].toSorted()).toEqual(["reader", "support"]);
  for (const [change, code] of [
    [() => registry.roles.add("reader", reader), "NAME_TAKEN"],
    [() => registry.roles.add("admin", reader), "NAME_INVALID"],
    [() => registry.roles.update("support", reader), "CONFLICT"],
    [() => registry.roles.remove("caller"), "CONFLICT"],
    [() => registry.roles.remove("none"), "ROLE_NOT_FOUND"],
    [() => registry.createKey({ name: "k", role: "none" }), "ROLE_NOT_FOUND"],
  ] as const) {
    await expect(change()).rejects.toMatchObject({ code });
  }
});

test("a role that a key still has cannot be removed, and a changed one is served at once", async () => {
  const { registry, gateway } = await started();
  await registry.roles.add("reader", reader);
  const { record } = await registry.createKey({ name: "k", role: "reader" });
  await registry.roles.update("reader", { ...reader, scopes: ["call", "read"] });
  expect(gateway.now.roles?.get("reader")?.scopes).toEqual(["call", "read"]);
  await expect(registry.roles.remove("reader")).rejects.toMatchObject({ code: "CONFLICT" });
  await registry.revokeKey(record.id);
  await registry.roles.remove("reader");
  expect(gateway.now.roles?.has("reader")).toBe(false);
});

test("what the file says of a role goes before what is stored of it", async () => {
  const store = new FakeStore();
  store.roles.rows.set("support", { scopes: ["admin"], rules: [] });
  const { registry, gateway } = await started(store);
  expect(gateway.now.roles?.get("support")).toEqual(reader);
  expect(registry.roles.get("support").origin).toBe("config");
});

test("a changed file changes roles and projects, and leaves them where it is asked for others alone", async () => {
  const { registry, gateway } = await started();
  await registry.reloadConfig(new Map(), new Map());
  expect(gateway.now.roles?.has("support")).toBe(true);
  await registry.reloadConfig(new Map(), new Map(), { roles: new Map(), projects: new Map() });
  expect(gateway.now.roles?.has("support")).toBe(false);
  expect(registry.projects.has("filed")).toBe(false);
});

test("a stored role that cannot be read is left out, and a key whose rules cannot be read may do nothing", async () => {
  const store = new FakeStore();
  store.roles.rows.set("odd", { scopes: ["everything"] });
  const record = { name: "k", role: "caller", project: "default", bundles: "all" as const };
  const rest = { hash: "", prefix: "", createdAt: 0 };
  store.records.set("k", { id: "k", ...record, ...rest, rules: [{ effect: "maybe" }] });
  const { gateway } = await started(store);
  expect(gateway.now.roles?.has("odd")).toBe(false);
  const [key] = gateway.now.keys;
  if (key === undefined) throw new Error("the key is kept");
  expect(key.rules).toEqual([{ effect: "deny" }]);
  const { permissions } = new Roles().principal({ ...key, kind: "key" });
  expect(permissions.sees({ name: "a", project: "default" })).toBe(false);
});
