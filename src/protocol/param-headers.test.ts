import { describe, expect, test } from "vitest";
import { parseJson } from "./json.ts";
import {
  compileParamHeaders,
  paramHeaderMismatch,
  paramHeaderValues,
  type ParamHeader,
} from "./param-headers.ts";

const schema = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    limit: { type: "integer", "x-mcp-header": "Limit" },
    plain: { type: "string" },
    where: {
      type: "object",
      properties: { dry: { type: "boolean", "x-mcp-header": "Dry-Run" } },
    },
  },
};

function compiled(inputSchema: unknown): readonly ParamHeader[] {
  const outcome = compileParamHeaders(inputSchema);
  return outcome.ok ? outcome.headers : [];
}

const headers = compiled(schema);

describe("a schema", () => {
  test("names its mirrored arguments, also below others", () => {
    expect(headers).toEqual([
      { header: "mcp-param-region", path: ["region"] },
      { header: "mcp-param-limit", path: ["limit"] },
      { header: "mcp-param-dry-run", path: ["where", "dry"] },
    ]);
    expect(compiled(undefined)).toEqual([]);
    expect(compiled({ type: "object" })).toEqual([]);
  });

  const of = (property: object): unknown => ({ properties: { a: property } });
  test.each([
    ["an empty name", of({ type: "string", "x-mcp-header": "" }), "not a name"],
    ["a name that is no text", of({ type: "string", "x-mcp-header": 1 }), "not a name"],
    ["a name that is no token", of({ type: "string", "x-mcp-header": "a b" }), "token"],
    ["a line break", of({ type: "string", "x-mcp-header": "a\r\nb" }), "token"],
    ["an array", of({ type: "array", "x-mcp-header": "A" }), "no header form"],
    ["two types", of({ type: ["string", "null"], "x-mcp-header": "A" }), "no header form"],
    ["itself", { "x-mcp-header": "A", type: "object" }, "schema itself"],
    [
      "items",
      of({ type: "array", items: { type: "string", "x-mcp-header": "A" } }),
      "properties only",
    ],
    [
      "an alternative",
      { anyOf: [{ properties: { a: { type: "string", "x-mcp-header": "A" } } }] },
      "properties only",
    ],
    ["a definition", { $defs: { A: { type: "string", "x-mcp-header": "A" } } }, "properties only"],
    [
      "one name twice",
      {
        properties: {
          a: { type: "string", "x-mcp-header": "A" },
          b: { type: "string", "x-mcp-header": "a" },
        },
      },
      "stands twice",
    ],
  ])("that mirrors wrongly says so: %s", (_what, inputSchema, reason) => {
    const outcome = compileParamHeaders(inputSchema);
    expect(outcome.ok ? "" : outcome.reason).toContain(reason);
  });

  test("may use the keyword's name for a property and in plain values", () => {
    const harmless = {
      properties: { "x-mcp-header": { type: "string", default: { "x-mcp-header": 1 } } },
    };
    expect(compileParamHeaders(harmless)).toEqual({ ok: true, headers: [] });
  });

  test("of any depth is read to an end", () => {
    let deep: object = { type: "string", "x-mcp-header": "Deep" };
    for (let level = 0; level < 5_000; level++) deep = { properties: { a: deep } };
    expect(compileParamHeaders(deep).ok).toBe(true);
  });
});

describe("a call", () => {
  test("has the headers of the arguments it gives", () => {
    const args = { region: "größe", limit: 10, plain: "x", where: { dry: false } };
    expect(paramHeaderValues(headers, args)).toEqual({
      "mcp-param-region": "=?base64?Z3LDtsOfZQ==?=",
      "mcp-param-limit": "10",
      "mcp-param-dry-run": "false",
    });
    expect(paramHeaderValues(headers, { region: null })).toEqual({});
    expect(paramHeaderValues(headers, undefined)).toEqual({});
  });

  test("sends numbers that no double holds as they were written", () => {
    const args = parseJson('{"limit":12345678901234567890}');
    const values = paramHeaderValues(headers, args);
    expect(values).toEqual({ "mcp-param-limit": "12345678901234567890" });
    expect(paramHeaderMismatch(headers, args, values)).toBeUndefined();
  });

  test("agrees with its own headers, with integers as numbers", () => {
    const args = { region: " a ", limit: 10, where: { dry: true } };
    const values = paramHeaderValues(headers, args);
    expect(paramHeaderMismatch(headers, args, values)).toBeUndefined();
    const padded = { ...values, "mcp-param-limit": " 010 " };
    expect(paramHeaderMismatch(headers, args, padded)).toBeUndefined();
  });

  test.each([
    [{ region: "a" }, {}, "missing"],
    [{ region: "a" }, { "mcp-param-region": "b" }, "does not equal"],
    [{ region: "a" }, { "mcp-param-region": "A" }, "does not equal"],
    [{}, { "mcp-param-region": "a" }, "absent"],
    [{ limit: 1 }, { "mcp-param-limit": "" }, "does not equal"],
    [{ limit: 0 }, { "mcp-param-limit": "" }, "does not equal"],
  ])("whose arguments %j come with %j is refused", (args, received, reason) => {
    expect(paramHeaderMismatch(headers, args, received)).toContain(reason);
  });

  test("does not look for arguments on prototypes", () => {
    const inherited = compiled({
      properties: { toString: { type: "string", "x-mcp-header": "T" } },
    });
    expect(paramHeaderValues(inherited, {})).toEqual({});
  });
});
