import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Vault } from "../access/index.ts";
import { manualClock, redactText, silentLog } from "../foundation/index.ts";
import type { AuditActor, AuditEvent } from "../foundation/index.ts";
import { serverOptions } from "../gateway/index.ts";
import type { ServerOptions } from "../gateway/index.ts";
import { openTestDatabase, openTestStore } from "../store/test-database.ts";
import { FakeGateway, FakeStore } from "./port-fakes.ts";
import type { RegistryStore } from "./ports.ts";
import { Registry } from "./registry.ts";

const ada: AuditActor = { id: "key_ada", name: "ada", kind: "key" };
const named = (name: string): { name: string; project: string } => ({ name, project: "default" });

async function setup(
  given: {
    servers?: Record<string, ServerOptions>;
    variables?: Record<string, string>;
    keys?: Buffer[];
    store?: RegistryStore;
    closedPaths?: string[];
    closedVariables?: string[];
  } = {},
): Promise<{
  registry: Registry;
  gateway: FakeGateway;
  store: RegistryStore;
  vault: Vault;
  events: AuditEvent[];
  options: (server: string) => ServerOptions | undefined;
  problem: (server: string) => string | undefined;
}> {
  const gateway = new FakeGateway();
  const store = given.store ?? new FakeStore();
  const vault = new Vault();
  vault.unlock(given.keys ?? [randomBytes(32)]);
  const events: AuditEvent[] = [];
  const registry = new Registry({
    store,
    gateway,
    log: silentLog,
    clock: manualClock(1_000),
    configServers: () => new Map(Object.entries(given.servers ?? {})),
    configBundles: () => new Map(),
    builtin: [],
    vault,
    variable: (name) => given.variables?.[name],
    closedPaths: given.closedPaths ?? [],
    closedVariables: new Set(given.closedVariables),
    audit: (event) => void events.push(event),
  });
  await registry.start();
  onTestFinished(() => registry.stop());
  const served = (name: string): FakeGateway["now"]["servers"][number] | undefined =>
    gateway.now.servers.find((one) => one.name === name);
  return {
    registry,
    gateway,
    store,
    vault,
    events,
    options: (name) => served(name)?.options,
    problem: (name) => served(name)?.problem?.message,
  };
}

const remote = (token: string): ServerOptions =>
  serverOptions.parse({
    url: "https://a.example/mcp",
    headers: { Authorization: `Bearer ${token}` },
  });

test("a secret is put in place where a server refers to it, and shown nowhere", async () => {
  const { registry, options, store, events } = await setup();
  await registry.putSecret({ ...named("search"), value: "tell-nobody-1" }, ada);
  await registry.addServer("search", remote("${secret:search}"));
  expect(options("search")?.headers).toEqual({ Authorization: "Bearer tell-nobody-1" });
  expect(registry.server("search").options.headers).toEqual({
    Authorization: "Bearer ${secret:search}",
  });
  await registry.flushLastUsed();
  expect(registry.listSecrets()).toMatchObject([
    {
      name: "search",
      project: "default",
      createdBy: "key_ada",
      current: true,
      usedBy: ["search"],
      lastUsedAt: 1_000,
    },
  ]);
  const everything = [
    registry.listSecrets(),
    registry.servers(),
    events,
    await store.secrets.list(),
    await store.servers.list(),
  ];
  expect(JSON.stringify(everything)).not.toContain("tell-nobody");
  expect(redactText("it said tell-nobody-1 to me")).toBe("it said [redacted] to me");
});

test("a changed secret changes the servers that use it, and no others", async () => {
  const { registry, gateway, options } = await setup({ servers: { plain: remote("fixed") } });
  await registry.putSecret({ ...named("a"), value: "first-value" }, ada);
  await registry.addServer("uses", remote("${secret:a}"));
  const before = gateway.now.servers;
  await registry.putSecret({ ...named("a"), value: "second-value" }, ada);
  expect(options("uses")?.headers).toEqual({ Authorization: "Bearer second-value" });
  const unchanged = (name: string): unknown => before.find((one) => one.name === name);
  expect(gateway.now.servers.find(({ name }) => name === "plain")).toEqual(unchanged("plain"));
  expect(gateway.now.servers.find(({ name }) => name === "uses")).not.toEqual(unchanged("uses"));
});

test("a server whose reference is not there fails by itself, naming it, until it is", async () => {
  const { registry, options, problem, gateway } = await setup({
    servers: { needs: remote("${secret:later}"), other: remote("fixed") },
  });
  expect(problem("needs")).toBe("needs ${secret:later}, which is not there");
  expect(options("needs")).toEqual(remote("${secret:later}"));
  expect(problem("other")).toBeUndefined();
  await registry.putSecret({ ...named("later"), value: "here-it-is" }, ada);
  expect(problem("needs")).toBeUndefined();
  await registry.removeSecret(named("later"));
  expect(problem("needs")).toContain("${secret:later}");
  expect(gateway.now.servers.find(({ name }) => name === "needs")?.problem?.code).toBe(
    "SECRET_MISSING",
  );
  await expect(registry.removeSecret(named("later"))).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});

test("a variable from which the gateway has a secret of its own is given to no server, by neither way", async () => {
  const { problem, options } = await setup({
    variables: { IDP_WORD: "the-gateways-own", OTHER: "for-all" },
    closedVariables: ["IDP_WORD"],
    servers: {
      refers: remote("${env:IDP_WORD}"),
      inherits: serverOptions.parse({ command: "tool", env_allow: ["OTHER", "IDP_WORD"] }),
      fine: serverOptions.parse({ command: "tool", env_allow: ["OTHER"] }),
    },
  });
  const why = "which holds a secret of the gateway itself";
  expect(problem("refers")).toBe(`needs \${env:IDP_WORD}, ${why}`);
  expect(JSON.stringify(options("refers"))).not.toContain("the-gateways-own");
  expect(problem("inherits")).toBe(`needs the variable IDP_WORD, ${why}`);
  expect(problem("fine")).toBeUndefined();
});

test("variables and files are put in place, and a changed file is noticed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "secrets-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "token");
  writeFileSync(file, "from-the-file\n", { mode: 0o600 });
  const { registry, options, problem, gateway } = await setup({
    servers: {
      local: serverOptions.parse({
        command: "tool",
        args: ["${env:MODE}", "${HOME}", "$${env:MODE}"],
        env: { TOKEN: `\${file:${file}}`, GONE: "$${kept}" },
      }),
      lacks: remote("${env:NOWHERE}"),
      breaks: remote("${env:BROKEN}"),
      away: serverOptions.parse({ url: "${env:BROKEN}/mcp" }),
    },
    variables: { MODE: "fast", BROKEN: "two\nlines" },
  });
  expect(options("local")).toMatchObject({
    args: ["fast", "${HOME}", "${env:MODE}"],
    env: { TOKEN: "from-the-file", GONE: "${kept}" },
  });
  expect(problem("lacks")).toBe("needs ${env:NOWHERE}, which is not set");
  expect(problem("breaks")).toContain("Authorization has a character no header may carry");
  expect(problem("away")).toContain("the URL is none that can be used");
  const { version } = registry;
  await registry.reload();
  expect(registry.version).toBe(version);
  writeFileSync(file, "changed-in-the-file\n");
  await registry.reload();
  expect(options("local")?.env?.["TOKEN"]).toBe("changed-in-the-file");
  expect(gateway.applied).toHaveLength(2);
});

test("no server is given a file of the gateway's own folder", async () => {
  const home = mkdtempSync(join(tmpdir(), "home-"));
  onTestFinished(() => rmSync(home, { recursive: true }));
  writeFileSync(join(home, "admin.key"), "sbx_the_key", { mode: 0o600 });
  const { problem } = await setup({
    servers: { thief: remote(`\${file:${join(home, "admin.key")}}`) },
    closedPaths: [home],
  });
  expect(problem("thief")).toContain("which may not be read from there");
});

test("a secret of a person, or of another project, is not the one a server means", async () => {
  const { registry, problem } = await setup({ servers: { a: remote("${secret:token}") } });
  await registry.putSecret({ ...named("token"), owner: "key_1", value: "of a person" }, ada);
  await registry.putSecret({ name: "token", project: "blue", value: "of a project" }, ada);
  expect(problem("a")).toContain("${secret:token}");
  expect(registry.listSecrets("blue")).toMatchObject([{ project: "blue", usedBy: [] }]);
  expect(registry.listSecrets()).toHaveLength(2);
});

test("each use of a secret is told to the audit trail once", async () => {
  const { registry, events } = await setup();
  await registry.putSecret({ ...named("a"), value: "first-value" }, ada);
  await registry.addServer("uses", remote("${secret:a}"));
  await registry.addServer("plain", remote("fixed"));
  await registry.putSecret({ ...named("a"), value: "second-value" }, ada);
  await registry.removeSecret(named("a"));
  expect(events.map(({ action, actor, target }) => [action, actor.id, target])).toEqual([
    ["secret.use", "gateway", "secret:a"],
    ["secret.use", "gateway", "secret:a"],
  ]);
});

test("names and values that cannot be are refused", async () => {
  const { registry } = await setup();
  const put = (name: string, value: string): Promise<unknown> =>
    registry.putSecret({ ...named(name), value }, ada);
  for (const name of ["", "a b", "../x", "x".repeat(65), "a}"])
    await expect(put(name, "value")).rejects.toMatchObject({ code: "NAME_INVALID" });
  for (const value of ["", "x".repeat(70_000)])
    await expect(put("name", value)).rejects.toMatchObject({ code: "BODY_INVALID" });
});

test("a secret that cannot be stored is not served either", async () => {
  const store = new FakeStore();
  const { registry, options } = await setup({ store });
  await registry.putSecret({ ...named("a"), value: "first-value" }, ada);
  await registry.addServer("uses", remote("${secret:a}"));
  store.down = true;
  await expect(
    registry.putSecret({ ...named("a"), value: "second-value" }, ada),
  ).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(options("uses")?.headers).toEqual({ Authorization: "Bearer first-value" });
});

test("a row that was moved to another name does not open there", async () => {
  const store = new FakeStore();
  const { registry, problem } = await setup({ store });
  await registry.putSecret({ ...named("harmless"), value: "harmless-value" }, ada);
  await registry.putSecret({ ...named("precious"), value: "precious-value" }, ada);
  await registry.addServer("uses", remote("${secret:harmless}"));
  const [harmless, precious] = [...store.secretRows.values()];
  if (harmless === undefined || precious === undefined) throw new Error("nothing stored");
  store.secretRows.set(harmless.id, { ...harmless, sealed: precious.sealed, updatedAt: 9_999 });
  await registry.reload();
  expect(problem("uses")).toContain("cannot be opened (SECRET_UNREADABLE)");
});

test("after a change of keys everything is sealed anew, in portions that may be broken off", async () => {
  await using database = await openTestDatabase();
  const [first, second] = [randomBytes(32), randomBytes(32)];
  {
    await using store = await openTestStore(database);
    const { registry } = await setup({ store, keys: [first] });
    for (let n = 0; n < 5; n++)
      await registry.putSecret({ ...named(`s${n}`), value: `value-number-${n}` }, ada);
    await registry.stop();
  }
  await using store = await openTestStore(database);
  const during = await setup({ store, keys: [second, first] });
  const portion = (after: string): ReturnType<Registry["resealSecrets"]> =>
    during.registry.resealSecrets({ after, limit: 2 });
  const begun = await portion("");
  expect(begun).toMatchObject({ resealed: 2, unreadable: [], next: expect.any(String) });
  // Broken off, and begun again from the start.
  let done = await portion("");
  let resealed = begun.resealed + done.resealed;
  while (done.next !== undefined) {
    done = await portion(done.next);
    resealed += done.resealed;
  }
  expect(resealed).toBe(5);
  expect(during.registry.listSecrets().every(({ current }) => current)).toBe(true);
  for (const nowhere of ["nowhere:1", "secrets:1", "connections:[1]", 'consents:["a","b"]'])
    await expect(portion(nowhere)).rejects.toMatchObject({ code: "BODY_INVALID" });
  const after = await setup({ store, keys: [second], servers: { a: remote("${secret:s3}") } });
  expect(after.options("a")?.headers).toEqual({ Authorization: "Bearer value-number-3" });
});

test("what no key opens is named and passed over", async () => {
  const store = new FakeStore();
  const before = await setup({ store });
  await before.registry.putSecret({ ...named("lost"), value: "lost-value" }, ada);
  const { registry } = await setup({ store });
  expect(await registry.resealSecrets({ after: "", limit: 1 })).toMatchObject({
    table: "secrets",
    resealed: 0,
    unreadable: ["lost"],
    left: 1,
    next: expect.any(String),
  });
});
