import { expect, test } from "vitest";
import { z } from "zod";
import { ToolError, defineService, defineTool, failure, text, toolResult } from "./index.ts";
import { callTool, testContext, textOf } from "./testing.ts";

const add = defineTool({
  name: "add",
  title: "Add",
  description: "Adds two numbers.",
  input: z.object({
    a: z.number().describe("One"),
    b: z.number().max(100).default(1),
    deep: z.object({ list: z.array(z.int()) }).optional(),
  }),
  output: z.object({ sum: z.number() }),
  annotations: { readOnlyHint: true },
  handler: ({ a, b }) => ({ sum: a + b }),
});

function serviceOf(...tools: Parameters<typeof defineService>[0]["tools"][number][]) {
  return defineService({ name: "sums", version: "1.0.0", description: "Sums.", tools });
}

test("a tool carries its schemas as JSON Schema, made once", () => {
  expect(add).toMatchObject({
    name: "add",
    title: "Add",
    annotations: { readOnlyHint: true },
    inputSchema: {
      type: "object",
      properties: { a: { type: "number", description: "One" }, b: { default: 1, maximum: 100 } },
      required: ["a"],
    },
    outputSchema: { type: "object", properties: { sum: { type: "number" } }, required: ["sum"] },
  });
  expect(add.inputSchema).not.toHaveProperty("$schema");
});

test("output is answered as structured content and as text", async () => {
  const result = await callTool(serviceOf(add), "add", { a: 2 });
  expect(result).toEqual({
    content: [{ type: "text", text: '{"sum":3}' }],
    structuredContent: { sum: 3 },
  });
});

test("a handler that returns a plain value is answered without a promise", () => {
  expect(add.run({ a: 1 }, testContext())).toHaveProperty("structuredContent", { sum: 2 });
});

test("arguments that do not fit are answered with a sentence that names the fields", async () => {
  const result = await callTool(serviceOf(add), "add", { b: 101, deep: { list: [1, "x"] } });
  expect(result.isError).toBe(true);
  expect(textOf(result)).toBe(
    'The arguments of "add" do not fit: a: expected number, received undefined; b: Too big: expected number to be <=100; deep.list[1]: expected number, received string.',
  );
});

test.each([[[]], ["text"], [7]])("arguments must be an object, not %j", async (args) => {
  const result = await callTool(serviceOf(add), "add", args);
  expect(textOf(result)).toContain('The arguments of "add" do not fit: expected object');
});

test("arguments may be left out where none are required", async () => {
  const tool = defineTool({
    name: "now",
    description: "Tells the time.",
    input: z.object({ zone: z.string().optional() }),
    handler: () => "noon",
  });
  expect(textOf(await callTool(serviceOf(tool), "now", undefined))).toBe("noon");
});

test("the message of a ToolError reaches the caller, that of another error does not", async () => {
  const tool = (thrown: Error, later: boolean) =>
    serviceOf(
      defineTool({
        name: "fail",
        description: "Fails.",
        input: z.object({}),
        handler: () => {
          if (later) return Promise.reject(thrown);
          throw thrown;
        },
      }),
    );
  for (const later of [false, true]) {
    const result = await callTool(tool(new ToolError("No such city."), later), "fail", {});
    expect(result).toEqual(failure("No such city."));
    await expect(callTool(tool(new Error("secret"), later), "fail", {})).rejects.toThrow("secret");
  }
});

test("a handler may put its answer together by hand", async () => {
  const tool = defineTool({
    name: "draw",
    description: "Draws.",
    input: z.object({}),
    handler: async () =>
      toolResult({
        content: [{ type: "image", data: "AAAA", mimeType: "image/png" }],
        meta: { "example.com/ms": 5 },
      }),
  });
  expect(await callTool(serviceOf(tool), "draw", {})).toEqual({
    content: [{ type: "image", data: "AAAA", mimeType: "image/png" }],
    _meta: { "example.com/ms": 5 },
  });
});

test("the handler learns who calls", async () => {
  const tool = defineTool({
    name: "whoami",
    description: "Names the caller.",
    input: z.object({}),
    handler: (_input, { principal, requestId, signal }) =>
      text(`${principal.name} ${requestId} ${signal.aborted}`),
  });
  const principal = { id: "k1", name: "Ada", role: "caller", bundles: [] };
  const result = await callTool(serviceOf(tool), "whoami", {}, { principal, requestId: "r1" });
  expect(textOf(result)).toBe("Ada r1 false");
});

test("callTool finds output that does not fit its schema", async () => {
  const tool = defineTool({
    name: "lie",
    description: "Lies.",
    input: z.object({}),
    output: z.object({ n: z.int() }),
    handler: () => ({ n: 0.5 }),
  });
  await expect(callTool(serviceOf(tool), "lie", {})).rejects.toThrow("expected int");
});

test("names that cannot be served are refused when they are defined", () => {
  const named = (name: string) =>
    defineTool({ name, description: "", input: z.object({}), handler: () => "" });
  expect(() => named("has space")).toThrow("is not a tool name");
  expect(() => named("x".repeat(65))).toThrow("is not a tool name");
  expect(() => serviceOf(named("a"), named("a"))).toThrow('has two tools "a"');
  const service = (name: string) =>
    defineService({ name, version: "1", description: "", tools: [] });
  expect(() => service("Upper")).toThrow("is not a service name");
  expect(() => service("two__parts")).toThrow("is not a service name");
});
