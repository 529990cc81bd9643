import { expect, test } from "vitest";
import { z } from "zod";
import {
  ToolError,
  chosenName,
  defineService,
  defineSettings,
  defineTool,
  openService,
  secret,
  secretsIn,
  toolsOf,
  type ServiceRuntime,
} from "./index.ts";
import { callTool, hostService, testContext, textOf } from "./testing.ts";

interface Counter extends ServiceRuntime {
  next(): number;
}

interface Scene {
  connects: number;
  closes: number;
  fail?: Error;
  gate?: Promise<void>;
}

const settings = defineSettings({
  options: z.strictObject({ from: z.int().default(1), key: secret().optional() }),
  env: [{ name: "COUNTER_KEY", path: ["key"] }],
  missing: ({ key }) => (key === undefined ? ["COUNTER_KEY"] : []),
});

function counter(scene: Scene) {
  const tool = toolsOf<Counter>();
  return defineService({
    name: "counter",
    version: "1.0.0",
    description: "Counts.",
    settings,
    tools: [
      tool({
        name: "next",
        description: "Counts on.",
        input: z.object({}),
        output: z.object({ value: z.number() }),
        handler: (_input, { runtime, progress }) => {
          progress(1, 1);
          return { value: runtime.next() };
        },
      }),
    ],
    connect: async ({ from }) => {
      scene.connects++;
      await scene.gate;
      if (scene.fail !== undefined) throw scene.fail;
      let value = from;
      return {
        next: () => value++,
        health: async () => ({ status: "ok" }),
        close: async () => {
          scene.closes++;
        },
      };
    },
  });
}

test("nothing is connected before the first call, and those that come meanwhile share a connection", async () => {
  const gate = Promise.withResolvers<void>();
  const scene: Scene = { connects: 0, closes: 0, gate: gate.promise };
  await using host = hostService(counter(scene), { from: 5 });
  expect(scene.connects).toBe(0);
  expect(await host.service.health(testContext().signal)).toBeUndefined();
  const asked = [host.ask("next"), host.ask("next")];
  gate.resolve();
  expect(await Promise.all(asked)).toEqual([{ value: 5 }, { value: 6 }]);
  expect(scene.connects).toBe(1);
  expect(await host.service.health(testContext().signal)).toEqual({ status: "ok" });
});

test("once connected, a handler that returns a plain value is answered at once", async () => {
  await using host = hostService(counter({ connects: 0, closes: 0 }), {});
  await host.ask("next");
  const [tool] = host.service.tools;
  expect(tool?.run({}, testContext())).toHaveProperty("structuredContent", { value: 2 });
});

test("a connection that fails is told, and tried anew by the next call", async () => {
  const scene: Scene = { connects: 0, closes: 0, fail: new ToolError("The key is wrong.") };
  await using host = hostService(counter(scene), {});
  expect(textOf(await host.call("next"))).toBe("The key is wrong.");
  delete scene.fail;
  expect(await host.ask("next")).toEqual({ value: 1 });
  expect(scene.connects).toBe(2);
});

test("who gives up does not wait for the connection", async () => {
  const scene: Scene = { connects: 0, closes: 0, gate: new Promise(() => {}) };
  const host = hostService(counter(scene), {});
  const abort = new AbortController();
  const asked = host.call("next", {}, { signal: abort.signal });
  abort.abort(new Error("gone"));
  await expect(asked).rejects.toThrow("gone");
});

test("what is open is closed when the last holder lets go, and opened anew by a later call", async () => {
  const scene: Scene = { connects: 0, closes: 0 };
  const { service } = hostService(counter(scene), {});
  const [one, other] = [service.hold(), service.hold()];
  await callTool(service, "next", {});
  await one[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  expect(scene.closes).toBe(0);
  await other[Symbol.asyncDispose]();
  expect(scene.closes).toBe(1);
  await callTool(service, "next", {});
  expect(scene.connects).toBe(2);
  await service.close();
});

test("options that do not fit are named, and their values are not shown", () => {
  const context = {
    fetch: () => Promise.reject(new Error("no")),
    clock: { now: () => 0, monotonicMs: () => 0, wait: () => Promise.resolve() },
    log: testContext().log,
  };
  const open = () => openService(counter({ connects: 0, closes: 0 }), { from: "s3cret" }, context);
  expect(open).toThrow("from: ");
  expect(open).not.toThrow("s3cret");
});

test("secrets are found wherever the schema has them", () => {
  const schema = z.strictObject({
    key: secret().optional(),
    plain: z.string().default("x"),
    databases: z
      .record(z.string(), z.strictObject({ url: secret(), name: z.string() }))
      .default({}),
    list: z.array(secret()).optional(),
  });
  const value = {
    key: "a",
    plain: "b",
    databases: { one: { url: "c", name: "d" } },
    list: ["e"],
  };
  expect(secretsIn(schema, value)).toEqual(["a", "c", "e"]);
});

test.each([
  ["POSTGRES_<NAME>_URL", "POSTGRES_KA_URL", "KA"],
  ["POSTGRES_<NAME>_URL", "POSTGRES_A_B_URL", "A_B"],
  ["POSTGRES_<NAME>_URL", "POSTGRES_URL", undefined],
  ["POSTGRES_<NAME>_URL", "POSTGRES__URL", undefined],
  ["POSTGRES_<NAME>_URL", "MY_POSTGRES_KA_URL", undefined],
  ["NEON_API_KEY", "NEON_API_KEY", ""],
  ["NEON_API_KEY", "NEON_API_KEYS", undefined],
])("of %s the variable %s chooses %s", (name, variable, chosen) => {
  const path = name.includes("<NAME>") ? () => [] : [];
  expect(chosenName({ name, path }, variable)).toBe(chosen);
});

test("settings and tools that contradict themselves are refused when they are defined", () => {
  const env = (name: string, path: string[] | (() => string[])) => () =>
    defineSettings({ options: z.strictObject({}), env: [{ name, path }], missing: () => [] });
  expect(env("lower", [])).toThrow('"lower" is not a variable');
  expect(env("A_<NAME>_B", [])).toThrow("does not fit its name");
  const tool = (more: object) => () =>
    defineTool({
      name: "t",
      description: "",
      input: z.object({ a: z.int() }),
      handler: () => "",
      ...more,
    });
  expect(tool({ scope: "read" })).toThrow('has the scope "read", and readOnlyHint false');
  expect(tool({ examples: [{ input: { a: "x" } }] })).toThrow("An example: ");
  expect(tool({ examples: [{ input: { a: 1 } }] })().inputSchema).toMatchObject({
    examples: [{ a: 1 }],
  });
  expect(tool({ annotations: { readOnlyHint: true } })().scope).toBe("read");
  expect(tool({ scope: "manage" })().scope).toBe("manage");
});
