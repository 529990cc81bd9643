// The registry over a real database, alone and beside another process's.
import { expect, onTestFinished, test } from "vitest";
import { KeyRing } from "../access/index.ts";
import { silentLog, systemClock } from "../foundation/index.ts";
import { bundleOptions, serverOptions } from "../gateway/index.ts";
import type { Store } from "../store/index.ts";
import { openTestDatabase, openTestStore } from "../store/test-database.ts";
import { FakeGateway } from "./port-fakes.ts";
import { Registry } from "./registry.ts";

async function started(store: Store): Promise<{ registry: Registry; gateway: FakeGateway }> {
  const gateway = new FakeGateway();
  const registry = new Registry({
    store,
    gateway,
    log: silentLog,
    clock: systemClock,
    configServers: () => new Map(),
    configBundles: () => new Map(),
    builtin: [],
  });
  await registry.start();
  onTestFinished(() => registry.stop());
  return { registry, gateway };
}

test("what was added is there after a restart, as it was given", async () => {
  await using database = await openTestDatabase();
  const files = serverOptions.parse({ command: "files", env: { TOKEN: "s" }, timeout: "45s" });
  const coding = bundleOptions.parse({ include: ["files__*"] });
  {
    await using store = await openTestStore(database);
    const { registry } = await started(store);
    await registry.addServer("files", files);
    await registry.addBundle("coding", coding);
    await registry.createKey({ name: "ci", role: "caller", bundles: ["coding"] });
    await registry.stop();
  }
  await using store = await openTestStore(database);
  const { registry, gateway } = await started(store);
  expect(gateway.now.servers).toEqual([{ name: "files", options: files, origin: "store" }]);
  expect(gateway.now.bundles).toEqual([{ name: "coding", options: coding, origin: "store" }]);
  expect(registry.listKeys()).toMatchObject([{ name: "ci", bundles: ["coding"] }]);
});

test("a key revoked in one process is refused in the other within a second", async () => {
  await using database = await openTestDatabase();
  await using store = await openTestStore(database);
  await using otherStore = await openTestStore(database);
  const here = await started(store);
  const there = await started(otherStore);
  const { key, record } = await here.registry.createKey({ name: "ci", role: "caller" });
  const verdict = (gateway: FakeGateway): string => {
    const ring = new KeyRing(gateway.now.keys, systemClock);
    const outcome = ring.authenticate({ "x-api-key": key });
    return outcome.ok ? "admitted" : outcome.code;
  };
  expect(verdict(here.gateway)).toBe("admitted");
  await expect.poll(() => verdict(there.gateway)).toBe("admitted");
  await here.registry.revokeKey(record.id);
  expect(verdict(here.gateway)).toBe("KEY_REVOKED");
  await expect.poll(() => verdict(there.gateway), { timeout: 5_000 }).toBe("KEY_REVOKED");
});

test("writing when keys were used makes nobody rebuild", async () => {
  await using database = await openTestDatabase();
  await using store = await openTestStore(database);
  await using otherStore = await openTestStore(database);
  const here = await started(store);
  const there = await started(otherStore);
  const { record } = await here.registry.createKey({ name: "ci", role: "caller" });
  await expect.poll(() => there.gateway.now.keys.length).toBe(1);
  const { version } = there.registry;
  here.gateway.used.set(record.id, 1_800_000_000_000);
  await here.registry.flushLastUsed();
  await there.registry.reload();
  expect(there.registry.version).toBe(version);
  const [row] = await store.keys.list();
  expect(row?.lastUsedAt).toBe(1_800_000_000_000);
});

test("two processes that start at once with the same given admin key both start", async () => {
  await using database = await openTestDatabase();
  await using store = await openTestStore(database);
  await using otherStore = await openTestStore(database);
  const here = await started(store);
  const there = await started(otherStore);
  await Promise.all([
    here.registry.seedAdminKey("one-key-for-both-processes"),
    there.registry.seedAdminKey("one-key-for-both-processes"),
  ]);
  expect(await store.keys.list()).toHaveLength(1);
  for (const { gateway } of [here, there]) {
    await expect.poll(() => gateway.now.keys.length).toBe(1);
    const ring = new KeyRing(gateway.now.keys, systemClock);
    expect(ring.authenticate({ "x-api-key": "one-key-for-both-processes" }).ok).toBe(true);
  }
});
