import { expect, onTestFinished, test } from "vitest";
import { hashKey, KeyRing } from "../access/index.ts";
import { isSignalboxError, manualClock, silentLog } from "../foundation/index.ts";
import { bundleOptions, serverOptions } from "../gateway/index.ts";
import type { BundleOptions, ServerOptions } from "../gateway/index.ts";
import { FakeGateway, FakeStore } from "./port-fakes.ts";
import { Registry } from "./registry.ts";

const remote = (url = "https://mcp.example.com/mcp"): ServerOptions => serverOptions.parse({ url });
const bundle = (include = ["*"]): BundleOptions => bundleOptions.parse({ include });

interface Setup {
  registry: Registry;
  gateway: FakeGateway;
  store: FakeStore;
  clock: ReturnType<typeof manualClock>;
}

function setup(
  options: {
    store?: FakeStore | "absent";
    servers?: Record<string, ServerOptions>;
    bundles?: Record<string, BundleOptions>;
  } = {},
): Setup {
  const given = options.store ?? new FakeStore();
  const store = given === "absent" ? new FakeStore() : given;
  const gateway = new FakeGateway();
  const clock = manualClock(1_000);
  const registry = new Registry({
    store: given === "absent" ? undefined : given,
    gateway,
    log: silentLog,
    clock,
    configServers: () => new Map(Object.entries(options.servers ?? {})),
    configBundles: () => new Map(Object.entries(options.bundles ?? {})),
    builtin: [{ name: "signalbox", options: {}, origin: "builtin" }],
  });
  onTestFinished(() => registry.stop());
  return { registry, gateway, store, clock };
}

const namesServed = (gateway: FakeGateway): string[] =>
  gateway.now.servers.map((server) => `${server.name}:${server.origin}`);

test("built-in, configured and stored definitions are served together, the earlier owner of a name winning", async () => {
  const { registry, gateway, store } = setup({ servers: { files: remote(), search: remote() } });
  store.servers.rows.set("search", remote("https://other.example.com/mcp"));
  store.servers.rows.set("notes", remote());
  store.bundles.rows.set("coding", { include: ["files__*"] });
  await registry.start();
  expect(namesServed(gateway)).toEqual([
    "signalbox:builtin",
    "files:config",
    "search:config",
    "notes:store",
  ]);
  expect(gateway.now.bundles).toMatchObject([{ name: "coding", origin: "store" }]);
  expect(registry.servers().map((server) => server.readOnly)).toEqual([true, true, true, false]);
});

test("a stored row that no longer parses is left out and the others are served", async () => {
  const { registry, gateway, store } = setup();
  store.servers.rows.set("broken", { url: 5 });
  store.servers.rows.set("notes", remote());
  await registry.start();
  expect(namesServed(gateway)).toEqual(["signalbox:builtin", "notes:store"]);
});

test("a stored bundle that cannot be served holds up neither the start nor a revocation, and can be mended", async () => {
  const { registry, gateway, store, clock } = setup();
  store.bundles.rows.set("good", bundle());
  store.bundles.rows.set("bad", bundle(["collision"]));
  const apply = gateway.apply.bind(gateway);
  gateway.apply = async (configuration) => {
    const bad = configuration.bundles.some(({ options }) => options.include[0] === "collision");
    if (bad) throw new Error("two owners of one name");
    await apply(configuration);
  };
  await registry.start();
  expect(gateway.now.bundles.map(({ name }) => name)).toEqual(["good"]);
  const { key, record } = await registry.createKey({ name: "ci", role: "caller" });
  store.bundles.rows.set("worse", bundle(["collision"]));
  await store.keys.revoke(record.id, 5);
  await registry.reload();
  const ring = new KeyRing(gateway.now.keys, clock);
  expect(ring.authenticate({ "x-api-key": key })).toMatchObject({ code: "KEY_REVOKED" });
  expect(registry.bundles().map(({ name }) => name)).toEqual(["good", "bad", "worse"]);
  expect(gateway.now.bundles.map(({ name }) => name)).toEqual(["good"]);
  await registry.removeBundle("worse");
  await expect(registry.updateBundle("bad", bundle(["collision"]))).rejects.toThrow("two owners");
  await registry.updateBundle("bad", bundle(["fine"]));
  expect(gateway.now.bundles.map(({ name }) => name)).toEqual(["good", "bad"]);
});

test("a server is added, changed and removed: served first, then stored", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  await registry.addServer("notes", remote());
  expect(namesServed(gateway)).toContain("notes:store");
  expect([...store.servers.rows.keys()]).toEqual(["notes"]);
  await registry.updateServer("notes", remote("https://new.example.com/mcp"));
  expect(store.servers.rows.get("notes")).toMatchObject({ url: "https://new.example.com/mcp" });
  await registry.removeServer("notes");
  expect(store.servers.rows.size).toBe(0);
  expect(namesServed(gateway)).toEqual(["signalbox:builtin"]);
  expect(registry.version).toBe(4);
});

test("what the gateway cannot serve is not stored, and the old stays", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  gateway.refuse = "two owners of read_file";
  await expect(registry.addServer("notes", remote())).rejects.toThrow("two owners");
  expect(store.servers.rows.size).toBe(0);
  expect(() => registry.server("notes")).toThrow(/no server/);
  expect(registry.version).toBe(1);
});

test("when the store fails the gateway is put back to what it served", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  store.down = true;
  await expect(registry.addServer("notes", remote())).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
  });
  expect(namesServed(gateway)).toEqual(["signalbox:builtin"]);
  expect(registry.servers().map((server) => server.name)).toEqual(["signalbox"]);
});

test("concurrent changes are made one after the other and none is lost", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  const names = Array.from({ length: 20 }, (_, n) => `server-${n}`);
  await Promise.all(names.map((name) => registry.addServer(name, remote())));
  expect([...store.servers.rows.keys()]).toEqual(names);
  expect(gateway.now.servers).toHaveLength(21);
  const twice = await Promise.allSettled([
    registry.addServer("twin", remote()),
    registry.addServer("twin", remote()),
  ]);
  expect(twice.map((one) => one.status)).toEqual(["fulfilled", "rejected"]);
});

test("more waiting changes than the bound are refused", async () => {
  const { registry } = setup();
  await registry.start();
  const all = await Promise.allSettled(
    Array.from({ length: 150 }, (_, n) => registry.addServer(`s${n}`, remote())),
  );
  expect(all.filter((one) => one.status === "fulfilled")).toHaveLength(100);
});

test("names that cannot be prefixes or paths, and taken ones, are refused", async () => {
  const { registry } = setup({ servers: { files: remote() } });
  await registry.start();
  for (const name of ["", "A", "a__b", "-a", "a b", "a".repeat(33), "__proto__", "ä"]) {
    await expect(registry.addServer(name, remote())).rejects.toMatchObject({
      code: "NAME_INVALID",
    });
    await expect(registry.addBundle(name, bundle())).rejects.toMatchObject({
      code: "NAME_INVALID",
    });
  }
  await expect(registry.addBundle("rpc", bundle())).rejects.toMatchObject({ code: "NAME_INVALID" });
  // "a_" with its tool "x" would be "a___x", and so would "a" with "_x".
  await expect(registry.addServer("a_", remote())).rejects.toMatchObject({ code: "NAME_INVALID" });
  for (const name of ["signalbox", "files"])
    await expect(registry.addServer(name, remote())).rejects.toMatchObject({ code: "NAME_TAKEN" });
});

test("what the configuration file or the product defines is not changed here", async () => {
  const { registry } = setup({ servers: { files: remote() }, bundles: { coding: bundle() } });
  await registry.start();
  for (const name of ["files", "signalbox"]) {
    await expect(registry.updateServer(name, remote())).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(registry.removeServer(name)).rejects.toMatchObject({ code: "CONFLICT" });
  }
  await expect(registry.removeBundle("coding")).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(registry.updateServer("nobody", remote())).rejects.toMatchObject({
    code: "SERVER_NOT_FOUND",
  });
});

test("a changed configuration file is served; a broken one leaves the old and says why", async () => {
  const { registry, gateway } = setup({ servers: { files: remote() } });
  await registry.start();
  await registry.reloadConfig(new Map([["search", remote()]]), new Map([["all", bundle()]]));
  expect(namesServed(gateway)).toEqual(["signalbox:builtin", "search:config"]);
  gateway.refuse = "cannot be built";
  await expect(registry.reloadConfig(new Map(), new Map())).rejects.toThrow("cannot be built");
  gateway.refuse = undefined;
  await expect(
    registry.reloadConfig(new Map([["signalbox", remote()]]), new Map()),
  ).rejects.toMatchObject({ code: "NAME_TAKEN" });
  expect(registry.servers().map((server) => server.name)).toEqual(["signalbox", "search"]);
});

test("bundles are added, changed and removed", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  await registry.addBundle("coding", bundle(["files__*"]));
  expect(gateway.now.bundles).toMatchObject([
    { name: "coding", options: { include: ["files__*"] } },
  ]);
  await expect(registry.addBundle("coding", bundle())).rejects.toMatchObject({
    code: "NAME_TAKEN",
  });
  await registry.updateBundle("coding", bundle(["search__*"]));
  expect(registry.bundle("coding").options.include).toEqual(["search__*"]);
  await registry.removeBundle("coding");
  expect(store.bundles.rows.size).toBe(0);
  expect(() => registry.bundle("coding")).toThrow(/no bundle/);
});

test("a key is made, admitted, listed without its hash, and revoked at once", async () => {
  const { registry, gateway, store, clock } = setup();
  await registry.start();
  const { key, record } = await registry.createKey({ name: "ci", role: "caller" });
  const admitted = (): boolean =>
    new KeyRing(gateway.now.keys, clock).authenticate({ "x-api-key": key }).ok;
  expect(admitted()).toBe(true);
  expect(JSON.stringify(registry.listKeys())).not.toContain(hashKey(key));
  expect(store.records.get(record.id)?.hash).toBe(hashKey(key));
  const revoked = await registry.revokeKey(record.id);
  expect(revoked.revokedAt).toBe(1_000);
  expect(admitted()).toBe(false);
  expect(store.records.get(record.id)?.revokedAt).toBe(1_000);
  clock.advance(500);
  expect((await registry.revokeKey(record.id)).revokedAt).toBe(1_000);
  await expect(registry.revokeKey("nobody")).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("keys that could not do what was meant are refused", async () => {
  const { registry } = setup({ bundles: { coding: bundle() } });
  await registry.start();
  const refused = async (key: object): Promise<unknown> =>
    await registry.createKey({ name: "k", role: "caller", ...key }).then(
      () => "made",
      (error: unknown) => (isSignalboxError(error) ? error.code : "another error"),
    );
  expect(await refused({ bundles: ["coding"] })).toBe("made");
  expect(await refused({ bundles: ["codnig"] })).toBe("BUNDLE_NOT_FOUND");
  expect(await refused({ name: " " })).toBe("NAME_INVALID");
  expect(await refused({ name: "SIGNALBOX_ADMIN_KEY" })).toBe("NAME_INVALID");
  for (const name of ["two\nlines", "\u001B[31m", "nul\0", "\uD800", "mirrored\u202E"])
    expect([name, await refused({ name })]).toEqual([name, "NAME_INVALID"]);
  expect(await refused({ expiresAt: 999 })).toBe("BODY_INVALID");
});

test("the last use of keys is written, and kept when it cannot be", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  const { record } = await registry.createKey({ name: "ci", role: "caller" });
  gateway.used.set(record.id, 7_000);
  store.down = true;
  await registry.flushLastUsed();
  expect(registry.listKeys()[0]?.lastUsedAt).toBe(7_000);
  store.down = false;
  await registry.flushLastUsed();
  expect(store.records.get(record.id)?.lastUsedAt).toBe(7_000);
  expect(registry.listKeys()[0]?.lastUsedAt).toBe(7_000);
  const { version } = registry;
  await registry.reload();
  expect(registry.version).toBe(version);
  gateway.used.set(record.id, 9_000);
  await registry.addServer("notes", remote());
  gateway.used.clear();
  await registry.flushLastUsed();
  expect(store.records.get(record.id)?.lastUsedAt).toBe(9_000);
});

test("without a key on record the first start mints an admin key and shows it once", async () => {
  const { registry, gateway, clock } = setup();
  await registry.start();
  const { created } = await registry.seedAdminKey();
  const headers = { authorization: `Bearer ${created}` };
  expect(new KeyRing(gateway.now.keys, clock).authenticate(headers)).toMatchObject({
    principal: { role: "admin", bundles: "all" },
  });
  expect(await registry.seedAdminKey()).toEqual({});
});

test("a given admin key is seeded, replaces the one given before, and a revoked one stays revoked", async () => {
  const { registry, gateway, store, clock } = setup();
  await registry.start();
  const role = (key: string): string => {
    const outcome = new KeyRing(gateway.now.keys, clock).authenticate({ "x-api-key": key });
    return outcome.ok ? outcome.principal.role : outcome.code;
  };
  expect(await registry.seedAdminKey("first-key-of-the-test")).toEqual({});
  await registry.seedAdminKey("first-key-of-the-test");
  expect(store.records.size).toBe(1);
  expect(role("first-key-of-the-test")).toBe("admin");
  await registry.seedAdminKey("second-key-of-the-test");
  expect(role("second-key-of-the-test")).toBe("admin");
  expect(role("first-key-of-the-test")).toBe("KEY_REVOKED");
  await registry.seedAdminKey("first-key-of-the-test");
  expect(role("first-key-of-the-test")).toBe("KEY_REVOKED");
  expect(role("second-key-of-the-test")).toBe("admin");
});

test("without a database the file's servers and the given admin key work, and changes are refused", async () => {
  const { registry, gateway, store, clock } = setup({
    store: "absent",
    servers: { files: remote() },
  });
  await registry.start();
  await registry.seedAdminKey("key-of-the-outage-test");
  expect(registry.loaded).toBe(false);
  expect(namesServed(gateway)).toEqual(["signalbox:builtin", "files:config"]);
  const admitted = (): boolean =>
    new KeyRing(gateway.now.keys, clock).authenticate({ "x-api-key": "key-of-the-outage-test" }).ok;
  expect(admitted()).toBe(true);
  await expect(registry.addServer("notes", remote())).rejects.toMatchObject({
    code: "STORE_UNAVAILABLE",
  });
  store.servers.rows.set("notes", remote());
  await registry.attachStore(store);
  expect(registry.loaded).toBe(true);
  expect(namesServed(gateway)).toContain("notes:store");
  expect(admitted()).toBe(true);
  expect(store.records.size).toBe(1);
});

test("a database that fails at start or later leaves the last configuration served, and is read again", async () => {
  const { registry, gateway, store } = setup({ servers: { files: remote() } });
  store.down = true;
  store.servers.rows.set("notes", remote());
  await registry.start();
  expect(registry.loaded).toBe(false);
  store.down = false;
  await registry.reload();
  expect(namesServed(gateway)).toContain("notes:store");
  store.down = true;
  const { version } = registry;
  await registry.reload();
  expect(registry.version).toBe(version);
  expect(namesServed(gateway)).toContain("notes:store");
});

test("a change by another process is served when the store tells of it", async () => {
  const { registry, gateway, store } = setup();
  await registry.start();
  const { record } = await registry.createKey({ name: "ci", role: "caller" });
  await store.keys.revoke(record.id, 2_000);
  store.notify();
  await expect.poll(() => gateway.now.keys[0]?.revokedAt).toBe(2_000);
  const { version } = registry;
  store.notify();
  await registry.reload();
  expect(registry.version).toBe(version);
});

test("a server is tested by name or by description, its masked secrets restored", async () => {
  const { registry, gateway } = setup();
  await registry.start();
  const url = "https://mcp.example.com/mcp";
  await registry.addServer("notes", serverOptions.parse({ url, headers: { Authorization: "s" } }));
  const { signal } = new AbortController();
  expect(await registry.testServer("notes", signal)).toEqual({ ok: true, ms: 1 });
  const options = serverOptions.parse({ url, headers: { Authorization: "***" } });
  await registry.testServer({ name: "notes", options }, signal);
  expect(gateway.tested.map((one) => one.options.headers)).toEqual([
    { Authorization: "s" },
    { Authorization: "s" },
  ]);
  await expect(registry.testServer("nobody", signal)).rejects.toMatchObject({
    code: "SERVER_NOT_FOUND",
  });
  expect(registry.logs("notes")).toEqual(["line of notes"]);
});

test("a secret that a server writes to its standard error is masked in what is shown of it", async () => {
  const { registry, gateway } = setup();
  await registry.start();
  await registry.addServer("notes", remote());
  gateway.stderr = () => [`started with sbx_${"a".repeat(43)}`, "Authorization: Bearer abc.def"];
  const shown = registry.logs("notes").join("\n");
  expect(shown).toContain("started with sbx_[redacted]");
  expect(shown).not.toMatch(/aaaa|abc/);
});

test("what was approved of a server is forgotten with it, and that this fails keeps no server", async () => {
  const forgotten: string[] = [];
  const registry = new Registry({
    store: new FakeStore(),
    gateway: new FakeGateway(),
    log: silentLog,
    clock: manualClock(1_000),
    configServers: () => new Map(),
    configBundles: () => new Map(),
    builtin: [],
    pins: {
      forget: async (name) => {
        forgotten.push(name);
        return await Promise.reject(new Error("away"));
      },
    },
  });
  await registry.start();
  await registry.addServer("files", { command: "files" });
  await registry.removeServer("files");
  await registry.stop();
  expect([forgotten, registry.servers()]).toEqual([["files"], []]);
});
