// The product's services among the servers: what is shown of them, whose name it is, and when they are opened.
import { randomBytes } from "node:crypto";
import { defineService, type Service } from "@signalbox/kit";
import { expect, onTestFinished, test } from "vitest";
import { Vault } from "../access/index.ts";
import { GATEWAY_ACTOR, manualClock, silentLog } from "../foundation/index.ts";
import { serverOptions, type ServerDefinition } from "../gateway/index.ts";
import { FakeGateway, FakeStore } from "./port-fakes.ts";
import { Registry } from "./registry.ts";

const remote = serverOptions.parse({ url: "https://mcp.example.com/mcp" });
const standIn = serviceOf("stand-in");

function serviceOf(version: string): Service {
  return defineService({ name: "neon", version, description: "", tools: [] });
}

function lacking(name: string): ServerDefinition {
  return { name, origin: "service", options: {}, service: standIn, needs: ["NEON_API_KEY"] };
}

function configured(values: Record<string, unknown>): ServerDefinition & { opened: unknown[] } {
  const opened: unknown[] = [];
  return {
    name: "neon",
    origin: "service",
    options: { timeout: 5_000 },
    service: standIn,
    opened,
    settings: {
      values,
      open: (filled) => {
        if (filled["api_key"] === "") throw new TypeError("api_key: too short");
        opened.push(filled);
        return serviceOf("opened");
      },
    },
  };
}

async function registryWith(
  services: readonly ServerDefinition[],
  more: { servers?: Record<string, typeof remote>; stored?: string[] } = {},
) {
  const gateway = new FakeGateway();
  const store = new FakeStore();
  for (const name of more.stored ?? []) store.servers.rows.set(name, remote);
  const vault = new Vault();
  vault.unlock([randomBytes(32)]);
  const registry = new Registry({
    store,
    gateway,
    log: silentLog,
    clock: manualClock(),
    configServers: () => new Map(Object.entries(more.servers ?? {})),
    configBundles: () => new Map(),
    configServices: () => services,
    builtin: [],
    vault,
  });
  onTestFinished(() => registry.stop());
  await registry.start();
  return { registry, gateway };
}

test("a service that lacks something is shown with what it needs, and nothing of it is served", async () => {
  const { registry, gateway } = await registryWith([lacking("neon")]);
  expect(registry.servers()).toMatchObject([
    { name: "neon", origin: "service", readOnly: true, needs: ["NEON_API_KEY"] },
  ]);
  expect(gateway.now.servers).toEqual([]);
  const code = "SERVICE_NOT_CONFIGURED";
  expect(() => registry.setBreaker("neon", "open")).toThrow(expect.objectContaining({ code }));
  const report = await registry.testServer("neon", AbortSignal.timeout(1_000));
  expect(report).toMatchObject({
    ok: false,
    error: { code, message: 'The service "neon" is not configured: it needs NEON_API_KEY.' },
  });
  expect(registry.projects.list()).toMatchObject([{ name: "default", servers: 0 }]);
});

test("a service that is configured is opened and served like any server", async () => {
  const neon = configured({ api_key: "k" });
  const { registry, gateway } = await registryWith([neon]);
  expect(neon.opened).toEqual([{ api_key: "k" }]);
  expect(gateway.now.servers).toMatchObject([
    {
      name: "neon",
      origin: "service",
      options: { timeout: 5_000 },
      service: { version: "opened" },
    },
  ]);
  await expect(registry.removeServer("neon")).rejects.toThrow(
    "change it under [services.neon] or in the environment",
  );
  await expect(registry.addServer("neon", remote)).rejects.toMatchObject({ code: "NAME_TAKEN" });
});

test("a service takes no name that somebody has given to a server", async () => {
  const neon = configured({ api_key: "k" });
  const file = await registryWith([neon], { servers: { neon: remote } });
  expect(file.gateway.now.servers).toMatchObject([{ name: "neon", origin: "config" }]);
  const stored = await registryWith([neon], { stored: ["neon"] });
  expect(stored.gateway.now.servers).toMatchObject([{ name: "neon", origin: "store" }]);
  expect(neon.opened).toEqual([]);
});

test("the name of a service that is not configured is free", async () => {
  const { registry, gateway } = await registryWith([lacking("neon")]);
  await registry.addServer("neon", remote);
  expect(gateway.now.servers).toMatchObject([{ name: "neon", origin: "store" }]);
});

test("secrets of the vault are put in place when a service is opened, and anew when they change", async () => {
  const neon = configured({ api_key: "${secret:neon-key}", plain: "x" });
  const { registry, gateway } = await registryWith([neon]);
  expect(gateway.now.servers).toMatchObject([
    {
      service: { version: "stand-in" },
      problem: {
        code: "SECRET_MISSING",
        message: "needs ${secret:neon-key}, which is not there",
      },
    },
  ]);
  const actor = GATEWAY_ACTOR;
  const secret = { project: "default", name: "neon-key" };
  await registry.putSecret({ ...secret, value: "first-value" }, actor);
  await registry.putSecret({ ...secret, value: "other-value" }, actor);
  expect(neon.opened).toEqual([
    { api_key: "first-value", plain: "x" },
    { api_key: "other-value", plain: "x" },
  ]);
  expect(gateway.now.servers[0]?.problem).toBeUndefined();
});

test("a service whose settings do not fit is shown as failing, and the others are served", async () => {
  const { gateway } = await registryWith([configured({ api_key: "" })], {
    servers: { files: remote },
  });
  expect(gateway.now.servers).toMatchObject([
    { name: "files" },
    {
      name: "neon",
      problem: { code: "CONFIG_INVALID", message: expect.stringContaining("api_key") },
    },
  ]);
});

test("a configuration that is read again brings services and takes them", async () => {
  const { registry, gateway } = await registryWith([lacking("neon")]);
  const none = new Map();
  await registry.reloadConfig(none, none, { services: [configured({ api_key: "k" })] });
  expect(gateway.now.servers).toMatchObject([{ name: "neon" }]);
  await registry.reloadConfig(none, none, { services: [lacking("neon")] });
  expect(gateway.now.servers).toEqual([]);
});
