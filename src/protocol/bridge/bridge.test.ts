import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { META } from "../meta.ts";
import { MODERN_REVISION } from "../revisions/index.ts";
import { toLegacyParams, toModernParams } from "./params.ts";
import {
  toLegacyResult,
  toLegacyTool,
  toModernError,
  toModernResult,
  toModernTool,
} from "./results.ts";

const envelope = { clientInfo: { name: "c" }, capabilities: { sampling: {} } };

describe("params", () => {
  test("of a legacy client get the envelope, and keep what they had", () => {
    const params = { name: "a", future: 1, _meta: { progressToken: 7, "vendor/x": true } };
    expect(toModernParams(params, { ...envelope, logLevel: "debug" })).toEqual({
      name: "a",
      future: 1,
      _meta: {
        progressToken: 7,
        "vendor/x": true,
        [META.protocolVersion]: MODERN_REVISION,
        [META.clientInfo]: { name: "c" },
        [META.clientCapabilities]: { sampling: {} },
        [META.logLevel]: "debug",
      },
    });
    expect(toModernParams(undefined, envelope)).not.toHaveProperty(["_meta", META.logLevel]);
  });

  test("of a modern client lose the envelope and nothing else", () => {
    const params = { uri: "u", _meta: { traceparent: "t", progressToken: "p" } };
    expect(toLegacyParams(toModernParams(params, envelope))).toEqual(params);
    expect(toLegacyParams(toModernParams({ a: 1 }, envelope))).toEqual({ a: 1 });
    expect(toLegacyParams(undefined)).toBeUndefined();
  });

  test("survive the way there and back, whatever they hold", () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(json, json, (params, meta) => {
        const own: JsonObject = { ...params, _meta: { ...meta, progressToken: 1 } };
        const before = JSON.stringify(own);
        expect(toLegacyParams(toModernParams(own, envelope))).toEqual(own);
        expect(JSON.stringify(own)).toBe(before);
      }),
    );
  });
});

describe("a result", () => {
  test("of a legacy server is complete, and may be kept only where lists and reads may", () => {
    expect(toModernResult("tools/call", { content: [] })).toEqual({
      resultType: "complete",
      content: [],
    });
    expect(toModernResult("resources/read", { contents: [] })).toEqual({
      resultType: "complete",
      contents: [],
      ttlMs: 0,
      cacheScope: "private",
    });
    const own = { resultType: "task", ttlMs: 5, cacheScope: "public" };
    expect(toModernResult("tools/list", own)).toEqual(own);
  });

  test("says who answers, unless the server has said so", () => {
    const gateway = { name: "gateway", version: "1" };
    const stamped = toModernResult("tools/call", { content: [], _meta: { x: 1 } }, gateway);
    expect(stamped["_meta"]).toEqual({ x: 1, [META.serverInfo]: gateway });
    const own = { content: [], _meta: { [META.serverInfo]: { name: "own" } } };
    expect(toModernResult("tools/call", own, gateway)["_meta"]).toEqual(own._meta);
  });

  test("of a modern server loses what a legacy client has no words for", () => {
    const result = { resultType: "complete", ttlMs: 1, cacheScope: "public", tools: [], x: 1 };
    expect(toLegacyResult("tools/list", result)).toEqual({ tools: [], x: 1 });
  });

  test("that is not complete has no legacy form", () => {
    for (const resultType of ["input_required", "task", 7]) {
      expect(toLegacyResult("tools/call", { resultType })).toBeUndefined();
    }
    expect(toLegacyResult("tools/call", { content: [] })).toEqual({ content: [] });
  });

  test("with structured content is an object and has a text", () => {
    expect(toLegacyResult("tools/call", { structuredContent: [1, 2] })).toEqual({
      content: [{ type: "text", text: "[1,2]" }],
      structuredContent: { result: [1, 2] },
    });
    const content = [{ type: "text", text: "own" }];
    expect(toLegacyResult("tools/call", { content, structuredContent: { a: 1 } })).toEqual({
      content,
      structuredContent: { a: 1 },
    });
    expect(toLegacyResult("tools/call", { content, structuredContent: null })).toEqual({
      content,
      structuredContent: { result: null },
    });
  });

  test("is wrapped wherever its tool's output schema was", () => {
    const tool = { outputSchema: { anyOf: [{ type: "object" }, { type: "string" }] } };
    const wrapped = { result: { a: 1 } };
    expect(toLegacyTool(tool)).toHaveProperty("outputSchema.required", ["result"]);
    expect(toLegacyResult("tools/call", { structuredContent: { a: 1 } }, tool)).toMatchObject({
      structuredContent: wrapped,
    });
    const plain = { outputSchema: { type: "object" } };
    expect(toLegacyResult("tools/call", { structuredContent: { a: 1 } }, plain)).toMatchObject({
      structuredContent: { a: 1 },
    });
  });
});

describe("a tool", () => {
  test("of a modern server has an object's output schema for a legacy client", () => {
    const tool = { name: "t", outputSchema: { type: "array", items: { type: "string" } }, x: 1 };
    expect(toLegacyTool(tool)).toEqual({
      name: "t",
      x: 1,
      outputSchema: {
        type: "object",
        properties: { result: { type: "array", items: { type: "string" } } },
        required: ["result"],
      },
    });
    const object = { name: "t", outputSchema: { type: "object" } };
    expect(toLegacyTool(object)).toBe(object);
    expect(toLegacyTool({ name: "t" })).toEqual({ name: "t" });
  });

  test("has references that still lead to what they name once its schema is wrapped", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "array",
      items: { anyOf: [{ $ref: "#/$defs/A" }, { $ref: "#" }, { $ref: "#/definitions/B" }] },
      $defs: { A: { type: "string" }, C: { $ref: "#/$defs/A" } },
      definitions: { B: { $ref: "https://example.com/b" } },
      examples: [{ $ref: "#/untouched" }],
    };
    const { outputSchema } = toLegacyTool({ outputSchema: schema });
    expect(outputSchema).toEqual({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        result: {
          type: "array",
          items: {
            anyOf: [
              { $ref: "#/properties/result/$defs/A" },
              { $ref: "#/properties/result" },
              { $ref: "#/properties/result/definitions/B" },
            ],
          },
          $defs: { A: { type: "string" }, C: { $ref: "#/properties/result/$defs/A" } },
          definitions: { B: { $ref: "https://example.com/b" } },
          examples: [{ $ref: "#/untouched" }],
        },
      },
      required: ["result"],
    });
  });

  test("of a legacy server loses its way of running as a task", () => {
    expect(toModernTool({ name: "t", execution: { taskSupport: "optional" }, y: 2 })).toEqual({
      name: "t",
      y: 2,
    });
  });
});

test("an unknown resource has the code of the client's era", () => {
  expect(toModernError({ code: -32002, message: "m", data: 1 })).toEqual({
    code: -32602,
    message: "m",
    data: 1,
  });
  expect(toModernError({ code: -32050, message: "m" })).toEqual({ code: -32050, message: "m" });
});
